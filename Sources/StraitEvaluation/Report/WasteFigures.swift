// SPDX-License-Identifier: Apache-2.0

/// Device time that went into requests that were late or killed.
struct WasteFigures {
    private let table: RecordTable

    init(_ table: RecordTable) { self.table = table }

    /// The core's cells of the greatest load and of load 1, where waste differs.
    var figures: [Figure] {
        let cells = table.cells(of: .core)
        let most = cells.map(\.load).max() ?? 1
        let loads = cells.contains { $0.load == 1 } && most != 1 ? [1, most] : [most]
        let variants = table.variants(of: .core)
        let panels = ArrivalsOrder.kinds(of: cells).compactMap { kind -> Drawing? in
            let columns = loads.compactMap { load -> BarChart.Column? in
                guard let cell = cells.first(where: { $0.arrivals == kind && $0.load == load }) else { return nil }
                return BarChart.Column(
                    label: "load \(Markup.number(load)), %",
                    values: variants.map { table.estimate(.waste, of: $0, in: cell) })
            }
            guard !columns.isEmpty else { return nil }
            return BarChart(title: kind, rows: variants.map(BarChart.Row.init(policy:)), columns: columns).drawing()
        }
        guard !panels.isEmpty else { return [] }
        return [
            Figure(
                name: "waste", title: "Device time spent on late or killed work",
                caption:
                    "The share of the device's time that went into requests which were answered late or whose batch "
                    + "was "
                    + "killed, with Student's 95 % intervals over the seeds. Bars with a gap near their end are cut.",
                panels: panels)
        ]
    }
}

extension BarChart.Row {
    /// The row of a policy.
    init(policy: String) {
        self.init(name: policy, style: ReportStyle.of(policy), isOurs: policy == TargetTable.strait)
    }
}
