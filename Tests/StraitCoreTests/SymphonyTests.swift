// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// What the policy `symphony` is known by. Its margin is that of the options, here fixed to 1 ms.
@Suite struct SymphonyTests {
    private static func harness(models: Int = 1, lanes: Int = 1) -> Harness {
        var options = SchedulerOptions()
        options.symphony.margin = .milliseconds(1)
        let model = ModelDescription(maximumBatch: 4, profile: profile(8, 1, demand: nil))
        var harness = Harness(
            policy: .symphony, lanes: [lanes], models: Array(repeating: model, count: models), options: options)
        harness.trueTime = { .milliseconds(8 + Double($0.rows)) }
        return harness
    }

    @Test func `a batch leaves when one more request would no longer be in time, though a lane is free`() {
        var harness = Self.harness()
        harness.arrive(.low, due: .milliseconds(50))
        harness.advance(by: .milliseconds(38.9))
        #expect(harness.batches.isEmpty)
        harness.drain()
        // 50 ms less the 10 ms of two rows and the margin.
        #expect(harness.batches.map(\.at) == [.zero + .milliseconds(39)])
    }

    @Test func `requests of both classes that come meanwhile join it, and make it leave earlier`() {
        var harness = Self.harness()
        let first = harness.arrive(.low, due: .milliseconds(50))
        harness.advance(by: .milliseconds(20))
        let second = harness.arrive(.high, due: .milliseconds(50))
        harness.drain()
        #expect(harness.batches.count == 1)
        #expect(Set(harness.batches[0].members) == [first, second])
        #expect(harness.batches[0].at == .zero + .milliseconds(38))
    }

    @Test func `a full batch leaves at once`() {
        var harness = Self.harness()
        for _ in 0..<3 { harness.arrive(.low, due: .milliseconds(50)) }
        #expect(harness.batches.isEmpty)
        harness.advance(by: .milliseconds(5))
        harness.arrive(.low, due: .milliseconds(50))
        #expect(harness.batches.map(\.at) == [.zero + .milliseconds(5)])
        #expect(harness.batches.map(\.batch.rows) == [4])
    }

    @Test func `of those that are due when a lane frees up, the one that must leave first goes`() {
        var harness = Self.harness(models: 3)
        // Due at once, for 9 ms.
        harness.arrive(.low, model: 0, due: .milliseconds(11))
        #expect(harness.batches.count == 1)
        let later = harness.arrive(.high, model: 1, due: .milliseconds(19.9))
        let sooner = harness.arrive(.low, model: 2, due: .milliseconds(19.5))
        harness.advance(by: .milliseconds(9.5))
        #expect(harness.batches.map(\.members).last == [sooner])
        harness.drain()
        #expect(harness.batches.count == 2)
        guard case .shed? = harness.outcomes[later] else {
            Issue.record("\(String(describing: harness.outcomes[later])) instead of shed")
            return
        }
    }
}
