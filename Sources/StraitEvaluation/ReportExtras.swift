// SPDX-License-Identifier: Apache-2.0

package import StraitSimulation

/// What the report shows beside the records and the targets.
package struct ReportExtras: Sendable {
    /// What was run, in a line: the size, the seeds, the seconds, how many runs.
    package var title = ""
    /// All estimators of interference on the same traces; empty if that was not run.
    package var estimators: [EstimatorRow] = []

    /// Nothing.
    package init() {}
}
