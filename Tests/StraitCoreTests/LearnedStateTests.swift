// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@Suite struct LearnedStateTests {
    private static let models = [
        ModelDescription(
            maximumBatch: 8,
            profile: profile(
                2, 1.5, demand: Demand(compute: 0.6, bandwidth: 0.4, cache: 0.2), bytesIn: 600_000, bytesOut: 4000)),
        ModelDescription(maximumBatch: 4),
        ModelDescription(maximumBatch: 1, maximumQueued: 10),
    ]

    private static func harness(_ policy: PolicyName, _ estimator: EstimatorName, copies: Bool) -> Harness {
        var options = SchedulerOptions()
        options.estimator = estimator
        return Harness(policy: policy, lanes: [2, 1], models: models, copies: copies, options: options)
    }

    /// A scheduler that has served many requests, and is idle now.
    private static func served(
        _ policy: PolicyName = .strait, _ estimator: EstimatorName = .kalman, copies: Bool = true, seed: UInt64 = 1,
        requests: Int = 150
    ) -> Scheduler {
        var harness = harness(policy, estimator, copies: copies)
        harness.trueTime = RandomTimes(seed: seed).time
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<requests {
            let model = Int.random(in: 0..<models.count, using: &generator)
            let size = UInt32.random(in: 0..<4, using: &generator)
            harness.arrive(
                Bool.random(using: &generator) ? .high : .low, model: model,
                due: .milliseconds(Double.random(in: 50...900, using: &generator)),
                rows: Int.random(in: 1...models[model].maximumBatch, using: &generator),
                shape: size, elements: 1 << Int(size))
            harness.advance(by: .milliseconds(Double.random(in: 0..<25, using: &generator)))
        }
        harness.drain()
        return harness.scheduler
    }

    /// Everything that a scheduler would predict, number by number.
    private static func predictions(_ scheduler: Scheduler) -> [Double] {
        let state = scheduler.state
        var numbers: [Double] = (0..<8).map { state.interference.theta[$0] }
        for calibration in state.calibrations { numbers += [calibration.median, calibration.q95, calibration.q99] }
        for (index, description) in models.enumerated() {
            let model = ModelID(index: index)
            numbers.append(state.interference.bias(of: index))
            for rows in 1...description.maximumBatch {
                for bucket in UInt8(0)..<7 {
                    let work = WorkShape(model: model, bucket: bucket)
                    numbers.append(Double(scheduler.expectedTime(work, rows: rows).nanoseconds))
                    numbers.append(state.estimator.isMeasured(work) ? 1 : 0)
                    numbers.append(Double(state.estimator.efficientRows(work, limit: 8)))
                    for device in 0..<2 {
                        numbers.append(state.soloWork(work, rows: rows, on: DeviceID(index: device)))
                    }
                }
                for device in 0..<2 {
                    numbers.append(state.copyInTime(model, rows: rows, on: DeviceID(index: device)))
                    numbers.append(state.copyOutTime(model, rows: rows, on: DeviceID(index: device)))
                }
            }
        }
        return numbers
    }

    @Test(arguments: PolicyName.allCases, EstimatorName.allCases)
    func `what was kept and put back predicts the same to the last bit`(
        policy: PolicyName, estimator: EstimatorName
    ) throws {
        for copies in [false, true] {
            let before = Self.served(policy, estimator, copies: copies)
            var after = Self.harness(policy, estimator, copies: copies).scheduler
            #expect(Self.predictions(after) != Self.predictions(before), "nothing was learned")
            try after.restore(before.learned)
            #expect(after.learned == before.learned)
            #expect(Self.predictions(after) == Self.predictions(before))
        }
    }

    @Test(arguments: EstimatorName.allCases)
    func `it goes on to learn the same`(estimator: EstimatorName) throws {
        var one = Self.served(.strait, estimator).state.interference
        var other = Self.harness(.strait, estimator, copies: true).scheduler
        try other.restore(Self.served(.strait, estimator).learned)
        var restored = other.state.interference
        var generator = SeededGenerator(seed: 11)
        for _ in 0..<200 {
            var overlap = SIMD8<Double>()
            for lane in 0..<7 { overlap[lane] = Double.random(in: 0...1, using: &generator) }
            let model = Int.random(in: 0..<5, using: &generator)
            let label = Double.random(in: -0.3...1, using: &generator)
            one.learn(overlap, model: model, label: label, device: 0)
            restored.learn(overlap, model: model, label: label, device: 0)
        }
        #expect(one.state == restored.state)
    }

    @Test func `dispatches are predicted the same`() throws {
        func finishes(_ scheduler: Scheduler, from start: Instant) -> [Duration] {
            var (scheduler, actions) = (scheduler, ActionList())
            var finishes: [Duration] = []
            for slot in UInt32(0)..<3 {
                let now = start + .microseconds(Int64(slot) * 700)
                let request = Request(
                    id: RequestID(slot: slot, generation: 1000),
                    work: WorkShape(model: ModelID(index: Int(slot % 2)), elementsPerRow: 1),
                    shape: ShapeID(number: 100), requestClass: .high, rows: 2, deadline: .never)
                scheduler.step(.arrival(request), at: now, into: &actions)
                for case .stage(let batch) in actions.actions { finishes.append(batch.predictedFinish - now) }
            }
            return finishes
        }
        let before = Self.served(.fifo, copies: false)
        var after = Self.harness(.fifo, .kalman, copies: false).scheduler
        try after.restore(before.learned)
        let start = Instant.zero + .seconds(100_000)
        #expect(finishes(before, from: start).count == 3)
        #expect(finishes(before, from: start) == finishes(after, from: start))
    }

    @Test func `models are put in a new order, and one that is left out starts anew`() throws {
        let before = Self.served()
        var learned = before.learned
        // The driver has them in the order 2, 0, and a new one between.
        learned.models = [learned.models[2], LearnedState.Model(), learned.models[0]]
        var harness = Harness(
            policy: .strait, lanes: [2, 1], models: [Self.models[2], Self.models[1], Self.models[0]], copies: true)
        let fresh = harness.scheduler
        try harness.scheduler.restore(learned)
        let after = harness.scheduler
        for (new, old) in [(0, 2), (2, 0)] {
            #expect(after.state.interference.bias(of: new) == before.state.interference.bias(of: old))
            #expect(after.learned.models[new] == before.learned.models[old])
        }
        #expect(after.state.interference.bias(of: 1) == 0)
        let work = WorkShape(model: ModelID(index: 1), elementsPerRow: 1)
        #expect(after.expectedTime(work, rows: 3) == fresh.expectedTime(work, rows: 3))
        #expect(!after.state.estimator.isMeasured(work))
        #expect(after.brokenInvariant() == nil)
    }

    @Test func `the first completion after it was put back is not learned from`() throws {
        var teacher = Harness()
        teacher.teach(time: .milliseconds(10), completions: 10)
        var harness = Harness()
        try harness.scheduler.restore(teacher.scheduler.learned)
        let work = WorkShape(model: ModelID(index: 0), elementsPerRow: 1)
        let known = harness.scheduler.expectedTime(work, rows: 1)
        harness.trueTime = { _ in .milliseconds(25) }
        harness.arrive(.high, due: .seconds(10))
        harness.advance(by: .seconds(1))
        #expect(harness.scheduler.expectedTime(work, rows: 1) == known)
        harness.arrive(.high, due: .seconds(10))
        harness.advance(by: .seconds(1))
        #expect(harness.scheduler.expectedTime(work, rows: 1) > known)
    }

    /// Changes that make a state one that nobody can have learned, or that is of another scheduler.
    private static let damages: [@Sendable (inout LearnedState) -> Void] = [
        { $0.estimator = .rls }, { $0.models.append(.init()) }, { $0.devices.removeLast() }, { $0.devices = [] },
        { $0.devices[0].copyIn = nil },
        {
            $0.devices[0].copyIn = nil; $0.devices[0].copyOut = nil
        },
        { $0.devices[0].speed = 0 }, { $0.devices[0].speed = .nan }, { $0.devices[1].noise = -1 },
        { $0.devices[1].noise = .infinity }, { $0.devices[0].copyIn?.weight = 0 },
        { $0.devices[0].copyOut?.bytesTime = .nan }, { $0.devices[0].copyOut?.time = -1 },
        { $0.theta[3] = .nan }, { $0.theta[3] = 5 }, { $0.theta[7] = 1 }, { $0.matrix = [] },
        { $0.matrix.removeLast() },
        { $0.matrix[2][1] += 1 }, { $0.matrix[0][0] = -1 }, { $0.matrix[0][0] = .infinity }, { $0.matrix[4][4] = 0.3 },
        { $0.rightSide[0] = .nan }, { $0.classes.removeLast() }, { $0.classes[0].median = .nan },
        {
            $0.classes[1].q95 = 0.9; $0.classes[1].median = 1
        }, { $0.classes[0].q99 = 4 },
        { $0.models[0].interference?.bias = .nan }, { $0.models[0].interference?.uncertainty = 0 },
        { $0.models[0].interference?.idle = -1 }, { $0.models[0].interference?.idle = .max },
        { $0.models[0].interference?.surprises = .max }, { $0.models[0].interference?.slope[2] = 1e9 },
        { $0.models[0].solo[0].cells[0].mean = -1 }, { $0.models[0].solo[0].cells[0].mean = .nan },
        { $0.models[0].solo[0].cells[0].samples = -1 }, { $0.models[0].solo[0].cells[0].samples = .max },
        { $0.models[0].solo[0].bucket = 64 }, { $0.models[0].solo.append($0.models[0].solo[0]) },
        { $0.models[0].solo[0].cells = Array(repeating: .init(), count: 33) },
        { $0.models[0].corrections[0].factor = 0 }, { $0.models[0].corrections[0].residual = -1 },
        { $0.models[0].corrections[0].samples = .max }, { $0.models[0].corrections[0].exponent = 64 },
        { $0.models[0].corrections.append($0.models[0].corrections[0]) },
        { $0.models[0].copies[0].copyIn = 0 }, { $0.models[0].copies[1].copyOut = .nan },
    ]

    @Test func `a broken state is refused as a whole and changes nothing`() throws {
        let good = Self.served(seed: 2).learned
        let before = Self.served(seed: 3)
        var scheduler = before
        try scheduler.restore(good)
        for (index, damage) in Self.damages.enumerated() {
            var learned = good
            damage(&learned)
            #expect(learned != good, "damage \(index) changes nothing")
            var scheduler = before
            do {
                try scheduler.restore(learned)
                Issue.record("damage \(index) was taken")
            } catch {
                #expect(!error.description.isEmpty)
            }
            #expect(scheduler.learned == before.learned, "damage \(index)")
            #expect(Self.predictions(scheduler) == Self.predictions(before), "damage \(index)")
        }
    }

    @Test(arguments: EstimatorName.allCases)
    func `whatever happens, what was learned can be put back`(estimator: EstimatorName) throws {
        for seed in UInt64(0)..<4 {
            var harness = Self.harness(.edfPriority, estimator, copies: seed % 2 == 0)
            var generator = SeededGenerator(seed: seed)
            let times = RandomTimes(seed: seed)
            harness.fails = times.fails
            harness.trueTime = { batch in
                // From nothing to a minute.
                let wild = [0, 1, 1000, 1_000_000, 60_000_000_000]
                let pick = Int(batch.batch.slot &* 7 &+ batch.batch.generation &* 13) % 9
                return pick < wild.count ? Duration(nanoseconds: Int64(wild[pick])) : times.time(batch)
            }
            for _ in 0..<60 {
                let size = UInt32.random(in: 0...20, using: &generator)
                harness.arrive(
                    .high, model: Int.random(in: 0..<3, using: &generator), due: .seconds(1e6), shape: size,
                    elements: 1 << Int(size))
                harness.advance(by: .seconds(1))
            }
            harness.drain()
            let learned = harness.scheduler.learned
            var other = Self.harness(.edfPriority, estimator, copies: seed % 2 == 0).scheduler
            try other.restore(learned)
            #expect(other.learned == learned, "seed \(seed)")
        }
    }
}
