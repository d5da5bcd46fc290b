// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitSimulation

/// What else scenarios vary: several devices, and a figure for each other axis.
struct AxisFigures {
    private let table: RecordTable

    init(_ table: RecordTable) { self.table = table }

    // -- devices --------------------------------------------------------------------------------------------------

    /// Violations against the number of devices.
    var devices: [Figure] {
        let several = table.cells(of: .devices)
        guard let first = several.first else { return [] }
        let one = table.cells(of: .core).filter {
            $0.load == first.load && $0.arrivals == first.arrivals && $0.seconds == first.seconds
        }
        let cells = (one + several).sorted { $0.devices < $1.devices }
        let panels = RequestClass.allCases.map { requestClass in
            let series = table.variants(of: .devices).map { variant in
                LineChart.Series(
                    name: variant, style: ReportStyle.of(variant), isOurs: variant == TargetTable.strait,
                    marks: cells.compactMap { cell in
                        table.estimate(.violation(requestClass), of: variant, in: cell).map {
                            LineChart.Mark(x: Double(cell.devices), y: $0)
                        }
                    })
            }
            return LineChart(
                title: "\(requestClass.name) requests",
                x: LineChart.Axis(label: "devices", kind: .logarithmic, ticks: cells.map { Double($0.devices) }),
                y: ViolationFigures.axis(requestClass), series: series
            ).drawing()
        }
        return [
            Figure(
                name: "devices", title: "Several devices behind one uplink, at load 1 for each",
                caption:
                    "Requests not answered in time against the number of devices, with 95 % intervals; a share below "
                    + "\(ViolationFigures.floor) % is drawn at the bottom.",
                panels: panels)
        ]
    }

    // -- the others -----------------------------------------------------------------------------------------------

    private static let others: [(axis: Axis, title: String)] = [
        (.change, "What changes on the way"), (.deadlines, "Other deadlines"),
        (.highShare, "Other shares of high requests"), (.mix, "Other models, and other shares of them"),
        (.transfers, "More to copy"), (.hardware, "Other devices"),
    ]

    /// Bars of both classes for each cell of the other axes.
    var others: [Figure] {
        Self.others.compactMap { axis, title in
            let variants = table.variants(of: axis)
            let panels = table.cells(of: axis).map { panel($0, variants) }
            guard !panels.isEmpty else { return nil }
            return Figure(
                name: "axis-\(axis.rawValue)", title: "\(title), at load 1 unless the name says otherwise",
                caption:
                    "Requests not answered in time, in % of their class, with 95 % intervals. Each panel is a scenario "
                    + "of docs/scenarios.md, each column has a scale of its own; bars with a gap near their end are "
                    + "cut.",
                panels: panels)
        }
    }

    private func panel(_ cell: Cell, _ variants: [String]) -> Drawing {
        let columns = RequestClass.allCases.map { requestClass in
            BarChart.Column(
                label: "V \(requestClass.name), %",
                values: variants.map { table.estimate(.violation(requestClass), of: $0, in: cell) })
        }
        let name = (try? ScenarioLibrary.scenario(named: cell.scenario))?.name ?? cell.scenario
        return BarChart(
            title: cell.load == 1 ? name : "\(name), load \(Markup.number(cell.load))",
            rows: variants.map(BarChart.Row.init(policy:)), columns: columns
        ).drawing()
    }
}
