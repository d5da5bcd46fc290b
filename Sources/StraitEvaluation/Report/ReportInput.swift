// SPDX-License-Identifier: Apache-2.0

package import StraitFormats
package import StraitSimulation

/// What the report is made of. Whatever was not made is empty, and its figure is left out.
package struct ReportInput {
    /// All records.
    package var table: RecordTable
    /// The table of targets.
    package var targets: [TargetRow] = []
    /// All estimators of interference on the same traces.
    package var estimators: [EstimatorRow] = []
    /// The same busy second of one device under several policies. The policy's name is in the head.
    package var timelines: [Recording] = []
    /// Runs in which something changes at half time, under strait with several estimators. The head has the scenario's
    /// name as its origin, and the variant's as its policy.
    package var drifts: [Recording] = []
    /// What `strait fidelity` wrote; nil if there is none.
    package var fidelity: FidelityFile?
    /// How it was made, for whoever wants to make it again: names and values, such as `command` and the command line.
    package var facts: [(name: String, value: String)] = []

    /// Records alone.
    package init(_ table: RecordTable) { self.table = table }
}
