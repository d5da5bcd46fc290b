// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// Nothing starves under `strait`: whatever the values say, every model that has work gets on with it. The bounds are wide;
/// they are about starving, not about how well the policy does.
@Suite struct StarvationTests {
    private static let small = Demand(compute: 0.5, bandwidth: 0.3, cache: 0.2)
    private static let wide = Demand(compute: 1, bandwidth: 0.7, cache: 0.5)

    /// How long an overload lasts, milliseconds.
    private static let overload = 8000.0

    /// A model of `fixed` + `perRow` · rows milliseconds, which its batches take indeed.
    private struct Kind {
        var fixed: Double
        var perRow: Double
        var demand: Demand
    }

    private static func harness(
        lanes: Int, _ kinds: [Kind], options: SchedulerOptions = SchedulerOptions()
    ) -> Harness {
        var harness = Harness(
            policy: .strait, lanes: [lanes],
            models: kinds.map {
                ModelDescription(maximumBatch: 8, profile: profile($0.fixed, $0.perRow, demand: $0.demand))
            }, options: options)
        harness.trueTime = {
            .milliseconds(kinds[$0.model.index].fixed + kinds[$0.model.index].perRow * Double($0.rows))
        }
        return harness
    }

    /// The longest time without a batch of a model, its first and last moments included.
    private static func longestPause(of model: Int, in harness: Harness) -> StraitCore.Duration {
        var (last, longest) = (Instant.zero, StraitCore.Duration.zero)
        for (at, batch, _) in harness.batches where batch.model.index == model {
            longest = max(longest, at - last)
            last = at
        }
        return max(longest, harness.now - last)
    }

    @Test func `long low work on one lane gets on beside high work with little slack`() {
        // A high request that takes 10 ms and is due in 30 ms comes every 25 ms on the average; low batches take 60 ms and
        // 90 ms, so that none ever fits between two of them.
        var harness = Self.harness(
            lanes: 1,
            [
                Kind(fixed: 8, perRow: 2, demand: Self.wide), Kind(fixed: 50, perRow: 10, demand: Self.wide),
                Kind(fixed: 80, perRow: 10, demand: Self.small),
            ])
        var random = SeededGenerator(seed: 3)
        for _ in 0..<600 {
            harness.arrive(.high, model: 0, due: .milliseconds(30))
            for model in 1...2 where harness.scheduler.state.models[model].waiting < 3 {
                harness.arrive(.low, model: model, due: .seconds(20))
            }
            harness.advance(by: .milliseconds(Double.random(in: 15..<35, using: &random)))
        }
        for model in 1...2 {
            // The floor is 2 % of the time: a batch each 3 s and each 4.5 s.
            #expect(Self.longestPause(of: model, in: harness) < .seconds(10), "model \(model)")
        }
        let high = harness.scheduler.counters(of: .high)
        #expect(Double(high.met) > 0.8 * Double(high.arrived))
    }

    @Test func `a wide model gets on among narrow ones that would always fit beside each other`() {
        let narrow = Kind(fixed: 4, perRow: 1, demand: Demand(compute: 0.6, bandwidth: 0.2, cache: 0.1))
        var harness = Self.harness(lanes: 3, [narrow, narrow, narrow, Kind(fixed: 10, perRow: 2, demand: Self.wide)])
        var random = SeededGenerator(seed: 4)
        for _ in 0..<1500 {
            harness.arrive(.low, model: Int.random(in: 0..<3, using: &random), due: .milliseconds(400))
            if Int.random(in: 0..<10, using: &random) == 0 { harness.arrive(.low, model: 3, due: .milliseconds(400)) }
            harness.advance(by: .milliseconds(2))
        }
        #expect(Self.longestPause(of: 3, in: harness) < .seconds(2))
    }

    @Test func `every low model gets on at 1.3 times what can be served`() {
        let kinds = [
            Kind(fixed: 3, perRow: 0.5, demand: Self.small), Kind(fixed: 4, perRow: 1, demand: Self.small),
            Kind(fixed: 6, perRow: 2, demand: Self.wide), Kind(fixed: 10, perRow: 3, demand: Self.wide),
            Kind(fixed: 15, perRow: 4, demand: Self.wide), Kind(fixed: 30, perRow: 6, demand: Self.wide),
        ]
        var harness = Self.harness(lanes: 1, kinds)
        var random = SeededGenerator(seed: 5)
        // A row in a full batch takes fixed / 8 + perRow; each model's requests shall take a sixth of 1.3 of the time.
        let gaps = kinds.map { ($0.fixed / 8 + $0.perRow) * 6 / 1.3 }
        var next = gaps
        while let model = next.indices.min(by: { next[$0] < next[$1] }), next[model] < Self.overload {
            harness.advance(to: .zero + .milliseconds(next[model]))
            let isHigh = Int.random(in: 0..<10, using: &random) < 3
            let work = kinds[model].fixed + kinds[model].perRow
            harness.arrive(isHigh ? .high : .low, model: model, due: .milliseconds(isHigh ? work * 6 : work * 15))
            next[model] += gaps[model] * Double.random(in: 0..<2, using: &random)
        }
        harness.drain()
        var met = [Int](repeating: 0, count: 6)
        for (id, request) in harness.requests where request.requestClass == .low && harness.outcomes[id] == .met {
            met[request.work.model.index] += 1
        }
        for model in kinds.indices {
            // The floor is 2 % of the time, of which a quarter may be owed still.
            let alone = kinds[model].fixed + kinds[model].perRow
            #expect(Double(met[model]) * alone > 0.015 * Self.overload, "model \(model)")
            #expect(Self.longestPause(of: model, in: harness) < .seconds(5), "model \(model)")
        }
    }

    @Test func `when high traffic has ended, low work has the devices to itself`() {
        // No floor: it is the expected high requests that must be forgotten, not a share that must be granted.
        var options = SchedulerOptions()
        options.strait.lowFloor = 0
        var harness = Self.harness(
            lanes: 1,
            [Kind(fixed: 8, perRow: 2, demand: Self.wide), Kind(fixed: 180, perRow: 20, demand: Self.wide)],
            options: options)
        for _ in 0..<400 {
            harness.arrive(.high, model: 0, due: .milliseconds(30))
            harness.advance(by: .milliseconds(20))
        }
        let expected = harness.scheduler.state.traffic.stream(0, .high)
        #expect(abs(expected.rate * 20e6 - 1) < 0.01)
        harness.advance(by: .seconds(4))
        let low = harness.arrive(.low, model: 1, due: .seconds(1e10))
        harness.advance(by: .seconds(2))
        #expect(harness.outcomes[low] == .met)
        #expect(harness.scheduler.state.traffic.stream(0, .high).rate == 0)
    }

    @Test func `one request for tomorrow says little about the patience of the next`() {
        var harness = Self.harness(lanes: 1, [Kind(fixed: 8, perRow: 2, demand: Self.wide)])
        func patience() -> Double { harness.scheduler.state.traffic.stream(0, .high).patience }
        harness.arrive(.high, due: .seconds(1e10))
        #expect(patience() == 0)
        for _ in 0..<20 {
            harness.arrive(.high, due: .milliseconds(100))
            harness.advance(by: .milliseconds(20))
        }
        #expect(abs(patience() - 100e6) < 1)
        harness.arrive(.high, due: .seconds(86_400))
        harness.arrive(.high, due: .seconds(1e10))
        #expect(patience() < 150e6)
    }
}
