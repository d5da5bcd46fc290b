// SPDX-License-Identifier: Apache-2.0

/// One line of the table of targets: what is asked, and what was measured.
package struct TargetRow: Sendable, Hashable {
    /// What became of a target.
    package enum Verdict: String, Sendable, Hashable, CaseIterable {
        /// It holds, and the interval is narrow enough to say so.
        case met
        /// It does not hold, and the interval is narrow enough to say so.
        case missed
        /// The interval is too wide to say.
        case undecided
        /// It asks for figures, not for a bound on them; here they are.
        case shown
        /// The runs that it needs were not made.
        case unmeasured
    }

    /// A short name for programs, such as `high-against-usable`.
    package var name: String
    /// What is asked, in words and numbers.
    package var target: String
    /// What became of it.
    package var verdict: Verdict
    /// The number in the cell where it is farthest from holding; nil if there is none.
    package var worst: Estimate?
    /// By how much that number holds, in its unit; negative where it does not; nil where no bound is asked for.
    package var room: Double?
    /// The unit of that number: `pp` (percentage points), `%`, or empty.
    package var unit: String
    /// The cell where it is farthest from holding, and against which rival; empty if there is none.
    package var worstCell: String
    /// What else there is to say: in how many cells it holds.
    package var detail: String

    /// A row.
    package init(
        name: String, target: String, verdict: Verdict, worst: Estimate? = nil, unit: String = "",
        worstCell: String = "", detail: String = ""
    ) {
        self.name = name
        self.target = target
        self.verdict = verdict
        self.worst = worst
        self.unit = unit
        self.worstCell = worstCell
        self.detail = detail
    }

    /// Decimals of its number: indices and ratios are told apart by thousandths, percentages by hundredths.
    var places: Int { unit.isEmpty ? 3 : 2 }

    /// The number with its interval and unit; a dash if there is none.
    var measured: String { worst.map { $0.words(places: places) + (unit.isEmpty ? "" : " \(unit)") } ?? "–" }
}
