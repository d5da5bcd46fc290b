// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitSimulation

/// What single parts of Strait are worth: changed ones minus Strait, paired.
struct AblationFigures {
    private let table: RecordTable

    init(_ table: RecordTable) { self.table = table }

    var figures: [Figure] {
        let swept = Set(Variants.sweeps.map(\.name))
        let variants = table.variants(of: .ablations).filter { $0.contains("/") && !swept.contains($0) }
        let panels = table.cells(of: .ablations).compactMap { panel(variants, $0) }
        guard !panels.isEmpty else { return [] }
        return [
            Figure(
                name: "ablations", title: "What single parts of Strait are worth",
                caption:
                    "Each row is Strait with one thing changed, minus Strait as it is, in percentage points, with 95 % "
                    + "intervals of the paired differences. Bars to the right: the change makes it worse.",
                panels: panels)
        ]
    }

    private func panel(_ variants: [String], _ cell: Cell) -> Drawing? {
        let columns = RequestClass.allCases.map { requestClass in
            BarChart.Column(
                label: "ΔV \(requestClass.name), pp",
                values: variants.map {
                    table.difference(.violation(requestClass), of: $0, minus: TargetTable.strait, in: cell)
                })
        }
        guard columns.contains(where: { $0.values.contains { $0 != nil } }) else { return nil }
        let rows = variants.map { variant in
            BarChart.Row(name: variant.split(separator: "/").last.map(String.init) ?? variant, style: "k0")
        }
        return BarChart(title: cell.label, rows: rows, columns: columns, values: .difference)
            .drawing(width: Figure.pageWidth)
    }
}
