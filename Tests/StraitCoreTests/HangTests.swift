// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// A batch that runs far beyond its bound: its device gets nothing more until it ends.
@Suite struct HangTests {
    /// A model of 10 ms a row that every batch takes, but those that the test lets hang.
    private static let model = ModelDescription(maximumBatch: 1, profile: profile(0, 10, demand: nil))

    private static func harness(_ policy: PolicyName, lanes: [Int], hanging: @escaping (StagedBatch) -> Bool) -> Harness
    {
        var harness = Harness(policy: policy, lanes: lanes, models: [model])
        harness.trueTime = { hanging($0) ? .seconds(100) : .milliseconds(10) }
        return harness
    }

    @Test(arguments: PolicyName.allCases)
    func `another device serves all while one hangs, and then both do`(policy: PolicyName) {
        // The very first batch hangs; it goes to the first device.
        var harness = Self.harness(policy, lanes: [2, 2]) { $0.batch.isFirst }
        let stuck = harness.arrive(.high, due: .seconds(1))
        harness.advance(by: .seconds(1.9))
        #expect(!harness.scheduler.state.devices.all[0].isHung)
        harness.advance(by: .seconds(0.2))
        // By its timer alone: nothing has happened since.
        #expect(harness.scheduler.state.devices.all[0].isHung)
        #expect(harness.scheduler.state.devices.servingLanes == 2)
        // Policies that run one batch at a time serve half as many.
        let isAlone = [PolicyName.clockwork, .clockworkPriority, .exclusive].contains(policy)
        let served = (0..<200).map { _ in
            defer { harness.advance(by: .milliseconds(isAlone ? 11 : 6)) }
            return harness.arrive(.high, due: .milliseconds(100))
        }
        #expect(served.allSatisfy { harness.outcomes[$0] == .met || harness.outcomes[$0] == nil })
        #expect(harness.batches.dropFirst().allSatisfy { $0.batch.device.index == 1 })

        harness.advance(to: .zero + .seconds(101))
        #expect(harness.outcomes[stuck] == .late)
        #expect(harness.scheduler.state.devices.servingLanes == 4)
        let before = harness.batches.count
        for _ in 0..<4 { harness.arrive(.high, due: .seconds(1)) }
        harness.drain()
        #expect(Set(harness.batches.dropFirst(before).map(\.batch.device.index)) == [0, 1])
    }

    @Test(arguments: [PolicyName.strait, .edfPriority, .edfPriorityEWMAGate, .gpuletPriority])
    func `where the only device hangs, what cannot be in time learns so, and the rest runs afterwards`(
        policy: PolicyName
    ) {
        var harness = Self.harness(policy, lanes: [2]) { $0.batch.isFirst }
        harness.arrive(.high, due: .seconds(1))
        harness.advance(by: .seconds(3))
        // A lane is free, but not on a device to count on.
        let refused = harness.arrive(.high, due: .seconds(10))
        guard case .shed(.hopelessOnArrival, let finish)? = harness.outcomes[refused] else {
            Issue.record("\(String(describing: harness.outcomes[refused])) instead of a refusal")
            return
        }
        #expect(finish == .never)
        // What has no deadline waits.
        let patient = harness.arrive(.low, due: .seconds(1e10))
        #expect(harness.outcomes[patient] == nil)
        harness.advance(to: .zero + .seconds(99))
        #expect(harness.batches.count == 1)
        harness.advance(to: .zero + .seconds(101))
        #expect(harness.outcomes[patient] == .met)
        let after = harness.arrive(.high, due: .milliseconds(50))
        harness.drain()
        #expect(harness.outcomes[after] == .met)
    }

    @Test(arguments: [PolicyName.strait, .edfPriority, .edfPriorityEWMAGate, .gpuletPriority, .triton])
    func `what waited before is shed by the timer`(policy: PolicyName) {
        var harness = Self.harness(policy, lanes: [1]) { $0.batch.isFirst }
        harness.arrive(.high, due: .seconds(1))
        let waiting = (1...3).map { harness.arrive(.low, due: .seconds(Double($0))) }
        harness.advance(by: .seconds(4))
        for (index, request) in waiting.enumerated() {
            guard case .shed(.hopelessInQueue, let finish)? = harness.outcomes[request] else {
                Issue.record("\(String(describing: harness.outcomes[request])) instead of shed in the queue")
                return
            }
            let answered = (harness.answeredAt[request] ?? .never).nanosecondsSinceZero
            #expect(answered <= .seconds(Double(index + 1)) + Duration(nanoseconds: 1))
            // From 2 s on no finish is predicted any more.
            #expect((finish == .never) == (answered > .seconds(2)))
        }
    }

    @Test func `arrival order waits for the device, and loses nothing`() {
        var harness = Self.harness(.fifo, lanes: [2]) { $0.batch.isFirst }
        let requests = (0..<50).map { _ in
            harness.advance(by: .milliseconds(100))
            return harness.arrive(.high, due: .seconds(1))
        }
        harness.drain()
        #expect(harness.batches.flatMap(\.members) == requests)
        let hung = harness.batches.filter { $0.at > .zero + .seconds(2.2) && $0.at < .zero + .seconds(100) }
        #expect(hung.isEmpty)
    }

    @Test func `a batch that fails frees its device like one that ends`() {
        var harness = Self.harness(.edfPriority, lanes: [1]) { $0.batch.isFirst }
        harness.fails = { $0.batch.isFirst }
        let stuck = harness.arrive(.high, due: .seconds(1))
        harness.advance(by: .seconds(101))
        #expect(harness.outcomes[stuck] == .failed)
        let after = harness.arrive(.high, due: .milliseconds(50))
        harness.drain()
        #expect(harness.outcomes[after] == .met)
    }

    @Test func `a device hangs in any phase, and a free lane does not help`() {
        // The batch of 100 s copies in for 20 s, then runs for 100 s with its copy stage free, then copies out for 20 s.
        var harness = Harness(policy: .fifo, lanes: [2], models: [Self.model], copies: true)
        harness.trueTime = { _ in .seconds(100) }
        harness.arrive(.high, due: .seconds(1))
        for second in stride(from: 3.0, to: 140, by: 5) {
            harness.advance(to: .zero + .seconds(second))
            #expect(harness.scheduler.state.devices.all[0].isHung, "at \(second) s")
            harness.arrive(.high, due: .seconds(1))
        }
        #expect(harness.batches.count == 1)
        harness.advance(to: .zero + .seconds(141))
        #expect(harness.batches.count == 2)
    }

    @Test func `the limit is ten times the 99 percent bound, and at least two seconds`() throws {
        let slow = ModelDescription(maximumBatch: 1, profile: profile(0, 1000, demand: nil))
        let unknown = ModelDescription(maximumBatch: 1)
        for (description, limit) in [(Self.model, 2.0), (slow, 16.0), (unknown, 30.0)] {
            var harness = Harness(policy: .edfPriority, models: [description])
            harness.trueTime = { _ in .seconds(1000) }
            harness.arrive(.high, due: .seconds(1e10))
            harness.advance(to: .zero + .seconds(limit))
            #expect(!harness.scheduler.state.devices.all[0].isHung, "\(limit)")
            harness.advance(by: Duration(nanoseconds: 1))
            #expect(harness.scheduler.state.devices.all[0].isHung, "\(limit)")
        }
    }

    @Test func `a probe is not kept waiting for a lane that may never be free`() throws {
        // The model is believed to need 10 ms, so nothing that is due in 5 ms is taken.
        var harness = Self.harness(.edfPriority, lanes: [1]) { _ in true }
        harness.arrive(.high, due: .seconds(1e10))
        harness.arrive(.high, due: .milliseconds(5))
        harness.advance(by: .seconds(1.5))
        // It has shed and completed nothing for more than a second: this one waits to be a probe.
        let probe = harness.arrive(.high, due: .milliseconds(5))
        #expect(harness.outcomes[probe] == nil)
        harness.advance(by: .seconds(1))
        #expect(harness.outcomes[probe] == .shed(.hopelessInQueue, predictedFinish: .never))
        let next = harness.arrive(.high, due: .milliseconds(5))
        #expect(harness.outcomes[next] == .shed(.hopelessOnArrival, predictedFinish: .never))
    }

    @Test func `what a device claims to have taken does not grow on itself`() {
        var harness = Harness(policy: .edfPriority, lanes: [1], models: [Self.model])
        let claim = MeasuredTimes(copyIn: .seconds(1e6), kernels: .seconds(1e6), copyOut: .seconds(1e6))
        harness.fate = { _ in
            BatchFate(
                times: MeasuredTimes(copyIn: .zero, kernels: .milliseconds(10), copyOut: .zero), measured: claim)
        }
        for _ in 0..<30 {
            harness.arrive(.high, due: .seconds(1e10))
            harness.advance(by: .milliseconds(20))
        }
        // Three parts, each of at most 30 s: what a first run may take before its lane is taken for hung.
        let expected = harness.scheduler.expectedTime(WorkShape(model: ModelID(index: 0), elementsPerRow: 1), rows: 1)
        #expect(expected <= .seconds(90), "\(expected.seconds) s")
    }

    @Test func `without any device nothing is predicted, and nothing is probed`() {
        var harness = Harness(policy: .edfPriority, lanes: [], models: [Self.model])
        for _ in 0..<5 {
            let request = harness.arrive(.high, due: .milliseconds(50))
            #expect(harness.outcomes[request] == .shed(.hopelessOnArrival, predictedFinish: .never))
            harness.advance(by: .seconds(1))
        }
        let patient = harness.arrive(.low, due: .seconds(1e10))
        harness.trueTime = { _ in .milliseconds(10) }
        harness.addDevice(lanes: 1, copies: false)
        harness.drain()
        #expect(harness.outcomes[patient] == .met)
    }
}

extension BatchID {
    /// Whether it is the first batch that a scheduler stages.
    fileprivate var isFirst: Bool { slot == 0 && generation == 0 }
}
