// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitSimulation

/// What one class costs the other: Strait at other weights and margins beside every rival.
struct ParetoFigures {
    private let table: RecordTable

    init(_ table: RecordTable) { self.table = table }

    /// High enough for the names of all rivals.
    private static let height = 380.0

    var figures: [Figure] {
        let panels = table.cells(of: .pareto).filter { $0.load == 1 }.map(panel)
        guard !panels.isEmpty else { return [] }
        return [
            Figure(
                name: "pareto", title: "What high requests gain, and what low ones pay for it, at load 1",
                caption:
                    "Each point is a policy; the lower left is best. The blue lines are Strait with another weight of "
                    + "high requests (w) or another margin of its guard of high requests (g); the large point is "
                    + "Strait as "
                    + "it is (w \(Markup.number(SchedulerOptions().strait.highWeight)), "
                    + "g \(Markup.number(SchedulerOptions().strait.guardMargin))). Both scales are logarithmic; "
                    + "bars are 95 % "
                    + "intervals.",
                panels: panels)
        ]
    }

    private func panel(_ cell: Cell) -> Drawing {
        let strait = mark(TargetTable.strait, cell, label: "strait")
        let rivals = table.variants(of: .pareto).filter { !$0.contains("/") && $0 != TargetTable.strait }
        let ordered =
            rivals.filter(ReportStyle.coloured.contains) + rivals.filter { !ReportStyle.coloured.contains($0) }
        var series = [
            LineChart.Series(
                name: TargetTable.strait, style: "k0", isOurs: true, marks: [strait].compactMap(\.self)),
            sweep("high-weight-", "w", default: SchedulerOptions().strait.highWeight, cell),
            sweep("guard-", "g", default: SchedulerOptions().strait.guardMargin, cell),
        ]
        series += ordered.map { rival in
            LineChart.Series(
                name: rival, style: ReportStyle.of(rival), marks: [mark(rival, cell, label: rival)].compactMap(\.self))
        }
        var down = ViolationFigures.axis(.high)
        let values = series.flatMap(\.marks)
        down.high = min(100, max(1, values.map(\.y.upper).filter(\.isFinite).max() ?? 100))
        var across = ViolationFigures.axis(.low)
        across.clips = false
        across.low = max(0.1, 0.6 * (values.map(\.x).filter { $0 > 0 }.min() ?? 0.1))
        across.ticks = [0.1, 0.3, 1, 3, 5, 10, 20, 30, 50, 100].filter { $0 >= across.low ?? 0 }
        down.ticks = ViolationFigures.ticks.filter { $0 <= down.high ?? 100 }
        return LineChart(title: cell.arrivals, x: across, y: down, series: series, joins: false, height: Self.height)
            .drawing(width: Figure.pageWidth)
    }

    /// The points of a sweep in the order of its values, Strait itself among them and without a label of its own.
    private func sweep(_ prefix: String, _ letter: String, default own: Double, _ cell: Cell) -> LineChart.Series {
        let named = Variants.sweeps.map(\.name).compactMap { name -> (Double, String)? in
            guard let change = name.split(separator: "/").last, change.hasPrefix(prefix) else { return nil }
            return Double(change.dropFirst(prefix.count)).map { ($0, name) }
        }
        let all = (named + [(own, TargetTable.strait)]).sorted { $0.0 < $1.0 }
        return LineChart.Series(
            name: "strait", style: "k0", isJoined: true,
            marks: all.compactMap { value, name in
                mark(name, cell, label: name == TargetTable.strait ? "" : "\(letter) \(Markup.number(value))")
            })
    }

    private func mark(_ variant: String, _ cell: Cell, label: String) -> LineChart.Mark? {
        guard let high = table.estimate(.violation(.high), of: variant, in: cell),
            let low = table.estimate(.violation(.low), of: variant, in: cell)
        else { return nil }
        return LineChart.Mark(x: low.value, y: high, halfAcross: low.halfWidth, label: label)
    }
}
