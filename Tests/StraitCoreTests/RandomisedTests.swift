// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// Random traffic, cancellations at every stage, failures, times that jump by a factor of ten: the invariants hold on
/// every step (the harness checks them) and every request is answered once.
@Suite struct RandomisedTests {
    @Test(arguments: 0..<300)
    func `invariants hold under random events`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let models = (0..<Int.random(in: 1...5, using: &generator)).map { _ in
            ModelDescription(
                maximumBatch: [1, 2, 3, 8].randomElement(using: &generator) ?? 1,
                maximumQueued: Bool.random(using: &generator) ? Int.random(in: 1...20, using: &generator) : nil)
        }
        var harness = Harness(
            policy: PolicyName.allCases.randomElement(using: &generator) ?? .fifo,
            lanes: (0..<Int.random(in: 1...3, using: &generator)).map { _ in Int.random(in: 1...3, using: &generator) },
            models: models,
            limits: SchedulerLimits(maximumWaiting: Int.random(in: 5...200, using: &generator)),
            copies: Bool.random(using: &generator), options: randomOptions(using: &generator))
        let noise = RandomTimes(seed: seed)
        harness.trueTime = noise.time
        harness.fails = noise.fails
        let load = Double.random(in: 0.2...3, using: &generator)
        var asked: [RequestID] = []
        for _ in 0..<Int.random(in: 50...400, using: &generator) {
            let model = Int.random(in: 0..<models.count, using: &generator)
            let shape = UInt32.random(in: 0..<3, using: &generator)
            asked.append(
                harness.arrive(
                    Bool.random(using: &generator) ? .high : .low, model: model,
                    due: .milliseconds(Double.random(in: -1...300, using: &generator)),
                    rows: Int.random(in: 1...models[model].maximumBatch, using: &generator),
                    shape: shape, elements: 1 + 1000 * Int(shape)))
            if Int.random(in: 0..<5, using: &generator) == 0, let victim = asked.randomElement(using: &generator) {
                harness.step(.cancelled(victim))
            }
            if Int.random(in: 0..<20, using: &generator) == 0 { harness.step(.timer) }
            harness.advance(by: .milliseconds(Double.random(in: 0..<20, using: &generator) / load))
        }
        harness.drain()
        #expect(harness.outcomes.count == asked.count, "seed \(seed): some requests were never answered")
        for requestClass in RequestClass.allCases {
            let counters = harness.scheduler.counters(of: requestClass)
            #expect(counters.ended == counters.arrived, "seed \(seed)")
        }
    }

    @Test func `the same events give the same actions`() {
        func run() -> [StagedBatch] {
            var harness = Harness(lanes: [2], models: [.init(maximumBatch: 8), .init(maximumBatch: 4)])
            var generator = SeededGenerator(seed: 5)
            let noise = RandomTimes(seed: 5)
            harness.trueTime = noise.time
            for _ in 0..<2000 {
                harness.arrive(
                    Bool.random(using: &generator) ? .high : .low, model: Int.random(in: 0..<2, using: &generator),
                    due: .milliseconds(Double.random(in: 5...300, using: &generator)),
                    shape: UInt32.random(in: 0..<40, using: &generator))
                harness.advance(by: .milliseconds(Double.random(in: 0..<10, using: &generator)))
            }
            return harness.batches.map(\.batch)
        }
        #expect(run() == run())
    }

    @Test func `queues of past shapes are used again`() {
        var harness = Harness(models: [.init(maximumBatch: 1)])
        harness.trueTime = { _ in .milliseconds(1) }
        for shape in 0..<5000 {
            harness.arrive(.high, due: .seconds(10), shape: UInt32(shape))
            harness.advance(by: .milliseconds(3))
        }
        #expect(harness.outcomes.values.allSatisfy { $0 == .met })
    }
}

/// Options with every switch thrown at random: whatever is taken away, the invariants hold.
func randomOptions(using generator: inout SeededGenerator) -> SchedulerOptions {
    var options = SchedulerOptions()
    options.estimator = EstimatorName.allCases.randomElement(using: &generator) ?? .kalman
    options.explanations = Bool.random(using: &generator) ? 16 : 0
    let switches: [WritableKeyPath<StraitOptions, Bool>] = [
        \.modelsTransfers, \.usesBias, \.usesCalibration, \.usesGate, \.usesHarm, \.usesReservation,
        \.limitsHold, \.usesUrgency,
        \.searchesBatchSizes, \.mixesClasses, \.usesEquity, \.prunes,
    ]
    for path in switches { options.strait[keyPath: path] = Int.random(in: 0..<4, using: &generator) > 0 }
    if Int.random(in: 0..<4, using: &generator) == 0 { options.strait.fixedMargin = 1.3 }
    if Int.random(in: 0..<4, using: &generator) == 0 { options.strait.lowFloor = 0 }
    return options
}

/// Times and failures drawn from a seed and the batch's place in the order, mostly 5 to 30 ms, sometimes ten times that.
struct RandomTimes: Sendable {
    let seed: UInt64

    private func draw(_ batch: StagedBatch, salt: UInt64) -> Double {
        var generator = SeededGenerator(
            seed: seed &* 31 &+ UInt64(batch.batch.generation) &* 977 &+ UInt64(batch.batch.slot) &+ salt)
        return Double.random(in: 0..<1, using: &generator)
    }

    func time(_ batch: StagedBatch) -> StraitCore.Duration {
        let base = 5 + 25 * draw(batch, salt: 1)
        return .milliseconds(draw(batch, salt: 2) < 0.05 ? base * 10 : base) * Double(batch.rows)
    }

    func fails(_ batch: StagedBatch) -> Bool { draw(batch, salt: 3) < 0.05 }
}
