// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor
internal import Testing

/// The engine on a scripted device and a clock that the test advances: no threads, no sleeps.
@Suite struct EngineTests {
    private let clock = ManualClock()
    private let device: ScriptedDevice
    private let engine: Engine
    private let model: ServedModel
    private let pool = SlabPool(budget: 1 << 24)
    private let log = ReplyLog()

    init() throws {
        device = ScriptedDevice(lanes: 2)
        engine = Engine(policy: .edfPriority, device: device, clock: clock)
        let specification = ModelSpecification(
            name: "m", version: 1, modelFile: "m/1/model.onnx", maxBatchSize: 4,
            inputs: [TensorSpecification(name: "in", type: .fp32, shape: [-1, -1])],
            outputs: [TensorSpecification(name: "out", type: .fp32, shape: [-1, -1])])
        model = engine.add(specification, loaded: try device.load(path: "m/1/model.onnx", name: "m"))
        // Not `start()`: that would start the timer's thread; the scripted device needs only its driver.
        device.start(driver: engine)
    }

    private func tensor(_ value: Float, rows: Int, columns: Int) throws -> Tensor {
        let slab = try pool.take(rows * columns * 4)
        slab.bytes.bindMemory(to: Float.self).update(repeating: value)
        return Tensor(name: "in", type: .fp32, shape: [rows, columns], slab: slab, range: 0..<(rows * columns * 4))
    }

    @discardableResult
    private func submit(
        _ number: Int, _ requestClass: RequestClass = .high, due: StraitCore.Duration = .seconds(10), rows: Int = 1,
        columns: Int = 2
    ) throws -> RequestID? {
        let submission = Submission(
            model: model, inputs: [try tensor(Float(number), rows: rows, columns: columns)], rows: rows,
            requestClass: requestClass, arrived: clock.now(), deadline: clock.now() + due)
        return engine.submit(submission) { [log] in log.note(number, $0) }
    }

    @Test func `each request gets its own rows back`() throws {
        // Enough completions that larger batches are tried, with times that make them worthwhile.
        for number in 0..<400 {
            try submit(number, rows: 1 + number % 2)
            if number % 4 == 3 { finishAll() }
        }
        finishAll()
        #expect(log.count == 400 && log.doubled.isEmpty)
        for number in 0..<400 {
            let output = try #require(log[number]?.answer?.outputs.first)
            #expect(output.bytes.loadUnaligned(as: Float.self) == Float(number))
            #expect(output.shape == [1 + number % 2, 2])
        }
        #expect(device.started.contains { $0.parts.count > 1 }, "no batch of several requests ever formed")
    }

    private func finishAll() {
        while let lane = device.running.keys.min() {
            let rows = device.running[lane]?.rows ?? 1
            // A time that is longer than the clock says would not be believed.
            clock.advance(by: .milliseconds(5 + Double(rows)))
            device.finish(lane: lane, taking: .milliseconds(5 + Double(rows)))
        }
    }

    @Test func `a request past its deadline is delivered, marked late`() throws {
        try submit(1, due: .milliseconds(50))
        clock.advance(by: .milliseconds(60))
        device.finish(lane: 0, taking: .milliseconds(60))
        let answer = try #require(log[1]?.answer)
        #expect(answer.isLate)
        #expect(answer.timing.compute == .milliseconds(60))
    }

    @Test func `the timing tells queue and prediction`() throws {
        try submit(1)
        try submit(2)
        try submit(3)
        clock.advance(by: .milliseconds(30))
        device.finish(lane: 0, taking: .milliseconds(30))
        clock.advance(by: .milliseconds(20))
        device.finish(lane: 0, taking: .milliseconds(20))
        let timing = try #require(log[3]?.answer?.timing)
        #expect(timing.queue == .milliseconds(30))
        #expect(timing.predicted == .milliseconds(50))
    }

    @Test func `a failed batch fails its requests with the device's message, and the lane goes on`() throws {
        try submit(1)
        try submit(2)
        try submit(3)
        device.fail(lane: 0)
        #expect(log[1]?.refusal?.error == ProtocolError(.failedInternally, "model m: it broke"))
        device.finish(lane: 0, taking: .milliseconds(5))
        #expect(log[3]?.answer != nil)
    }

    @Test func `a batch that was split fails only the requests that failed alone`() throws {
        // Enough completions that larger batches are tried.
        var (failed, answered) = (Set<Int>(), Set<Int>())
        for number in 0..<400 {
            try submit(number)
            guard number % 4 == 3 else { continue }
            while let (lane, batch) = device.running.min(by: { $0.key < $1.key }) {
                clock.advance(by: .milliseconds(5 + Double(batch.rows)))
                guard batch.parts.count > 1 else {
                    device.finish(lane: lane, taking: .milliseconds(6))
                    continue
                }
                let numbers = batch.parts.map { Int($0.inputs[0].bytes.loadUnaligned(as: Float.self)) }
                failed.insert(numbers[0])
                answered.formUnion(numbers[1...])
                device.split(lane: lane, failing: [0])
            }
        }
        #expect(!failed.isEmpty, "no batch of several requests ever formed")
        #expect(log.count == 400 && log.doubled.isEmpty)
        for number in failed {
            #expect(log[number]?.refusal?.error == ProtocolError(.failedInternally, "model m: it broke"))
        }
        for number in answered {
            let output = try #require(log[number]?.answer?.outputs.first)
            #expect(output.bytes.loadUnaligned(as: Float.self) == Float(number))
        }
    }

    @Test func `cancelling answers once, whether the request waits or runs`() throws {
        let running = try #require(try submit(1))
        try submit(2)
        let waiting = try #require(try submit(3))
        engine.cancel(waiting)
        engine.cancel(running)
        engine.cancel(running)
        #expect(log[1]?.refusal?.error.code == .cancelled)
        #expect(log[3]?.refusal?.error.code == .cancelled)
        device.finish(lane: 0, taking: .milliseconds(5))
        device.finish(lane: 1, taking: .milliseconds(5))
        engine.cancel(running)
        #expect(log.count == 3 && log.doubled.isEmpty)
        #expect(engine.counters(of: .high).cancelled == 2)
    }

    @Test func `what is refused is told when it would have been done`() throws {
        for number in 0..<12 {
            try submit(number)
            clock.advance(by: .milliseconds(40))
            device.finish(lane: 0, taking: .milliseconds(40))
        }
        try submit(99, due: .milliseconds(10))
        let refusal = try #require(log[99]?.refusal)
        #expect(refusal.error.code == .deadlineExceeded)
        #expect(refusal.error.message.contains("predicted to finish 34.000 ms after arrival, but due after 10.000 ms"))
    }

    @Test func `draining finishes what was accepted and refuses the rest`() throws {
        try submit(1)
        #expect(!engine.drain(within: .zero))
        try submit(2)
        #expect(log[2]?.refusal?.error.code == .unavailable)
        #expect(log[1] == nil)
        device.finish(lane: 0, taking: .milliseconds(5))
        #expect(log[1]?.answer != nil)
        #expect(engine.drain(within: .zero))
    }

    @Test func `memory comes back when the answers are gone`() throws {
        for number in 0..<20 {
            try submit(number)
            if number % 3 == 0 { finishAll() }
        }
        finishAll()
        #expect(log.count == 20 && pool.bytesInUse > 0)
        log.forget()
        device.forget()
        #expect(pool.bytesInUse == 0)
    }

    @Test func `statistics count what happened`() throws {
        for number in 0..<5 { try submit(number) }
        finishAll()
        try submit(9)
        device.fail(lane: 0)
        let statistics = engine.statistics(of: model)
        #expect(statistics.success.count == 5)
        #expect(statistics.fail.count == 1)
        #expect(statistics.executionCount == 5)
        #expect(statistics.computeInfer.nanoseconds == 5 * 6_000_000)
    }

    @Test func `what a device cannot have measured is told to nobody`() throws {
        try submit(1)
        clock.advance(by: .milliseconds(5))
        device.finish(lane: 0, taking: .seconds(1e6))
        #expect(log[1]?.answer?.timing.compute == .milliseconds(5))
        #expect(engine.statistics(of: model).computeInfer.nanoseconds == 5_000_000)
    }

    @Test func `a clock that goes back is not followed`() throws {
        clock.advance(by: .seconds(-3))
        try submit(1)
        device.finish(lane: 0, taking: .milliseconds(5))
        let timing = try #require(log[1]?.answer?.timing)
        #expect(timing.compute == .zero && timing.copy == .zero)
    }

    @Test(arguments: 0..<200)
    func `random traffic: every request is answered once`(seed: UInt64) throws {
        var generator = Seeded(state: seed)
        var open: [RequestID] = []
        let count = 150
        for number in 0..<count {
            let due = StraitCore.Duration.milliseconds(Double.random(in: 0...200, using: &generator))
            if let id = try submit(
                number, Bool.random(using: &generator) ? .high : .low, due: due,
                rows: Int.random(in: 1...4, using: &generator), columns: Int.random(in: 1...3, using: &generator))
            {
                open.append(id)
            }
            clock.advance(by: .milliseconds(Double.random(in: 0...10, using: &generator)))
            if Int.random(in: 0..<6, using: &generator) == 0, let id = open.randomElement(using: &generator) {
                engine.cancel(id)
            }
            if Bool.random(using: &generator), let lane = device.running.keys.min() {
                if Int.random(in: 0..<8, using: &generator) == 0 {
                    device.fail(lane: lane)
                } else {
                    device.finish(lane: lane, taking: .milliseconds(Double.random(in: 1...40, using: &generator)))
                }
            }
        }
        finishAll()
        #expect(engine.drain(within: .zero), "seed \(seed): something was never answered")
        #expect(log.count == count && log.doubled.isEmpty, "seed \(seed): \(log.count) answered, twice \(log.doubled)")
        for number in 0..<count {
            if let output = log[number]?.answer?.outputs.first {
                #expect(output.bytes.loadUnaligned(as: Float.self) == Float(number), "seed \(seed)")
            }
        }
    }
}

/// A seeded generator (SplitMix64).
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
