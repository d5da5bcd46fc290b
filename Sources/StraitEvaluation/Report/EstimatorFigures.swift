// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitSimulation
internal import VirtualAccelerator

/// How well times are predicted: errors of the estimators, errors through a drift, and whether bounds hold.
struct EstimatorFigures {
    private let input: ReportInput

    init(_ input: ReportInput) { self.input = input }

    /// Errors of all estimators on the same traces.
    var trials: [Figure] {
        let names = EstimatorName.allCases.filter { name in input.estimators.contains { $0.estimator == name } }
        let panels = Physics.allCases.compactMap { physics -> Drawing? in
            let rows = input.estimators.filter { $0.physics == physics }
            guard !rows.isEmpty else { return nil }
            let columns = Self.stages.map { stage, label in
                BarChart.Column(
                    label: label,
                    values: names.map { name in error(rows.filter { $0.estimator == name && $0.stage == stage }) })
            }
            let ours = SchedulerOptions().estimator
            return BarChart(
                title: physics.rawValue,
                rows: names.map {
                    BarChart.Row(name: $0.rawValue, style: $0 == ours ? "k0" : "kg", isOurs: $0 == ours)
                },
                columns: columns
            ).drawing()
        }
        guard !panels.isEmpty else { return [] }
        return [
            Figure(
                name: "estimators", title: "Error of predicted kernel times, given the real overlap",
                caption:
                    "The mean of |predicted / actual − 1|, in %, under both laws of how batches slow each other down: "
                    + "while nothing changes, from 2 s after the clock fell by 30 %, and from 2 s after a model "
                    + "became 1.4 "
                    + "times slower. Student's 95 % intervals over the seeds. Bold is Strait's.",
                panels: panels)
        ]
    }

    private static let stages: [(EstimatorRow.Stage, String)] = [
        (.steady, "steady, %"), (.clock, "clock, %"), (.model, "model, %"),
    ]

    private func error(_ rows: [EstimatorRow]) -> Estimate? {
        let seeds = Set(rows.map(\.seed)).sorted()
        return RunSample.estimate(
            seeds.compactMap { seed in
                PredictionScore.sum(rows.filter { $0.seed == seed }.map(\.score)).error.map {
                    RunSample(value: $0 * 100)
                }
            })
    }

    // -- bounds ---------------------------------------------------------------------------------------------------

    private struct Bound {
        var percent: Int
        var wanted: ClosedRange<Double>
        var metric: @Sendable (RequestClass) -> Metric
    }

    private static let bounds = [
        Bound(percent: 95, wanted: 93...97) { .coverage95($0) },
        Bound(percent: 99, wanted: 98...99.7) { .coverage99($0) },
    ]

    /// How often Strait's bounds on the ends of batches hold.
    var coverage: [Figure] {
        let table = input.table
        let cells = table.cells(of: .core).sorted { $0.load < $1.load }
        let kinds = ArrivalsOrder.kinds(of: table.cells(of: .core))
        let panels = Self.bounds.flatMap { bound in
            RequestClass.allCases.map { requestClass in
                let series = kinds.enumerated().map { index, kind in
                    LineChart.Series(
                        name: kind, style: "k\(index % 6)",
                        marks: cells.filter { $0.arrivals == kind }.compactMap { cell in
                            table.estimate(bound.metric(requestClass), of: TargetTable.strait, in: cell).map {
                                LineChart.Mark(x: cell.load, y: $0)
                            }
                        })
                }
                let least = series.flatMap(\.marks).map(\.y.value).min() ?? 100
                return LineChart(
                    title: "\(bound.percent) % bounds, \(requestClass.name) batches",
                    x: LineChart.Axis(label: "load, × what the device can do", ticks: Set(cells.map(\.load)).sorted()),
                    y: LineChart.Axis(
                        label: "batches within their bound, %", low: min(least, bound.wanted.lowerBound) - 1, high: 100),
                    series: series, band: bound.wanted
                ).drawing()
            }
        }
        guard cells.contains(where: { !table.runs(TargetTable.strait, in: $0).isEmpty }) else { return [] }
        return [
            Figure(
                name: "coverage", title: "How often batches end within the bounds that Strait predicted",
                caption:
                    "As predicted when a batch was staged. The shaded range is the target: 93 to 97 % for 95 % "
                    + "bounds, 98 "
                    + "to 99.7 % for 99 % bounds. Student's 95 % intervals over the seeds.",
                panels: panels)
        ]
    }

    // -- drifts ---------------------------------------------------------------------------------------------------

    /// Windows of time in a run.
    private static let windows = 30.0

    /// Errors and bounds over time through a change at half time.
    var drifts: [Figure] {
        var origins: [String] = []
        for drift in input.drifts where !origins.contains(drift.head.origin) { origins.append(drift.head.origin) }
        let panels = origins.flatMap { origin in
            let runs = input.drifts.filter { $0.head.origin == origin }
            return [driftPanel(origin, runs, showsError: true), driftPanel(origin, runs, showsError: false)]
        }
        guard !panels.isEmpty else { return [] }
        return [
            Figure(
                name: "drift", title: "Predictions through a change at half time",
                caption:
                    "One run under Strait with three estimators: its own (strait), one that only tracks each model "
                    + "(ewma), and one that learns nothing (static). Left: the mean error of the predicted time from a "
                    + "batch's staging to its end; right: the share of batches that ended within their 95 % bound, "
                    + "which should be in the shaded range. In model-drift, only batches of the model that became "
                    + "slower.",
                panels: panels)
        ]
    }

    private func driftPanel(_ origin: String, _ runs: [Recording], showsError: Bool) -> Drawing {
        let seconds = runs.compactMap { $0.arrivals.last?.at }.map { ($0 - .zero).seconds.rounded(.up) }.max() ?? 1
        let series = runs.map { run in
            LineChart.Series(
                name: run.head.policy.split(separator: "/").last.map(String.init) ?? run.head.policy,
                style: Self.driftStyle(run.head.policy), isOurs: run.head.policy == TargetTable.strait,
                marks: points(run, seconds: seconds, changedOnly: origin == "model-drift", showsError: showsError))
        }
        let least = series.flatMap(\.marks).map(\.y.value).min() ?? 0
        let change = origin == "clock" ? "clock falls" : "resnet-50 slows"
        return LineChart(
            title: origin, x: LineChart.Axis(label: "time, s", low: 0, high: seconds),
            y: LineChart.Axis(
                label: showsError ? "error of predicted ends, %" : "within the 95 % bound, %",
                low: showsError ? 0 : min(90, least), high: showsError ? nil : 100),
            series: series, band: showsError ? nil : 93...97, mark: (x: seconds / 2, name: change)
        ).drawing()
    }

    private static func driftStyle(_ policy: String) -> String {
        policy.hasSuffix("ewma-estimator") ? "k1" : policy.hasSuffix("static-estimator") ? "kg" : "k0"
    }

    private func points(
        _ run: Recording, seconds: Double, changedOnly: Bool, showsError: Bool
    ) -> [LineChart.Mark] {
        let length = seconds / Self.windows
        var sums: [Int: (sum: Double, count: Int)] = [:]
        for batch in run.batches where batch.end == .finished && (!changedOnly || batch.model == 0) {
            let actual = (batch.endedAt - batch.stagedAt).seconds
            let predicted = (batch.predictedFinish - batch.stagedAt).seconds
            let window = Int((batch.endedAt - .zero).seconds / length)
            guard actual > 0, predicted > 0, window < Int(Self.windows) else { continue }
            let value = showsError ? abs(predicted / actual - 1) : batch.endedAt <= batch.bound95 ? 1 : 0
            let before = sums[window] ?? (0, 0)
            sums[window] = (before.sum + value * 100, before.count + 1)
        }
        return sums.keys.sorted().compactMap { window in
            sums[window].map {
                LineChart.Mark(
                    x: (Double(window) + 0.5) * length, y: Estimate(value: $0.sum / Double($0.count), halfWidth: 0))
            }
        }
    }
}
