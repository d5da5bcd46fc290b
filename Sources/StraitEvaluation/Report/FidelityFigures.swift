// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats

/// The simulator beside recorded servers.
struct FidelityFigures {
    private let rows: [FidelityFile.Row]

    init(_ file: FidelityFile?) { rows = file?.rows ?? [] }

    private static let percentiles: [(String, String, @Sendable (FidelityFile.Figures) -> Double?)] = [
        ("p50", "k0", { $0.p50 }), ("p95", "k1", { $0.p95 }),
    ]

    var figures: [Figure] {
        var sources: [String] = []
        for row in rows where !sources.contains(row.times) { sources.append(row.times) }
        let panels = sources.flatMap { source -> [Drawing] in
            let own = rows.filter { $0.times == source }
            return [latencies(own, source), inTime(own, source)]
        }
        guard !panels.isEmpty else { return [] }
        return [
            Figure(
                name: "fidelity", title: "The simulator beside a real server that got the same requests",
                caption:
                    "Each point is a class of requests in a recording, or those of one model in it; the bars are the "
                    + "least and the most over the simulator's seeds; on the dashed line both agree. Left "
                    + "latencies, right "
                    + "shares in time. Batches take times from the server's profile, from another recording "
                    + "(calibrated), or "
                    + "from this one (recorded).",
                panels: panels)
        ]
    }

    private func latencies(_ rows: [FidelityFile.Row], _ source: String) -> Drawing {
        let series = Self.percentiles.map { name, style, figure in
            let marks = rows.compactMap { row in
                figure(row.live).flatMap { live in
                    mark(live, figure(row.simulated), figure(row.lowest), figure(row.highest))
                }
            }
            return LineChart.Series(name: name, style: style, marks: Self.labelled(marks, name))
        }
        let values = series.flatMap { $0.marks.flatMap { [$0.x, $0.y.value] } }.filter { $0 > 0 }
        let (low, high) = ((values.min() ?? 1) * 0.8, (values.max() ?? 10) * 1.25)
        let ticks = [1.0, 3, 10, 30, 100, 300, 1000, 3000].filter { $0 >= low && $0 <= high }
        return LineChart(
            title: "times: \(source)",
            x: LineChart.Axis(
                label: "latency on the server, ms", kind: .logarithmic, low: low, high: high, ticks: ticks),
            y: LineChart.Axis(label: "simulated, ms", kind: .logarithmic, low: low, high: high, ticks: ticks),
            series: series, joins: false, showsDiagonal: true
        ).drawing()
    }

    private func inTime(_ rows: [FidelityFile.Row], _ source: String) -> Drawing {
        let series = RequestClass.allCases.map { requestClass in
            let name = requestClass == .high ? "high" : "low"
            let marks = rows.filter { $0.requestClass == requestClass }.compactMap { row in
                mark(
                    row.live.inTime * 100, row.simulated.inTime * 100, row.lowest.inTime * 100, row.highest.inTime * 100
                )
            }
            return LineChart.Series(
                name: name, style: requestClass == .high ? "k0" : "kg", marks: Self.labelled(marks, name))
        }
        let least = series.flatMap { $0.marks.flatMap { [$0.x, $0.y.lower] } }.min() ?? 0
        return LineChart(
            title: "times: \(source)",
            x: LineChart.Axis(label: "in time on the server, %", low: least, high: 100),
            y: LineChart.Axis(label: "simulated, %", low: least, high: 100), series: series, joins: false,
            showsDiagonal: true
        ).drawing()
    }

    private func mark(_ live: Double, _ simulated: Double?, _ lowest: Double?, _ highest: Double?) -> LineChart.Mark? {
        guard let simulated else { return nil }
        // Marks have one half-width; the larger of the two sides hides nothing.
        let half = max(simulated - (lowest ?? simulated), (highest ?? simulated) - simulated)
        return LineChart.Mark(x: live, y: Estimate(value: simulated, halfWidth: half))
    }

    /// The name of the series beside one of its points: that with the least x, where the others are not.
    private static func labelled(_ marks: [LineChart.Mark], _ name: String) -> [LineChart.Mark] {
        var marks = marks
        if let first = marks.indices.min(by: { marks[$0].x < marks[$1].x }) { marks[first].label = name }
        return marks
    }
}
