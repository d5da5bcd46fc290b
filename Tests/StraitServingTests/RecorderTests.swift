// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitFormats
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor
internal import Testing

/// A recording of the engine on a scripted device: what was sent, what ran, what was answered.
@Suite struct RecorderTests {
    private let clock = ManualClock()
    private let device = ScriptedDevice(lanes: 2)
    private let engine: Engine
    private let model: ServedModel
    private let pool = SlabPool(budget: 1 << 24)
    private let folder = Folder()
    private let log = ReplyLog()
    private let lines = Lines()
    private let profile = ModelProfile(
        curves: [
            ModelProfile.Curve(bucket: 1, points: [ModelProfile.Point(rows: 1, kernelTime: .milliseconds(5))])
        ])

    init() throws {
        engine = Engine(
            policy: .edfPriority, limits: SchedulerLimits(maximumWaiting: 50), device: device, clock: clock)
        let specification = ModelSpecification(
            name: "m", version: 1, modelFile: "m/1/model.onnx", maxBatchSize: 4,
            inputs: [TensorSpecification(name: "in", type: .fp32, shape: [-1, -1])],
            outputs: [TensorSpecification(name: "out", type: .fp32, shape: [-1, -1])])
        model = engine.add(
            specification, loaded: try device.load(path: "m/1/model.onnx", name: "m"), profile: profile)
        device.start(driver: engine)
        // Times of a recording begin with it, not with the clock.
        clock.advance(by: .seconds(1000))
    }

    private var path: String { "\(folder.path)/r.jsonl" }

    private func recorder(capacity: Int = 1000) throws -> (hub: RecordHub, recorder: Recorder) {
        let hub = RecordHub(engine: engine, capacity: capacity)
        return (hub, try Recorder(path: path, hub: hub) { [lines] in lines.note($0) })
    }

    @discardableResult
    private func submit(
        _ number: Int, _ requestClass: RequestClass = .high, due: StraitCore.Duration = .seconds(10), rows: Int = 1,
        columns: Int = 2
    ) throws -> RequestID? {
        let slab = try pool.take(rows * columns * 4)
        let tensor = Tensor(
            name: "in", type: .fp32, shape: [rows, columns], slab: slab, range: 0..<(rows * columns * 4))
        let submission = Submission(
            model: model, inputs: [tensor], rows: rows, requestClass: requestClass, arrived: clock.now(),
            deadline: clock.now() + due)
        return engine.submit(submission) { [log] in log.note(number, $0) }
    }

    private func milliseconds(_ count: Double) -> Instant { .zero + .milliseconds(count) }

    @Test func `what happens on the server is in the file, with times from the beginning`() throws {
        let (hub, recorder) = try recorder()
        clock.advance(by: .milliseconds(2))
        try submit(0, due: .milliseconds(100), rows: 2)
        try submit(1, .low, due: .milliseconds(4), columns: 5)
        clock.advance(by: .milliseconds(6))
        device.finish(lane: 0, taking: .milliseconds(5))
        device.finish(lane: 1, taking: .milliseconds(6))
        hub.tick()
        clock.advance(by: .milliseconds(1))
        try submit(2, due: .zero)
        try submit(3)
        device.fail(lane: 0)
        let waiting = try #require(try submit(4))
        engine.cancel(waiting)
        clock.advance(by: .milliseconds(1))
        recorder.stop()
        #expect(lines.all == ["recorded 5 requests and 3 batches in \(path)"])

        let recording = try Recording(path: path)
        #expect(recording.head.source == .live && recording.head.policy == "edf-priority")
        #expect(recording.head.maximumWaiting == 50 && !recording.head.hasLearned)
        #expect(recording.head.devices == [Recording.Device(name: "scripted", lanes: 2, copies: false)])
        #expect(recording.head.models == [Recording.Model(name: "m", maximumBatch: 4, profile: profile)])
        #expect(recording.end == milliseconds(10) && recording.dropped == 0)
        #expect(recording.arrivals.map(\.at) == [2, 2, 9, 9, 9].map(milliseconds))
        #expect(recording.arrivals.map(\.rows) == [2, 1, 1, 1, 1])
        #expect(recording.arrivals.map(\.requestClass) == [.high, .low, .high, .high, .high])
        #expect(
            recording.arrivals[0].deadline == milliseconds(102) && recording.arrivals[1].deadline == milliseconds(6))
        #expect(recording.arrivals.map(\.bucket) == [1, 3, 1, 1, 1])
        #expect(recording.arrivals[0].shape != recording.arrivals[1].shape)
        #expect(recording.arrivals[0].shape == recording.arrivals[3].shape)
        #expect(
            recording.answersByArrival.map { $0?.ending } == [
                .met, .late, .shed(.hopelessOnArrival), .failed, .cancelled,
            ])
        let batch = recording.batches[0]
        #expect(batch.lane == 0 && batch.rows == 2 && batch.requestClass == .high && batch.met == 1 && batch.late == 0)
        #expect(batch.stagedAt == milliseconds(2) && batch.endedAt == milliseconds(8))
        // The device says that 5 of the 6 ms were kernels.
        #expect(batch.copiedInAt == milliseconds(3) && batch.kernelsDoneAt == milliseconds(8))
        #expect(batch.predictedFinish > batch.stagedAt && batch.bound95 > batch.medianBound)
        #expect(recording.batches[1].late == 1 && recording.batches[1].end == .finished)
        #expect(recording.batches[2].end == .failed && recording.batches[2].kernelsDoneAt == nil)
    }

    @Test func `an engine records nothing unasked, and nothing after the end`() throws {
        var records: [Recording.Record] = []
        try submit(0)
        #expect(engine.takeRecords(&records) == 0 && records.isEmpty)
        // A request and its batch from before are not known; their end is no slip.
        let (_, recorder) = try recorder()
        device.finish(lane: 0, taking: .milliseconds(5))
        recorder.stop()
        let text = folder.read("r.jsonl")
        try submit(1)
        #expect(engine.takeRecords(&records) == 0 && records.isEmpty)
        #expect(folder.read("r.jsonl") == text)
        #expect(try Recording(path: path).answers.isEmpty)
    }

    @Test func `what has no room is counted, and the rest still fits together`() throws {
        let (hub, recorder) = try recorder(capacity: 7)
        for round in 0..<6 {
            for number in 0..<4 { try submit(round * 10 + number) }
            while let lane = device.running.keys.min() {
                clock.advance(by: .milliseconds(5))
                device.finish(lane: lane, taking: .milliseconds(5))
            }
            hub.tick()
        }
        recorder.stop()
        #expect(lines.have("warning: recording: more happened than there is room for"))
        #expect(lines.all.count == 2, "it is said once, and at the end")
        let recording = try Recording(path: path)
        #expect(recording.dropped > 0 && recording.answers.count < 24)
        #expect(lines.have("\(recording.dropped) records had no room"))
        #expect(recording.arrivals.count + recording.batches.count + recording.answers.count + recording.dropped >= 48)
    }

    @Test func `a file that cannot be written is said before serving`() {
        #expect(throws: FormatError.self) {
            try Recorder(path: "\(folder.path)/none/r.jsonl", hub: RecordHub(engine: engine)) { _ in }
        }
    }

    @Test(arguments: 0..<50) func `random traffic makes a recording that reads back`(seed: UInt64) throws {
        var generator = Seeded(state: seed)
        let (hub, recorder) = try recorder()
        var open: [RequestID] = []
        for number in 0..<120 {
            let due = StraitCore.Duration.milliseconds(Double.random(in: 0...80, using: &generator))
            let id = try submit(
                number, Bool.random(using: &generator) ? .high : .low, due: due,
                rows: Int.random(in: 1...4, using: &generator), columns: Int.random(in: 1...3, using: &generator))
            if let id { open.append(id) }
            clock.advance(by: .milliseconds(Double.random(in: 0...6, using: &generator)))
            if let lane = device.running.keys.sorted().randomElement(using: &generator), Bool.random(using: &generator)
            {
                if Int.random(in: 0..<8, using: &generator) == 0 {
                    device.fail(lane: lane)
                } else {
                    device.finish(lane: lane, taking: .milliseconds(Double.random(in: 0...20, using: &generator)))
                }
            }
            if Int.random(in: 0..<10, using: &generator) == 0, let id = open.randomElement(using: &generator) {
                engine.cancel(id)
            }
            if Int.random(in: 0..<20, using: &generator) == 0 { hub.tick() }
        }
        while let lane = device.running.keys.min() {
            clock.advance(by: .milliseconds(5))
            device.finish(lane: lane, taking: .milliseconds(5))
        }
        recorder.stop()
        let recording = try Recording(path: path)
        #expect(recording.arrivals.count == 120 && recording.answers.count == 120)
        for requestClass in RequestClass.allCases {
            let counted = engine.counters(of: requestClass)
            let mine = recording.answers.filter { recording.arrivals[$0.arrival].requestClass == requestClass }
            #expect(mine.count { $0.ending == .met } == counted.met)
            #expect(mine.count { $0.ending == .late } == counted.late)
            #expect(mine.count { $0.ending == .cancelled } == counted.cancelled)
            #expect(mine.count { $0.ending == .failed } == counted.failed)
        }
        #expect(recording.batches.reduce(0) { $0 + $1.met } == recording.answers.count { $0.ending == .met })
        #expect(recording.batches.count == device.started.count)
    }
}
