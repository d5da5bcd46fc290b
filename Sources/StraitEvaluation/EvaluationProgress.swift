// SPDX-License-Identifier: Apache-2.0

package import StraitCore
internal import StraitSimulation

/// How far an evaluation is, and how long the rest will take.
package struct EvaluationProgress: Sendable {
    /// All runs of the plan.
    package let total: Int
    /// Runs that the store has: those it had, and those made since.
    package private(set) var done: Int
    /// Requests simulated since the start.
    package private(set) var requests = 0.0

    private let threads: Int
    /// Requests still to be simulated, by policy.
    private var left: [PolicyName: Double] = [:]
    /// What was simulated since the start, by policy: requests and seconds of a thread.
    private var spent: [PolicyName: (requests: Double, seconds: Double)] = [:]

    /// Requests a second and thread of a policy of which nothing is known yet, where nothing is known of others either.
    private static let guess = 60_000.0

    init(_ runs: [PlannedRun], missing: [PlannedRun], threads: Int) {
        total = runs.count
        done = runs.count - missing.count
        self.threads = threads
        for run in missing { left[run.setup.policy, default: 0] += run.requests }
    }

    /// Seconds until all is done, at the speed so far of each policy.
    package var secondsLeft: Double {
        let sum = spent.values.reduce((requests: 0.0, seconds: 0.0)) {
            ($0.requests + $1.requests, $0.seconds + $1.seconds)
        }
        let usual = sum.seconds > 0 ? sum.requests / sum.seconds : Self.guess
        // In a fixed order, or the last digits would differ from time to time.
        return PolicyName.allCases.reduce(0) { seconds, policy in
            let rate = spent[policy].map { $0.requests / $0.seconds } ?? usual
            return seconds + (left[policy] ?? 0) / rate
        } / Double(threads)
    }

    /// Requests that the missing runs have, about.
    package var requestsLeft: Double { left.values.reduce(0, +) }

    /// Requests simulated a second of a thread, by policy, in the order of policies.
    package var speeds: [(policy: PolicyName, requestsPerSecond: Double)] {
        PolicyName.allCases.compactMap { policy in
            spent[policy].map { (policy, $0.requests / max($0.seconds, 1e-9)) }
        }
    }

    mutating func note(_ run: PlannedRun, seconds: Double) {
        done += 1
        requests += run.requests
        left[run.setup.policy, default: 0] -= run.requests
        let before = spent[run.setup.policy] ?? (0, 0)
        spent[run.setup.policy] = (before.requests + run.requests, before.seconds + max(seconds, 1e-6))
    }
}

extension PlannedRun {
    /// How many requests it has, about.
    fileprivate var requests: Double {
        scenario.arrivalRates(weights: scenario.models.map { _ in 1 }).reduce(0, +) * scenario.duration.seconds
    }
}
