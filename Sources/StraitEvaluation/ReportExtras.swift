// SPDX-License-Identifier: Apache-2.0

package import StraitFormats
package import StraitSimulation

/// What the report shows beside the records and the targets. Whatever was not made is empty, and left out of the report.
package struct ReportExtras: Sendable {
    /// What was run, in a line: how many runs, the seeds, the seconds.
    package var title = ""
    /// All estimators of interference on the same traces.
    package var estimators: [EstimatorRow] = []
    /// The same busy second of one device under several policies. The policy's name is in the head.
    package var timelines: [Recording] = []
    /// Runs in which something changes at half time, under strait with several estimators. The head has the scenario's name
    /// as its origin, and the variant's as its policy.
    package var drifts: [Recording] = []
    /// What `strait fidelity` wrote, as JSON; nil if there is none.
    package var fidelity: String?

    /// Nothing.
    package init() {}
}
