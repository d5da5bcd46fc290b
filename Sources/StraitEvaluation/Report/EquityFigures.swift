// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitSimulation

/// How the models fare among the low requests.
struct EquityFigures {
    private let table: RecordTable

    init(_ table: RecordTable) { self.table = table }

    var figures: [Figure] {
        let variants = table.variants(of: .core)
        let shown =
            [TargetTable.strait].filter(variants.contains) + ReportStyle.coloured.filter(variants.contains)
        let panels = table.cells(of: .core).filter { $0.load == 1 }.compactMap { panel($0, shown) }
        guard !panels.isEmpty else { return [] }
        return [
            Figure(
                name: "equity", title: "Who pays: low requests of each model not answered in time, at load 1",
                caption:
                    "Even is fair: where the dots of a policy stand above one another no model is sacrificed for the "
                    + "others. Bars are 95 % intervals.",
                panels: panels)
        ]
    }

    private func panel(_ cell: Cell, _ variants: [String]) -> Drawing? {
        guard let models = variants.lazy.compactMap({ table.runs($0, in: cell).first?.low.models }).first else {
            return nil
        }
        let series = variants.map { variant in
            DotChart.Series(
                name: variant, style: ReportStyle.of(variant), isOurs: variant == TargetTable.strait,
                values: models.indices.map { table.estimate(.violation(.low, model: $0), of: variant, in: cell) })
        }
        return DotChart(
            title: cell.arrivals, rows: models.map(\.name), label: "V of the model's low requests, %", series: series
        ).drawing()
    }
}
