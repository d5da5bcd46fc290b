// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// The results of an evaluation as a page of Markdown for the documentation, from the same numbers as the report: targets,
/// core cells, the other axes, what each part is worth, and where we lose. The same records give the same bytes.
package struct ResultsPage {
    private let table: RecordTable
    private let targets: [TargetRow]

    /// A page of an evaluation.
    package init(_ table: RecordTable, targets: [TargetRow]) {
        self.table = table
        self.targets = targets
    }

    /// The page.
    ///
    /// - Complexity: O(records) for each table, of which resampling is the most.
    package var text: String {
        let losses = Losses(table)
        let sections = [
            ("Targets", "", targetTable), ("Core cells", "", coreTable), ("Other axes", "", axisTable),
            (
                "What each part is worth",
                "Strait with one thing changed minus Strait, in percentage points; above 0 the change makes it worse.\n\n",
                effectTable
            ),
            ("Where we lose", "\(losses.rule)\n\n", losses.markdown),
        ]
        let body = sections.filter { !$0.2.isEmpty }.map { "\n## \($0.0)\n\n\($0.1)\($0.2)" }
        return """
            # Results of the evaluation

            Written by `strait evaluate` from \(runCount) runs (method: [evaluation.md](evaluation.md), what they mean: there, too). V in % of
            requests, as V_high / V_low / worst low model, means over the seeds. Intervals after ± are halves of 95 % ones, by bootstrap.

            """ + body.joined()
    }

    /// Runs, each once however many axes it is part of.
    private var runCount: Int {
        struct Run: Hashable {
            var cell: Cell
            var variant: String
            var seed: UInt64
        }
        return Set(table.records.map { Run(cell: $0.cell, variant: $0.variant, seed: $0.seed) }).count
    }

    // -- tables ---------------------------------------------------------------------------------------------------

    private var targetTable: String {
        guard !targets.isEmpty else { return "" }
        return MarkdownTable(
            head: ["", "target", "measured", "where it is farthest from holding", "in all"],
            rows: targets.map { [$0.verdict.rawValue, $0.target, $0.measured, $0.worstCell, $0.detail] }
        ).text
    }

    /// Who has a column in the core table; the rest stand in core.txt and the report.
    private static let coreColumns: [PolicyName] = [
        .strait, .edfPriorityEWMAGate, .gpuletPriorityGate, .edfPriority, .orion, .preemptLevel1, .clockworkPriority,
        .symphony, .edf, .triton, .oracle,
    ]

    private var coreTable: String {
        let cells = ArrivalsOrder.sorted(table.cells(of: .core))
        return comparison(cells, Self.coreColumns, head: ["arrivals", "load"]) { [$0.arrivals, Self.load($0)] }
    }

    /// Who has a column in the table of the other axes.
    private static let axisColumns: [PolicyName] = [
        .strait, .edfPriority, .edfPriorityEWMAGate, .gpuletPriorityGate, .orion, .preemptLevel1, .oracle,
    ]
    /// What has tables or figures of its own.
    private static let otherAxes = Set(Axis.allCases).subtracting([.core, .physics, .ablations, .pareto])

    private var axisTable: String {
        var seen: Set<Cell> = []
        let cells = Self.otherAxes.flatMap { table.cells(of: $0) }.filter {
            $0.scenario != Cell().scenario && seen.insert($0).inserted
        }
        let order = cells.sorted { ($0.scenario, $0.arrivals, $0.load) < ($1.scenario, $1.arrivals, $1.load) }
        return comparison(order, Self.axisColumns, head: ["scenario", "arrivals, load"]) {
            [$0.scenario, "\($0.arrivals) \(Self.load($0))"]
        }
    }

    private func comparison(
        _ cells: [Cell], _ policies: [PolicyName], head: [String], _ names: (Cell) -> [String]
    ) -> String {
        guard !cells.isEmpty else { return "" }
        let columns = policies.map(\.rawValue)
        return MarkdownTable(
            head: head + columns.map(MarkdownTable.code),
            rows: cells.map { cell in names(cell) + columns.map { entry($0, cell) } }
        ).text
    }

    /// V_high / V_low / the worst low model; a dash for what was not run.
    private func entry(_ variant: String, _ cell: Cell) -> String {
        let values = [Metric.violation(.high), .violation(.low), .worstModel(.low)].compactMap {
            table.estimate($0, of: variant, in: cell)?.value
        }
        return values.isEmpty ? "–" : values.map(Self.digits).joined(separator: " / ")
    }

    private var effectTable: String {
        let cells = ArrivalsOrder.sorted(table.cells(of: .ablations))
        let prefix = "\(TargetTable.strait)/"
        let ran = Set(cells)
        let variants = Set(
            table.records.filter { ran.contains($0.cell) && $0.variant.hasPrefix(prefix) }.map(\.variant))
        guard !variants.isEmpty else { return "" }
        let rows = variants.sorted().map { variant in
            [MarkdownTable.code(String(variant.dropFirst(prefix.count)))]
                + cells.map { cell in
                    [Metric.violation(.high), .violation(.low)].map { metric in
                        table.difference(metric, of: variant, minus: TargetTable.strait, in: cell)?.signedWords ?? "–"
                    }.joined(separator: " · ")
                }
        }
        return MarkdownTable(
            head: ["changed"] + cells.map { "\($0.arrivals) \(Self.load($0)): ΔV_high · ΔV_low" }, rows: rows
        ).text
    }

    // -- numbers --------------------------------------------------------------------------------------------------

    /// No more digits than mean something.
    private static func digits(_ value: Double) -> String {
        Estimate.decimals(value, value < 1 ? 2 : value < 10 ? 1 : 0)
    }

    private static func load(_ cell: Cell) -> String { Markup.number(cell.load) }
}
