// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable internal import VirtualAccelerator

@Suite struct KernelTests {
    @Test(arguments: Physics.allCases, [1, 2, 7, 32])
    func aBatchAloneTakesItsSoloTime(physics: Physics, rows: Int) throws {
        let events = run(quiet(physics: physics), [model()], [job(0, rows: rows)])
        let kernels = try #require(times(of: 0, in: events)).kernels
        // Each of up to eight phases is rounded up to a nanosecond.
        #expect((0...8).contains(kernels - model().soloTime(rows: rows)))
    }

    @Test func measuredTimesTakeThePlaceOfTheLine() throws {
        var model = model()
        model.times = [3_000_000, 3_500_000]
        for (rows, time) in [(1, 3_000_000), (2, 3_500_000), (3, 2_500_000)] {
            let events = run(quiet(), [model], [job(0, rows: rows)])
            let kernels = try #require(times(of: 0, in: events)).kernels
            #expect((0...8).contains(kernels - Int64(time)), "\(rows) rows")
        }
    }

    @Test(arguments: Physics.allCases)
    func coRunnersOfMediumSizeSlowEachOtherAsInferenceDevicesDo(physics: Physics) {
        #expect((1.1...1.6).contains(slowdown(physics, rows: 8, together: 2)))
        #expect((1.5...2.3).contains(slowdown(physics, rows: 8, together: 3)))
        #expect(slowdown(physics, rows: 1, together: 2) < slowdown(physics, rows: 8, together: 2))
        #expect(slowdown(physics, rows: 8, together: 2) < slowdown(physics, rows: 32, together: 2))
    }

    @Test func onADeviceThatIsNotSharedCoRunnersTakeTheirSoloTimes() throws {
        var description = quiet()
        description.devices[0].isShared = false
        let events = run(description, [model()], [job(0), job(1), job(2)])
        for id in 0..<3 {
            let kernels = try #require(times(of: id, in: events)).kernels
            #expect((0...8).contains(kernels - model().soloTime(rows: 8)))
        }
    }

    @Test func aSmallBatchBesideALargeOneKeepsItsShareOnlyWhereSharingIsFair() throws {
        func slowdownOfTheSmall(_ physics: Physics) throws -> Double {
            let models = [model(1, compute: 0.3, bandwidth: 0.2), model(2, compute: 1, bandwidth: 0.8)]
            let events = run(quiet(physics: physics), models, [job(0), job(1, model: 1, rows: 32)])
            return Double(try #require(times(of: 0, in: events)).kernels) / Double(models[0].soloTime(rows: 8))
        }
        #expect(try slowdownOfTheSmall(.waterfill) < 1.08)
        #expect(try slowdownOfTheSmall(.threshold) > 1.15)
    }

    /// Batches of one model are in the same phase at the same time, so each gets an equal share of the bandwidth: a phase
    /// of demand b takes count × b as long where that is more than 1.
    @Test(arguments: [2, 3, 4]) func batchesThatShareBandwidthTakeWhatTheHandCalculates(count: Int) throws {
        let model = model(2, compute: 0.1, bandwidth: 0.5, cache: 0)
        let events = run(quiet(), [model], (0..<count).map { job($0, rows: 32) })
        let course = KernelCourse(model)
        let demands = course.phases.indices.map { course.demand(rows: 32, phase: $0).bandwidth }
        let stretched = zip(course.phases, demands).reduce(0) { $0 + $1.0.share * max(1, Double(count) * $1.1) }
        // Two wait for bandwidth in some phases only, four in all of them, where shares do not matter: 4 × 0.5.
        #expect(demands.contains { $0 * Double(count) < 1 } == (count == 2))
        if count == 4 { #expect(abs(stretched - 2) < 1e-9) }
        // Each launch of another costs 2.5 %; 17 ms alone.
        let expected = 17e6 * stretched * (1 + 0.025 * Double(count - 1))
        for id in 0..<count { #expect(abs(Double(try #require(times(of: id, in: events)).kernels) - expected) < 10) }
    }

    @Test func twoBatchesThatAskForMoreBandwidthThanThereIsShareItInHalves() throws {
        // A model whose phases all ask for more than half of the bandwidth.
        func isContended(_ model: KernelModel) -> Bool {
            let course = KernelCourse(model)
            return course.phases.indices.allSatisfy {
                (0.5...0.999).contains(course.demand(rows: 32, phase: $0).bandwidth)
            }
        }
        let models = (1...200).map { model(UInt64($0), compute: 0.1, bandwidth: 0.75, cache: 0) }
        let contended = try #require(models.first(where: isContended))
        let events = run(quiet(), [contended], [job(0, rows: 32), job(1, rows: 32)])
        // On paper: 17 ms alone, 2 × 0.75 for the bandwidth, 2.5 % for the other's launches.
        for id in 0...1 {
            #expect(abs(Double(try #require(times(of: id, in: events)).kernels) - 17e6 * 1.5 * 1.025) < 10)
        }
    }

    @Test func aBatchThatSharesOnlyPartOfItsTimeIsSlowedOnlyThen() throws {
        var accelerator = VirtualAccelerator(quiet(), models: [model()], seed: 0)
        var events: [AcceleratorEvent] = []
        accelerator.submit(job(0, rows: 32), at: 0)
        accelerator.advance(to: 16_900_000, into: &events)
        accelerator.submit(job(1, rows: 1), at: 16_900_000)
        accelerator.advance(to: 100_000_000, into: &events)
        let kernels = try #require(times(of: 0, in: events)).kernels
        #expect(kernels > model().soloTime(rows: 32))
        #expect(kernels < model().soloTime(rows: 32) + 200_000)
    }

    @Test func phasesAverageToTheModelsDemand() {
        let model = model(3, compute: 0.6, bandwidth: 0.4, cache: 0.3)
        let demand = model.averageDemand(rows: 32)
        #expect(abs(demand.compute - 0.6) < 0.001 && abs(demand.bandwidth - 0.4) < 0.001)
        #expect(abs(demand.cache - 0.3) < 0.001)
        #expect(model.averageDemand(rows: 1).compute < model.averageDemand(rows: 8).compute)
    }

    @Test func aStreamLimitMakesLaterBatchesWaitAndTheirServiceTimesDoNotCountIt() throws {
        var description = quiet()
        description.devices[0].streams = 1
        let events = run(description, [model()], [job(0), job(1)])
        for id in 0...1 {
            let kernels = try #require(times(of: id, in: events)).kernels
            #expect((0...8).contains(kernels - model().soloTime(rows: 8)))
        }
        let first = try #require(time(of: 0, .kernelsDone, in: events))
        let second = try #require(time(of: 1, .kernelsDone, in: events))
        #expect(second - first >= model().soloTime(rows: 8))
    }

    @Test func aSlowerClockStretchesWhatRunsFromThenOn() throws {
        var description = quiet()
        description.devices[0].clock = [ClockChange(at: 2_500_000, factor: 0.75)]
        let events = run(description, [model()], [job(0)])
        // 5 ms alone: half of it at full speed, half at three quarters.
        let kernels = try #require(times(of: 0, in: events)).kernels
        #expect(abs(kernels - (2_500_000 + 3_333_333)) < 20)
    }

    @Test func aModelThatChangesIsSlowerInBatchesThatStartLater() throws {
        var description = quiet()
        description.modelChanges = [ModelChange(at: 1_000_000, model: 0, factor: 1.4)]
        var accelerator = VirtualAccelerator(description, models: [model()], seed: 0)
        var events: [AcceleratorEvent] = []
        accelerator.submit(job(0), at: 0)
        accelerator.advance(to: 10_000_000, into: &events)
        accelerator.submit(job(1), at: 10_000_000)
        accelerator.advance(to: 30_000_000, into: &events)
        #expect(abs(try #require(times(of: 0, in: events)).kernels - 5_000_000) < 20)
        #expect(abs(try #require(times(of: 1, in: events)).kernels - 7_000_000) < 20)
    }

    @Test(arguments: Physics.allCases)
    func aNeighbourSlowsDownWhileItIsThere(physics: Physics) throws {
        var description = quiet(physics: physics)
        let demand = ResourceDemand(compute: 0.6, bandwidth: 0.6, cache: 0.5)
        description.devices[0].neighbours = [Neighbour(from: 1_000_000, until: 2_000_000, demand: demand)]
        let short = try #require(times(of: 0, in: run(description, [model()], [job(0)]))).kernels
        description.devices[0].neighbours[0].until = 20_000_000
        let long = try #require(times(of: 0, in: run(description, [model()], [job(0)]))).kernels
        #expect(short > 5_010_000 && short < 6_000_000)
        #expect(long > short)
    }
}
