// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitProtocol
internal import StraitTensor
internal import Synchronization
internal import Testing

@testable internal import StraitServing

/// Work that a thread was given to do later.
private final class Works: Sendable {
    private let works = Mutex<[@Sendable () -> Void]>([])

    var all: [@Sendable () -> Void] { works.withLock { $0 } }

    func note(_ work: @escaping @Sendable () -> Void) { works.withLock { $0.append(work) } }
}

/// Batches that are run by the thread which brings the request.
@Suite struct InlineTests {
    private let clock = ManualClock()
    private let device: ScriptedDevice
    private let engine: Engine
    private let model: ServedModel
    private let pool = SlabPool(budget: 1 << 20)
    private let log = ReplyLog()

    init() throws { try self.init(runsInline: true) }

    private init(runsInline: Bool) throws {
        device = ScriptedDevice(lanes: 2, runsInline: runsInline)
        engine = Engine(policy: .strait, devices: [device], clock: clock, inlineLimit: .microseconds(100))
        let specification = ModelSpecification(
            name: "m", version: 1, modelFile: "m/1/model.onnx", maxBatchSize: 4,
            inputs: [TensorSpecification(name: "in", type: .fp32, shape: [-1, -1])],
            outputs: [TensorSpecification(name: "out", type: .fp32, shape: [-1, -1])])
        model = engine.add(specification, loaded: try device.load(path: "m/1/model.onnx", name: "m"))
        device.start(driver: engine)
    }

    private func submit(_ number: Int, later: Engine.Later? = { $0() }) throws {
        let tensor = Tensor(name: "in", type: .fp32, shape: [1, 1], slab: try pool.take(4), range: 0..<4)
        let now = clock.now()
        let submission = Submission(
            model: model, inputs: [tensor], rows: 1, requestClass: .high, arrived: now, deadline: now + .seconds(10))
        engine.submit(submission, later: later) { [log] in log.note(number, $0) }
    }

    /// The batch on the lane runs, and takes its time.
    private func finish(_ time: StraitCore.Duration) -> @Sendable (Int) -> Void {
        { [clock, device] lane in
            clock.advance(by: time)
            device.finish(lane: lane, taking: time)
        }
    }

    /// Some batches on lanes, so that it is known how long they take.
    private func learn(_ time: StraitCore.Duration) throws {
        for number in 0..<8 {
            try submit(-1 - number)
            for lane in device.running.keys { finish(time)(lane) }
        }
        clock.advance(by: .milliseconds(10))
    }

    @Test func `a short batch is answered before its submission returns`() throws {
        try learn(.microseconds(30))
        device.inline = finish(.microseconds(30))
        try submit(1)
        #expect(log[1]?.answer != nil)
        #expect(device.running.isEmpty)
    }

    @Test func `a thread that is not to compute does not`() throws {
        try learn(.microseconds(30))
        device.inline = finish(.microseconds(30))
        try submit(1, later: nil)
        #expect(device.running.count == 1)
    }

    @Test func `nor does any for a device that does not let it`() throws {
        let other = try InlineTests(runsInline: false)
        try other.learn(.microseconds(30))
        other.device.inline = other.finish(.microseconds(30))
        try other.submit(1)
        #expect(other.device.running.count == 1)
    }

    @Test func `what comes before the thread computes is its next batch`() throws {
        try learn(.microseconds(30))
        device.inline = finish(.microseconds(30))
        let work = Works()
        try submit(1) { work.note($0) }
        #expect(log[1] == nil && device.running.isEmpty && work.all.count == 1)
        // The other lane is taken by the next, and two more wait.
        for number in 2...4 { try submit(number, later: nil) }
        for one in work.all { one() }
        #expect(log[1]?.answer != nil && log[2] == nil)
        #expect(device.started.last?.parts.count == 2, "and it goes on with what waited, together")
    }

    @Test func `one that was never measured goes to its lane`() throws {
        device.inline = finish(.microseconds(1))
        try submit(1)
        #expect(device.running.count == 1)
        #expect(log[1] == nil)
    }

    @Test func `a long one goes to its lane`() throws {
        try learn(.microseconds(300))
        device.inline = finish(.microseconds(300))
        try submit(1)
        #expect(device.running.count == 1)
    }

    @Test func `what waits for the lane meanwhile is the lane's`() throws {
        try learn(.microseconds(30))
        let finish = finish(.microseconds(30))
        device.inline = { [device] lane in
            device.inline = nil
            // Requests for both lanes and one more come while the thread computes.
            for number in 2...4 { try? submit(number, later: nil) }
            finish(lane)
        }
        try submit(1)
        #expect(log[1]?.answer != nil)
        #expect(log[2] == nil && log[3] == nil && log[4] == nil)
        #expect(device.running.count == 2, "the lane that is free again has its next batch")
        while let lane = device.running.keys.min() { finish(lane) }
        #expect(log.count == 8 + 4 && log.doubled.isEmpty)
    }

    @Test func `busy threads leave batches to the lanes`() throws {
        try learn(.microseconds(30))
        let run = finish(.microseconds(30))
        device.inline = run
        var inline = 0
        // A request each 40 µs: three quarters of a thread's time, of which a third is allowed.
        for number in 0..<1000 {
            try submit(number)
            if log[number] == nil {
                for lane in device.running.keys { run(lane) }
            } else {
                inline += 1
            }
            clock.advance(by: .microseconds(10))
        }
        #expect((400...460).contains(inline), "30 of each 40 µs, where a third is 13.3: four of nine, not \(inline)")
    }

    @Test func `after one that took long none is run inline until that is made up for`() {
        var budget = InlineBudget(limit: .microseconds(100), at: .zero)
        let start = Instant.zero + .seconds(1)
        func takes(_ generation: UInt32, at now: Instant) -> Bool {
            budget.takes(BatchID(slot: 0, generation: generation), expected: .microseconds(30), at: now)
        }
        let first = takes(0, at: start)
        let wasInline = budget.ended(
            BatchID(slot: 0, generation: 0), took: .milliseconds(5), at: start + .milliseconds(6))
        // 5 ms are made up for in 15, less what was saved up before.
        let (early, late) = (takes(1, at: start + .milliseconds(14)), takes(1, at: start + .milliseconds(16)))
        #expect(first && wasInline && !early && late)
    }

    @Test func `with a limit of zero none is`() {
        var budget = InlineBudget(limit: .zero, at: .zero)
        let takes = budget.takes(BatchID(slot: 0, generation: 0), expected: .zero, at: .zero + .seconds(1))
        #expect(!takes)
    }
}
