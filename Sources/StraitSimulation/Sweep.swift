// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// Every combination of scenarios, policies and seeds. Policies and seeds vary within a scenario, so that policies meet
/// the same arrivals.
package struct Sweep: Sendable {
    /// One run to make.
    package struct Run: Sendable {
        /// What to run.
        package let scenario: Scenario
        /// Under which policy.
        package let setup: PolicySetup
        /// With which luck.
        package let seed: UInt64

        /// Makes the run.
        package func result() throws(SimulationError) -> RunResult {
            try Simulation.run(scenario, setup, seed: seed)
        }
    }

    /// The runs: by scenario, then policy, then seed.
    package let runs: [Run]
    /// What is simulated, each once.
    package let scenarios: [Scenario]
    private let seeds: Int

    /// All combinations.
    package init(scenarios: [Scenario], setups: [PolicySetup], seeds: [UInt64]) {
        runs = scenarios.flatMap { scenario in
            setups.flatMap { setup in seeds.map { Run(scenario: scenario, setup: setup, seed: $0) } }
        }
        self.scenarios = scenarios
        self.seeds = max(1, seeds.count)
    }

    /// A scenario and policy over all seeds: means of the violations.
    package struct Summary: Sendable {
        /// What was run.
        package let scenario: Scenario
        /// Under which policy.
        package let setup: PolicySetup
        /// The share of high requests not answered in time.
        package let high: Double
        /// The share of low requests not answered in time.
        package let low: Double
        /// The same of the low model that fared worst in each run.
        package let worstLow: Double
        /// High requests that were counted over all seeds.
        package let highArrivals: Int
        /// Rows in a batch.
        package let meanBatch: Double?
        /// The error of predictions at dispatch.
        package let predictionError: Double?
    }

    /// Summaries of the results of all runs, given in the order of `runs`.
    package func summaries(of results: [RunResult]) -> [Summary] {
        stride(from: 0, to: results.count, by: seeds).map { start in
            let group = results[start..<min(start + seeds, results.count)]
            func mean(_ value: (RunResult) -> Double?) -> Double? {
                let values = group.compactMap(value)
                return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
            }
            return Summary(
                scenario: results[start].scenario, setup: results[start].setup,
                high: mean { $0[.high].violation } ?? 0, low: mean { $0[.low].violation } ?? 0,
                worstLow: mean { $0[.low].worstModel?.violation } ?? 0,
                highArrivals: group.reduce(0) { $0 + $1[.high].arrivals }, meanBatch: mean(\.meanBatch),
                predictionError: mean(\.predictionError))
        }
    }

    /// Seeds written as numbers and ranges, such as `1000-1004,7`.
    ///
    /// - Throws: `badPlan` for anything else, and for more than `mostSeeds` of them.
    package static func seeds(_ text: String) throws(SimulationError) -> [UInt64] {
        var seeds: [UInt64] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { UInt64($0) }
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first <= last,
                last - first < UInt64(mostSeeds)
            else {
                throw SimulationError(
                    .badPlan,
                    "--seeds '\(text)': '\(part)' is neither a number nor a range such as 1000-1004, the smaller first, of "
                        + "at most \(mostSeeds) seeds.")
            }
            seeds += first...last
        }
        guard seeds.count <= mostSeeds else {
            throw SimulationError(.badPlan, "--seeds '\(text)' means \(seeds.count) seeds; \(mostSeeds) are the most.")
        }
        guard Set(seeds).count == seeds.count else {
            throw SimulationError(.badPlan, "--seeds '\(text)' names a seed twice, which would count double.")
        }
        return seeds
    }

    /// More would keep a machine busy for weeks; a slip of the keyboard is likelier.
    package static let mostSeeds = 10_000
}
