// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitSimulation

/// Violations against load: for each way in which requests come, both classes under all policies.
struct ViolationFigures {
    private let table: RecordTable
    private let axis: Axis

    /// - Parameter axis: `core` or `physics`, which both vary loads and arrivals.
    init(_ table: RecordTable, of axis: Axis = .core) {
        self.table = table
        self.axis = axis
    }

    /// Less is drawn at the bottom: a few requests of a run, which decide nothing.
    static let floor = 0.05
    /// Values that people know on the logarithmic scale of percentages.
    static let ticks = [0.05, 0.1, 0.3, 1, 3, 10, 30, 100]

    /// The axis of a share that was not answered in time.
    static func axis(_ requestClass: RequestClass) -> LineChart.Axis {
        LineChart.Axis(
            label: "V \(requestClass.name), % of requests", kind: .logarithmic, low: floor, high: 100, ticks: ticks,
            clips: true)
    }

    var figures: [Figure] {
        let cells = table.cells(of: axis)
        let panels = ArrivalsOrder.kinds(of: cells).flatMap { kind in
            RequestClass.allCases.map { panel(kind, cells.filter { $0.arrivals == kind }, $0) }
        }
        guard !panels.isEmpty else { return [] }
        return [
            Figure(
                name: axis == .core ? "violations" : "violations-\(axis.rawValue)",
                title: "Requests not answered in time, against load"
                    + (axis == .core ? "" : ", where batches slow each other down by another law"),
                caption: "Left high, right low requests; lower is better. The scale is logarithmic; what is below "
                    + "\(Self.floor) % is drawn at the bottom. A load of 1 is what the device can just do with full "
                    + "batches. "
                    + "Bars are 95 % intervals. The oracle, where it ran, knows all times beforehand and is no rival.",
                panels: panels)
        ]
    }

    private func panel(_ kind: String, _ cells: [Cell], _ requestClass: RequestClass) -> Drawing {
        let cells = cells.sorted { $0.load < $1.load }
        let series = table.variants(of: axis).map { variant in
            LineChart.Series(
                name: variant, style: ReportStyle.of(variant), isOurs: variant == TargetTable.strait,
                marks: cells.compactMap { cell in
                    table.estimate(.violation(requestClass), of: variant, in: cell).map {
                        LineChart.Mark(x: cell.load, y: $0)
                    }
                })
        }
        return LineChart(
            title: "\(kind): \(requestClass.name) requests",
            x: LineChart.Axis(label: "load, × what the device can do", ticks: cells.map(\.load)),
            y: Self.axis(requestClass), series: series
        ).drawing()
    }
}

/// The order in which ways to come are shown.
enum ArrivalsOrder {
    /// The kinds of some cells, as they first appear.
    static func kinds(of cells: [Cell]) -> [String] {
        var kinds: [String] = []
        for cell in cells where !kinds.contains(cell.arrivals) { kinds.append(cell.arrivals) }
        return kinds
    }

    /// Cells by kind, and then by load.
    static func sorted(_ cells: [Cell]) -> [Cell] {
        kinds(of: cells).flatMap { kind in cells.filter { $0.arrivals == kind }.sorted { $0.load < $1.load } }
    }
}
