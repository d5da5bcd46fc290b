// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import VirtualAccelerator

@Suite struct NoiseTests {
    /// Kernel times of many batches, each alone, relative to the solo time.
    private func samples(_ count: Int, _ noise: NoiseLevels, seed: UInt64 = 7) -> [Double] {
        var description = quiet()
        description.noise = noise
        var accelerator = VirtualAccelerator(description, models: [model()], seed: seed)
        var events: [AcceleratorEvent] = []
        for id in 0..<count {
            accelerator.submit(job(id), at: Int64(id) * 1_000_000_000)
            accelerator.advance(to: Int64(id + 1) * 1_000_000_000 - 1, into: &events)
        }
        return events.compactMap { event in
            guard case .finished(let times) = event.kind else { return nil }
            return Double(times.kernels) / Double(model().soloTime(rows: 8))
        }
    }

    @Test func batchesVaryByAboutThreePercentAroundTheirTime() {
        var noise = NoiseLevels()
        noise.hiccups = 0
        let samples = samples(4000, noise)
        let mean = samples.reduce(0, +) / Double(samples.count)
        let variance = samples.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(samples.count)
        #expect(abs(mean - 1) < 0.003)
        #expect((0.028...0.036).contains(variance.squareRoot()))
    }

    @Test func measuredFactorsAreDrawnAsOftenAsTheyWereMeasured() {
        var noise = NoiseLevels.none
        noise.factors = [0.9, 0.9, 0.9, 1.5]
        let samples = samples(2000, noise)
        #expect(samples.allSatisfy { abs($0 - 0.9) < 1e-5 || abs($0 - 1.5) < 1e-5 })
        let share = Double(samples.count { $0 > 1 }) / Double(samples.count)
        #expect((0.22...0.28).contains(share))
    }

    @Test func aboutOneBatchInAThousandHangs() {
        let hung = samples(20_000, NoiseLevels()).filter { $0 > 1.9 }
        #expect((8...35).contains(hung.count))
        // 5 to 20 ms on top of 5 ms.
        #expect(hung.allSatisfy { $0 < 5.6 })
    }

    @Test func exponentialTimesHaveTheMeanAndTheTailOfTheirName() {
        var noise = NoiseLevels.none
        noise.times = .exponential
        let samples = samples(20_000, noise)
        let mean = samples.reduce(0, +) / 20_000
        let variance = samples.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 20_000
        #expect(abs(mean - 1) < 0.02 && abs(variance - 1) < 0.06)
        // e^−1, e^−3, and 1 − e^−0.1 of them.
        for (share, expected) in [
            (samples.filter { $0 > 1 }.count, 0.3679), (samples.filter { $0 > 3 }.count, 0.0498),
            (samples.filter { $0 < 0.1 }.count, 0.0952),
        ] {
            let deviation = (expected * (1 - expected) / 20_000).squareRoot()
            #expect(abs(Double(share) / 20_000 - expected) < 4 * deviation)
        }
    }

    @Test func theSameSeedGivesTheSameEventsAndAnotherOthers() {
        var description = quiet(2)
        description.noise = NoiseLevels()
        let jobs = (0..<40).map { job($0, model: $0 % 2, rows: 1 + $0 % 8, device: $0 % 2) }
        let models = [model(1, bytesIn: 10_000), model(2, bytesOut: 5_000)]
        #expect(run(description, models, jobs, seed: 5) == run(description, models, jobs, seed: 5))
        #expect(run(description, models, jobs, seed: 5) != run(description, models, jobs, seed: 6))
    }

    @Test func eventsComeInTheOrderOfTimeAndEachJobsInTheirs() {
        var description = quiet(2)
        description.noise = NoiseLevels()
        let jobs = (0..<200).map { job($0, rows: 1 + $0 % 32, device: $0 % 2) }
        let events = run(description, [model(bytesIn: 100_000, bytesOut: 100_000)], jobs)
        #expect(zip(events, events.dropFirst()).allSatisfy { $0.time <= $1.time })
        for id in 0..<200 {
            let own = events.filter { $0.job == id }
            guard own.count == 3, own[0].kind == .copiedIn, own[1].kind == .kernelsDone,
                case .finished = own[2].kind
            else {
                Issue.record("job \(id) went through \(own)")
                continue
            }
        }
    }
}
