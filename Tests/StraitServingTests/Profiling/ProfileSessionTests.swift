// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitServing
internal import Testing

@Suite struct ProfileSessionTests {
    private static func key(_ name: String) -> ModelKey { ModelKey(name: name, version: 1, hash: "h") }

    /// Two models: one small with two sizes of row, one that needs much.
    private static let small = ProfilePlan.Target(
        key: key("small"), maximumBatch: 8,
        sizes: [
            .init(elementsPerRow: 128, time: .milliseconds(2)), .init(elementsPerRow: 1000, time: .milliseconds(16)),
        ])
    private static let large = ProfilePlan.Target(
        key: key("large"), maximumBatch: 6, sizes: [.init(elementsPerRow: 4096, time: .milliseconds(20))])

    private static func bench(lanes: Int = 2, stressors: [ProfileRecord.Stressor]? = nil) -> KnownBench {
        KnownBench(
            [
                "small": .init(
                    time: { rows, elements in Double(elements) / 64 * (0.5 + 0.5 * Double(rows)) },
                    demand: Demand(compute: 0.3, bandwidth: 0.2, cache: 0.1)),
                "large": .init(
                    time: { rows, _ in 20 * Double(rows) }, demand: Demand(compute: 0.8, bandwidth: 0.6, cache: 0)),
            ], lanes: lanes, stressors: stressors ?? ProfileRecord.Stressor.allCases)
    }

    private static func plan(_ bench: KnownBench, quick: Bool = false) -> ProfilePlan {
        ProfilePlan([small, large], lanes: bench.laneCount, stressors: bench.stressors, quick: quick)
    }

    private static func subject(_ name: String, _ elements: Int, _ rows: Int) -> ProfileRecord.Subject {
        ProfileRecord.Subject(model: name, version: 1, elementsPerRow: elements, rows: rows)
    }

    // -- what is found --------------------------------------------------------------------------------------------

    @Test func `a profile says what is true of the models`() throws {
        let bench = Self.bench()
        var session = ProfileSession(Self.plan(bench), on: bench, clock: bench.clock)
        var noted: [ProfileRecord] = []
        #expect(try session.run(note: { noted.append($0) }))
        #expect(noted == session.records && session.failures.isEmpty)

        let small = try #require(ProfileFit.profile(of: Self.key("small"), from: session.records))
        #expect(small.curves.map(\.bucket) == [7, 10])
        #expect(small.curves[0].points.map(\.rows) == [1, 2, 4, 8])
        #expect(small.curves[0].points.map(\.kernelTime.milliseconds) == [2, 3, 5, 9])
        #expect(small.curves[1].points.map(\.rows) == [1, 8])
        #expect(small.bytesInPerRow == 512 && small.bytesOutPerRow == 8)
        let large = try #require(ProfileFit.profile(of: Self.key("large"), from: session.records))
        #expect(large.curves[0].points.map(\.rows) == [1, 2, 4, 6])
        let pairs: [(ModelProfile, Demand)] = [
            (small, Demand(compute: 0.3, bandwidth: 0.2, cache: 0.1)),
            (large, Demand(compute: 0.8, bandwidth: 0.6, cache: 0.2)),
        ]
        for (profile, truth) in pairs {
            for point in profile.curves.flatMap(\.points) {
                let demand = try #require(point.demand)
                #expect(abs(demand.compute - truth.compute) < 1e-6, "\(demand)")
                #expect(abs(demand.bandwidth - truth.bandwidth) < 0.021, "\(demand)")
            }
        }
        // Two of the large one want 1.6 of the device.
        let twice = session.records.compactMap { record -> ProfileRecord.Pair? in
            if case .pair(let pair) = record, pair.first.model == "large", pair.second.model == "large" {
                pair
            } else {
                nil
            }
        }
        #expect(twice.count == 1 && abs(twice[0].firstSlowdown - 1.6) < 1e-6, "\(twice)")
        #expect(twice[0].firstSlowdown == twice[0].secondSlowdown)
    }

    @Test func `without stressors the model that needs most stands for one`() throws {
        let bench = KnownBench(
            [
                "small": .init(time: { _, _ in 2 }, demand: Demand(compute: 0.3, bandwidth: 0, cache: 0)),
                "large": .init(time: { _, _ in 20 }, demand: Demand(compute: 1, bandwidth: 0, cache: 0)),
            ], stressors: [])
        var session = ProfileSession(Self.plan(bench), on: bench, clock: bench.clock)
        #expect(try session.run(note: { _ in }))
        for (name, compute) in [("small", 0.3), ("large", 1.0)] {
            let profile = try #require(ProfileFit.profile(of: Self.key(name), from: session.records))
            let demands = profile.curves.flatMap(\.points).map(\.demand)
            #expect(demands.allSatisfy { abs(($0?.compute ?? 9) - compute) < 1e-9 && $0?.bandwidth == 0 }, "\(demands)")
        }
    }

    @Test func `every size is measured until its median is known or time is up`() throws {
        let bench = Self.bench(lanes: 1)
        bench.noise = [1, 1.1, 0.9, 1.05, 0.95]
        var session = ProfileSession(Self.plan(bench), on: bench, clock: bench.clock)
        #expect(try session.run(note: { _ in }))
        let rule = ProfilePlan.Pace.full.solo
        var solos = 0
        for case .solo(let solo) in session.records {
            solos += 1
            let error = Double((solo.high - solo.low).nanoseconds) / 2 / Double(solo.median.nanoseconds)
            let spent = solo.mean * Double(solo.runs)
            #expect(error <= rule.tolerance || spent > rule.longestSpan * 0.7, "\(solo)")
            #expect(spent < rule.longestSpan * 1.2, "\(solo)")
            #expect(solo.low <= solo.median && solo.median <= solo.p95)
        }
        #expect(solos == 10)
        #expect(bench.together.isEmpty, "on one lane nothing runs beside anything")
    }

    @Test func `in between stand references`() throws {
        let bench = Self.bench()
        let plan = Self.plan(bench)
        #expect(plan.steps.first == .reference && plan.steps.last == .reference)
        var session = ProfileSession(plan, on: bench, clock: bench.clock)
        #expect(try session.run(note: { _ in }))
        #expect(bench.references == plan.steps.count { $0 == .reference })
        #expect(bench.references >= plan.steps.count / 6)
    }

    // -- what goes wrong ------------------------------------------------------------------------------------------

    @Test func `a batch that a model cannot run is told, and what is larger is not tried`() throws {
        let bench = KnownBench(["small": .init(time: { rows, _ in Double(rows) }, mostRows: 2)])
        var target = Self.small
        target.sizes.removeLast()
        let plan = ProfilePlan([target], lanes: 2, stressors: bench.stressors, quick: false)
        var session = ProfileSession(plan, on: bench, clock: bench.clock)
        #expect(try session.run(note: { _ in }))
        #expect(session.failures == ["small, 4 rows of 128: too many rows"])
        let profile = try #require(ProfileFit.profile(of: Self.key("small"), from: session.records))
        #expect(profile.curves[0].points.map(\.rows) == [1, 2])
    }

    // -- going on -------------------------------------------------------------------------------------------------

    @Test(arguments: [1, 5, 12, 20, 33]) func `a stopped session goes on where it was`(after count: Int) throws {
        let bench = Self.bench()
        let plan = Self.plan(bench)
        var whole = ProfileSession(plan, on: bench, clock: bench.clock)
        #expect(try whole.run(note: { _ in }))

        let first = Self.bench()
        var kept: [ProfileRecord] = []
        var session = ProfileSession(plan, on: first, clock: first.clock)
        #expect(try !session.run(note: { kept.append($0) }, isStopped: { kept.count >= count }))
        #expect(kept.count == count)

        let second = Self.bench()
        var rest = ProfileSession(plan, on: second, clock: second.clock, goingOnFrom: kept)
        var shown: [Int] = []
        #expect(try rest.run(note: { kept.append($0) }, progress: { shown.append($0.done) }))
        #expect(kept == rest.records)
        func measured(_ records: [ProfileRecord]) -> [[ProfileRecord.Subject]] {
            records.map(\.subjects).filter { !$0.isEmpty }
        }
        #expect(measured(kept) == measured(whole.records), "each thing is measured once")
        #expect((shown.first ?? 0) >= count - 1 && shown == shown.sorted())
        #expect(Set(second.alone).isDisjoint(with: first.alone.dropLast()))
    }

    @Test func `a step that is stopped half-way leaves nothing`() throws {
        let bench = Self.bench()
        var asked = 0
        var session = ProfileSession(Self.plan(bench), on: bench, clock: bench.clock)
        let isDone = try session.run(
            note: { _ in },
            isStopped: {
                asked += 1
                return asked > 3
            })
        // Asked before the reference, before the first size, and once within it.
        #expect(!isDone && session.records.count == 1)
    }
}
