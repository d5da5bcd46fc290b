// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// The core cells as text: for each way in which requests come, a line for each policy and a column for each load.
package enum CoreTable {
    /// The table; empty without core cells.
    package static func text(_ table: RecordTable) -> String {
        let cells = table.cells(of: .core)
        var kinds: [String] = []
        for cell in cells where !kinds.contains(cell.arrivals) { kinds.append(cell.arrivals) }
        return kinds.map { kind in
            let columns = cells.filter { $0.arrivals == kind }.sorted { $0.load < $1.load }
            var rows = [[kind] + columns.map { "load \($0.load)" }]
            for variant in table.variants(of: .core) {
                rows.append([variant] + columns.map { entry(variant, $0, table) })
            }
            return padded(rows)
        }.joined(separator: "\n")
    }

    /// V_high / V_low / worst low model, in percent; a dash for what was not run.
    private static func entry(_ variant: String, _ cell: Cell, _ table: RecordTable) -> String {
        let metrics = [Metric.violation(.high), .violation(.low), .worstModel(.low)]
        return metrics.map { metric in
            guard let value = table.estimate(metric, of: variant, in: cell)?.value else { return "–" }
            return Estimate.decimals(value, value < 10 ? 2 : 1)
        }.joined(separator: "/")
    }

    private static func padded(_ rows: [[String]]) -> String {
        let columns = rows.first?.count ?? 0
        let widths = (0..<columns).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let fields = row.enumerated().map { column, field in
                let space = String(repeating: " ", count: widths[column] - field.count)
                return column == 0 ? field + space : space + field
            }
            return fields.joined(separator: "  ") + "\n"
        }.joined()
    }
}
