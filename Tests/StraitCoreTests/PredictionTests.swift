// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// A profile of a model on a device: t0 + t1 · rows milliseconds, with one demand for all sizes.
func profile(
    _ fixed: Double, _ perRow: Double, demand: Demand?, bytesIn: Int = 0, bytesOut: Int = 0
) -> ModelProfile {
    let points = [1, 2, 4, 8].map { rows in
        ModelProfile.Point(rows: rows, kernelTime: .milliseconds(fixed + perRow * Double(rows)), demand: demand)
    }
    return ModelProfile(
        curves: [ModelProfile.Curve(bucket: 0, points: points)], bytesInPerRow: bytesIn, bytesOutPerRow: bytesOut)
}

@Suite struct PredictionTests {
    private let light = Demand(compute: 0.3, bandwidth: 0.2, cache: 0.1)
    private let heavy = Demand(compute: 0.9, bandwidth: 0.5, cache: 0.3)

    private func scheduler(_ demand: Demand, copying: CopyDescription? = nil, lanes: Int = 3) -> Scheduler {
        var scheduler = Scheduler(policy: .fifo)
        var actions = ActionList()
        scheduler.step(.deviceAdded(DeviceDescription(lanes: lanes, copying: copying)), at: .zero, into: &actions)
        let description = ModelDescription(
            maximumBatch: 8, profile: profile(9, 1, demand: demand, bytesIn: 1_000_000, bytesOut: 1_000_000))
        scheduler.step(.modelAdded(description), at: .zero, into: &actions)
        return scheduler
    }

    private func arrive(_ slot: UInt32, _ scheduler: inout Scheduler, at now: Instant) -> StagedBatch? {
        var actions = ActionList()
        let request = Request(
            id: RequestID(slot: slot, generation: 0), work: WorkShape(model: ModelID(index: 0), elementsPerRow: 1),
            shape: ShapeID(number: 0), requestClass: .high, rows: 1, deadline: .never)
        scheduler.step(.arrival(request), at: now, into: &actions)
        for case .stage(let batch) in actions.actions { return batch }
        return nil
    }

    @Test func `a batch alone is predicted to take its solo time`() throws {
        var scheduler = scheduler(heavy)
        let batch = try #require(arrive(0, &scheduler, at: .zero))
        #expect(batch.predictedFinish == .zero + .milliseconds(10))
    }

    @Test func `co-runners that overfill the device slow each other, those that fit do not by their compute`() throws {
        var full = scheduler(heavy)
        _ = arrive(0, &full, at: .zero)
        let slowed = try #require(arrive(1, &full, at: .zero))
        // Two batches that each want 0.9 get half each: a shortfall of 0.44, so a speed of 0.56 for both.
        #expect(slowed.predictedFinish > .zero + .milliseconds(17))
        #expect(slowed.predictedFinish < .zero + .milliseconds(19))
        var roomy = scheduler(light)
        _ = arrive(0, &roomy, at: .zero)
        let beside = try #require(arrive(1, &roomy, at: .zero))
        #expect(beside.predictedFinish == .zero + .milliseconds(10))
    }

    @Test func `a batch that ends soon stops slowing the other`() throws {
        var scheduler = scheduler(heavy)
        _ = arrive(0, &scheduler, at: .zero)
        let later = try #require(arrive(1, &scheduler, at: .zero + .milliseconds(9)))
        // The first has 1 ms of work left, done in 1.8 ms; the second then has 9 ms left.
        let expected = 9 + 1.8 + 9.0
        #expect(abs((later.predictedFinish - .zero).milliseconds - expected) < 0.1)
    }

    @Test func `copies take their overhead and their bytes, in and out`() throws {
        let copying = CopyDescription(overhead: .milliseconds(1), bytesPerSecond: 1e9)
        var scheduler = scheduler(light, copying: copying)
        let batch = try #require(arrive(0, &scheduler, at: .zero))
        let time = (batch.predictedFinish - .zero).milliseconds
        #expect(abs(time - (2 + 10 + 2)) < 0.01)
    }

    @Test func `an overdue batch is taken to need a little more, never nothing`() throws {
        var scheduler = scheduler(heavy, lanes: 2)
        _ = arrive(0, &scheduler, at: .zero)
        let later = try #require(arrive(1, &scheduler, at: .zero + .seconds(1)))
        // A twentieth of its 10 ms is left, at half speed.
        #expect((later.predictedFinish - (.zero + .seconds(1))).milliseconds > 10.3)
        #expect((later.predictedFinish - (.zero + .seconds(1))).milliseconds < 10.6)
    }
}

@Suite struct TransferModelTests {
    private let model = ModelID(index: 0)

    private func learned(_ overhead: Double, _ perByte: Double, samples: Int) -> TransferModel {
        var generator = SeededGenerator(seed: 9)
        var scheduler = Scheduler(policy: .fifo)
        var actions = ActionList()
        let description = CopyDescription(overhead: .microseconds(50), bytesPerSecond: 1e9)
        scheduler.step(.deviceAdded(DeviceDescription(lanes: 1, copying: description)), at: .zero, into: &actions)
        var transfer = TransferModel(description)
        for _ in 0..<samples {
            let bytes = Int.random(in: 10_000...20_000_000, using: &generator)
            let noise = Double.random(in: 0.95...1.05, using: &generator)
            let time = (overhead + perByte * Double(bytes)) * noise
            transfer.learn(bytes: bytes, model: model, took: Duration(nanoseconds: Int64(time)))
        }
        return transfer
    }

    @Test func `starts from the description and learns the line from service times`() {
        let start = learned(0, 0, samples: 0)
        #expect(abs(start.expectedTime(bytes: 10_000_000, model: model).milliseconds - 10.05) < 0.01)
        // Ten times the bandwidth and a fifth of the overhead.
        let later = learned(10_000, 0.1, samples: 2000)
        #expect(abs(later.expectedTime(bytes: 10_000_000, model: model).milliseconds - 1.01) < 0.06)
        #expect(abs(later.expectedTime(bytes: 1_000_000, model: model).milliseconds - 0.11) < 0.02)
    }

    @Test func `a model whose memory copies slower has its own factor`() {
        var transfer = learned(10_000, 0.1, samples: 2000)
        let pageable = ModelID(index: 1)
        for _ in 0..<400 {
            transfer.learn(bytes: 5_000_000, model: pageable, took: .milliseconds(2))
            transfer.learn(bytes: 5_000_000, model: model, took: .milliseconds(0.51))
        }
        #expect(abs(transfer.expectedTime(bytes: 5_000_000, model: pageable).milliseconds - 2) < 0.2)
        #expect(abs(transfer.expectedTime(bytes: 5_000_000, model: model).milliseconds - 0.51) < 0.06)
    }

    @Test func `one hiccup moves nothing much`() {
        var transfer = learned(10_000, 0.1, samples: 200)
        let before = transfer.expectedTime(bytes: 5_000_000, model: model)
        transfer.learn(bytes: 5_000_000, model: model, took: .seconds(2))
        #expect(transfer.expectedTime(bytes: 5_000_000, model: model) < before * 1.2)
    }

    @Test func `stays finite and not negative whatever is fed`() {
        var generator = SeededGenerator(seed: 4)
        var transfer = learned(10_000, 0.1, samples: 10)
        for _ in 0..<50_000 {
            let bytes = Int.random(in: -5...(1 << 40), using: &generator)
            transfer.learn(
                bytes: bytes, model: ModelID(index: Int.random(in: 0..<3, using: &generator)),
                took: Duration(nanoseconds: Int64.random(in: -5...(1 << 45), using: &generator)))
        }
        for bytes in [0, 1, 1000, 1 << 30] { #expect(transfer.expectedTime(bytes: bytes, model: model) >= .zero) }
    }
}

@Suite struct CalibrationTests {
    @Test(arguments: [0.9, 1.0, 1.4])
    func `quantiles cover what they say, whatever the errors look like`(centre: Double) throws {
        var generator = SeededGenerator(seed: 12)
        var calibration = Calibration()
        var coverage = Coverage()
        for _ in 0..<50_000 {
            // Skewed: mostly near the centre, sometimes half as much again.
            let tail =
                Double.random(in: 0..<1, using: &generator) < 0.1 ? Double.random(in: 0...0.5, using: &generator) : 0
            let z = centre * (1 + tail + Double.random(in: -0.05...0.05, using: &generator))
            coverage.note(z, calibration)
            calibration.note(z)
        }
        #expect(abs(try #require(coverage.p95) - 0.95) < 0.01)
        #expect(abs(try #require(coverage.p99) - 0.99) < 0.006)
        #expect(calibration.median <= calibration.q95 && calibration.q95 <= calibration.q99)
    }

    @Test func `the outer bound comes down within a thousand completions, from its start and after trouble`() throws {
        var generator = SeededGenerator(seed: 13)
        var calibration = Calibration()
        var coverage = Coverage()
        // Up to 1.1, and 1 on average.
        func z() -> Double {
            0.9 + (0..<4).reduce(0) { sum, _ in sum + Double.random(in: 0...0.05, using: &generator) }
        }
        for _ in 0..<1200 { calibration.note(z()) }
        #expect(calibration.q99 < 1.12)
        for _ in 0..<300 { calibration.note(6) }
        #expect(calibration.q99 == 3.5)
        for _ in 0..<2400 { calibration.note(z()) }
        #expect(calibration.q99 < 1.12)
        // Haste costs the outer bound little of its coverage.
        for _ in 0..<50_000 {
            let z = z()
            coverage.note(z, calibration)
            calibration.note(z)
        }
        #expect(abs(try #require(coverage.p99) - 0.99) < 0.003, "\(coverage)")
    }

    @Test func `errors of short batches count as a share of half a millisecond`() {
        #expect(Calibration.z(took: 12_000_000, predicted: 10_000_000) == 1.2)
        #expect(Calibration.z(took: 1_000_000, predicted: 500_000) == 2)
        // A wake-up of 50 µs is five times what a small model takes, and tells nothing of larger ones.
        #expect(abs(Calibration.z(took: 60_000, predicted: 10_000) - 1.1) < 1e-12)
        #expect(Calibration.z(took: 1, predicted: 499_999) > 0)
        #expect(Calibration.z(took: 5, predicted: 0) > 0)
        // Bounds are the same the other way round.
        for predicted: Int64 in [1, 10_000, 499_999, 500_000, 10_000_000] {
            let bound = Calibration.bound(1.3, on: Duration(nanoseconds: predicted)).nanoseconds
            #expect(abs(Calibration.z(took: bound, predicted: predicted) - 1.3) < 1e-5, "\(predicted)")
        }
    }

    @Test func `a model of microseconds leaves the bounds of one of milliseconds alone`() {
        var generator = SeededGenerator(seed: 14)
        var calibration = Calibration()
        // As was seen on a server with both, before: q50 2.4 and q95 3.5.
        for number in 0..<20_000 {
            let wakeUp = Int64.random(in: 5_000...80_000, using: &generator)
            let predicted: Int64 = number % 20 == 0 ? 3_400_000 : 10_000
            calibration.note(Calibration.z(took: predicted + wakeUp, predicted: predicted))
        }
        #expect(calibration.median < 1.1 && calibration.q95 < 1.2)
    }

    @Test func `how often bounds held is kept by class and model`() {
        var harness = Harness(
            policy: .fifo, models: [ModelDescription(maximumBatch: 1), ModelDescription(maximumBatch: 1)])
        // Ten times what is assumed of a model of which nothing is known, and a tenth of it.
        harness.trueTime = { $0.model.index == 1 ? .milliseconds(200) : .milliseconds(2) }
        for model in [1, 0, 0] {
            harness.arrive(.high, model: model, due: .seconds(10))
            harness.drain()
        }
        harness.arrive(.low, model: 1, due: .seconds(10))
        harness.drain()
        let coverage = harness.scheduler.state.coverage
        #expect(coverage[0].map(\.count) == [2, 1] && coverage[1].map(\.count) == [0, 1])
        #expect(coverage[0][0].p95 == 1 && coverage[0][1].p95 == 0 && coverage[0][1].p99 == 0)
        #expect(coverage[1][0].p95 == nil)
        var sum = coverage[0][0]
        sum.add(coverage[0][1])
        #expect(sum.count == 3 && sum.p95 == 2.0 / 3)
    }

    @Test func `the chance of being in time rises with what is allowed and falls with what is predicted`() {
        let calibration = Calibration()
        var last = -1.0
        for allowed in stride(from: 0.0, through: 30e6, by: 0.5e6) {
            let chance = calibration.probability(predicted: 10e6, allowed: allowed)
            #expect(chance >= last && chance >= 0 && chance <= 1)
            last = chance
        }
        #expect(calibration.probability(predicted: 10e6, allowed: 13e6) > 0.9)
        #expect(calibration.probability(predicted: 13e6, allowed: 10e6) < 0.1)
        #expect(calibration.probability(predicted: 1, allowed: -5) == 0)
    }

    @Test func `the sigmoid is right to seven digits`() {
        let known: [(Double, Double)] = [
            (0, 0.5), (1, 0.7310585786300049), (-1, 0.2689414213699951), (2, 0.8807970779778823),
            (-5, 0.0066928509242848554), (10, 0.9999546021312976), (0.35, 0.5866175789173301),
        ]
        for (x, value) in known { #expect(abs(sigmoid(x) - value) < 1e-7, "sigmoid(\(x))") }
        #expect(sigmoid(1e9) <= 1 && sigmoid(-1e9) >= 0)
    }
}
