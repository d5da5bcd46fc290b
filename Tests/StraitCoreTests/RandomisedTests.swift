// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// Random machines, traffic and mishaps: the invariants hold on every step (the harness checks them) and every request is
/// answered once. `STRAIT_SEEDS` chooses the seeds: a number of them, or the first and the last as `120-129`.
@Suite struct RandomisedTests {
    @Test(arguments: SeedRange.chosen)
    func `invariants hold under random events`(seeds: SeedRange) {
        for seed in seeds.range {
            var run = RandomRun(seed: seed)
            run.play()
            guard run.harness.broken == nil else { continue }
            let left = run.asked - run.harness.outcomes.count
            if left != 0 { Issue.record("seed \(seed): \(left) requests were never answered") }
            for requestClass in RequestClass.allCases {
                let counters = run.harness.scheduler.counters(of: requestClass)
                if counters.ended != counters.arrived { Issue.record("seed \(seed): \(counters)") }
            }
        }
    }

    @Test func `random runs go everywhere`() {
        let all: Set = [
            "met", "late", "failed", "cancelled", "hopelessOnArrival", "hopelessInQueue", "queueFull",
            "modelQueueFull", "failed while copyingIn", "failed while running", "failed while copyingOut",
            "cancelled while waiting", "cancelled while probing", "cancelled while copyingIn",
            "cancelled while running", "cancelled while copyingOut", "hung", "probe", "paused", "resumed",
            "to be killed", "killed", "done before it was killed", "cancelled while paused", "modelUnloaded",
            "taken back while copyingIn", "taken back while running", "taken back while copyingOut",
            "taken back while paused", "hung device removed", "failed with its second device", "late report",
            "model removed while it runs", "a number is given again",
        ]
        // Some things happen under few policies, and the seed tells the policy.
        var seen: Set<String> = []
        for seed in 0..<UInt64(40 * PolicyName.allCases.count) where !all.isSubset(of: seen) {
            var run = RandomRun(seed: seed)
            run.play()
            seen.formUnion(run.sights)
        }
        #expect(all.subtracting(seen).isEmpty)
    }

    @Test func `the same events give the same actions`() {
        func batches(_ seed: UInt64) -> [StagedBatch] {
            var run = RandomRun(seed: seed)
            run.play()
            return run.harness.batches.map(\.batch)
        }
        for seed in 0..<UInt64(20) { #expect(batches(seed) == batches(seed)) }
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
