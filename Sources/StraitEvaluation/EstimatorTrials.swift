// SPDX-License-Identifier: Apache-2.0

package import StraitSimulation
internal import VirtualAccelerator

/// Trials of the estimators under both physics with several seeds, on several threads.
package enum EstimatorTrials {
    /// Predictions of kernel times, by physics, seed, estimator, stage and model.
    ///
    /// - Parameter report: told how many trials are done, of how many.
    package static func kernelRows(
        seeds: [UInt64], threads: Int, _ report: @escaping @Sendable (Int, Int) -> Void
    ) -> [EstimatorRow] {
        let trials = Physics.allCases.flatMap { physics in seeds.map { EstimatorTrial(physics: physics, seed: $0) } }
        let made = Shared([[EstimatorRow]](repeating: [], count: trials.count))
        Workers.run(trials.count, threads: threads, named: "trial") { (index) throws(Never) in
            let rows = trials[index].kernelRows()
            let done = made.set { made in
                made[index] = rows
                return made.count { !$0.isEmpty }
            }
            report(done, trials.count)
        }
        return made.set { $0 }.flatMap(\.self)
    }
}
