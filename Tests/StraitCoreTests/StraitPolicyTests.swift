// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@Suite struct StraitPolicyTests {
    private let small = Demand(compute: 0.5, bandwidth: 0.3, cache: 0.2)
    private let wide = Demand(compute: 1, bandwidth: 0.7, cache: 0.5)

    /// A device of three lanes whose batches take their profiled time, with models given as (fixed, per row, demand).
    private func harness(
        lanes: Int = 3, _ models: [(Double, Double, Demand)], options: SchedulerOptions = SchedulerOptions()
    ) -> Harness {
        var harness = Harness(
            policy: .strait, lanes: [lanes],
            models: models.map { ModelDescription(maximumBatch: 8, profile: profile($0.0, $0.1, demand: $0.2)) },
            options: options)
        harness.trueTime = { batch in
            let model = models[batch.model.index]
            return .milliseconds(model.0 + model.1 * Double(batch.rows))
        }
        return harness
    }

    @Test func `an idle device takes what comes`() {
        var harness = harness([(2, 1, small)])
        let request = harness.arrive(.high, due: .milliseconds(50))
        #expect(harness.batches.count == 1)
        harness.drain()
        #expect(harness.outcomes[request] == .met)
    }

    @Test func `the gate keeps wide batches apart, and lets small ones run together`() {
        var wideOnes = harness([(9, 1, wide)])
        wideOnes.arrive(.low, due: .milliseconds(500), shape: 0)
        wideOnes.arrive(.low, due: .milliseconds(500), shape: 1)
        wideOnes.advance(by: .milliseconds(5))
        #expect(wideOnes.batches.count == 1)
        var smallOnes = harness([(9, 1, small)])
        smallOnes.arrive(.low, due: .milliseconds(500), shape: 0)
        smallOnes.arrive(.low, due: .milliseconds(500), shape: 1)
        smallOnes.advance(by: .milliseconds(5))
        #expect(smallOnes.batches.count == 2)
    }

    @Test func `low requests fill up a batch of high ones`() {
        var harness = harness(lanes: 1, [(9, 0.5, wide)])
        harness.arrive(.low, due: .seconds(1))
        let high = harness.arrive(.high, due: .milliseconds(60))
        // Due so soon that later is too late for it.
        let low = harness.arrive(.low, due: .milliseconds(25))
        harness.drain()
        let batch = harness.batches.first { $0.members.contains(high) }
        #expect(batch?.members == [high, low])
    }

    @Test func `long low work on one lane progresses under trickling high work with little slack`() {
        // The low batch takes 60 ms; a high request that is due in 30 ms comes every 25 ms.
        var harness = harness(lanes: 1, [(8, 2, wide), (50, 10, wide)])
        for _ in 0..<2000 {
            harness.arrive(.high, model: 0, due: .milliseconds(30))
            if harness.scheduler.waiting(.low) < 3 { harness.arrive(.low, model: 1, due: .seconds(20)) }
            harness.advance(by: .milliseconds(25))
        }
        let low = harness.batches.filter { $0.batch.model.index == 1 }
        // 2 % of 50 s is a second: at least sixteen batches of 60 ms.
        #expect(low.count >= 14)
        for (earlier, later) in zip(low, low.dropFirst()) { #expect(later.at - earlier.at < .seconds(8)) }
        let high = harness.scheduler.counters(of: .high)
        #expect(Double(high.met) > 0.9 * Double(high.arrived))
    }

    @Test func `a wide model among narrow ones progresses`() {
        let narrow = Demand(compute: 0.6, bandwidth: 0.2, cache: 0.1)
        var harness = harness([(4, 1, narrow), (4, 1, narrow), (4, 1, narrow), (10, 2, wide)])
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<8000 {
            harness.arrive(.low, model: Int.random(in: 0..<3, using: &generator), due: .milliseconds(400))
            if Int.random(in: 0..<10, using: &generator) == 0 {
                harness.arrive(.low, model: 3, due: .milliseconds(400))
            }
            harness.advance(by: .milliseconds(2.5))
        }
        harness.drain()
        let wideRows = harness.batches.filter { $0.batch.model.index == 3 }.reduce(0) { $0 + $1.batch.rows }
        #expect(wideRows > 400, "\(wideRows) of about 800")
    }

    @Test func `low requests make a batch hold its lane only for a share of the time that high ones have`() {
        /// The largest low batch while high requests come that are due in `due` milliseconds.
        func largest(due: Double) -> Int {
            var harness = harness(lanes: 1, [(2, 1, wide), (2, 1, wide)])
            for _ in 0..<50 {
                harness.arrive(.high, model: 0, due: .milliseconds(due))
                for _ in 0..<12 { harness.arrive(.low, model: 1, due: .milliseconds(200)) }
                harness.advance(by: .milliseconds(50))
            }
            // Before the second high request there was no telling that more would come.
            let later = harness.batches.filter { $0.at > .zero + .seconds(1) && $0.batch.model.index == 1 }
            return later.map(\.batch.rows).max() ?? 0
        }
        // 0.4 of 15 ms is 6 ms: four rows of 1 ms and the 2 ms that any batch takes.
        #expect((2...4).contains(largest(due: 15)))
        #expect(largest(due: 100) == 8)
        // What nobody could answer in time does not count.
        #expect(largest(due: 0.001) == 8)
    }

    @Test func `a slow lane does not idle for fear of high requests that may come`() {
        // A lane that is half busy: high work of 35 ms, due in 100, five times a second, and low work of 30 ms, twelve times.
        var harness = harness(lanes: 1, [(35, 0, wide), (30, 0, wide)])
        var generator = SeededGenerator(seed: 4)
        for _ in 0..<4000 {
            if Int.random(in: 0..<200, using: &generator) < 10 {
                harness.arrive(.high, model: 0, due: .milliseconds(100))
            }
            if Int.random(in: 0..<83, using: &generator) < 10 {
                harness.arrive(.low, model: 1, due: .milliseconds(400))
            }
            harness.advance(by: .milliseconds(10))
        }
        harness.drain()
        for requestClass in RequestClass.allCases {
            let counters = harness.scheduler.counters(of: requestClass)
            #expect(Double(counters.met) > 0.95 * Double(counters.arrived), "\(requestClass): \(counters)")
        }
    }

    @Test func `a high request that can wait does not hold up a low one that cannot, nor the other way round`() {
        var harness = harness(lanes: 1, [(9, 1, wide), (9, 1, wide), (9, 1, wide)])
        harness.arrive(.high, model: 0, due: .milliseconds(15))
        let urgent = harness.arrive(.low, model: 1, due: .milliseconds(25))
        let patient = harness.arrive(.high, model: 2, due: .milliseconds(200))
        harness.drain()
        #expect(harness.outcomes[urgent] == .met)
        #expect(harness.outcomes[patient] == .met)
        var contested = self.harness(lanes: 1, [(9, 1, wide), (9, 1, wide), (9, 1, wide)])
        contested.arrive(.high, model: 0, due: .milliseconds(15))
        let lost = contested.arrive(.low, model: 1, due: .milliseconds(25))
        let saved = contested.arrive(.high, model: 2, due: .milliseconds(28))
        contested.drain()
        #expect(contested.outcomes[saved] == .met)
        #expect(contested.outcomes[lost] != .met)
    }
}
