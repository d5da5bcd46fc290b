// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitSimulation
internal import VirtualAccelerator

extension TargetTable {
    /// How well kernel times are predicted given the real overlap.
    func estimatorRows(_ rows: [EstimatorRow]) -> [TargetRow] {
        let own = rows.filter { $0.estimator == SchedulerOptions().estimator }
        let reason = "needs trials of the estimators"
        return [
            TargetRow(
                "kernel-error", "error of kernel times given the real overlap ≤ 4 % while nothing changes", unit: "%",
                kernelErrors(own, [.steady], atMost: 4), otherwise: reason),
            TargetRow(
                "kernel-error-after-change", "≤ 5 % from 2 s after a change", unit: "%",
                kernelErrors(own, [.clock, .model], atMost: 5), otherwise: reason),
        ]
    }

    /// For each physics and stage, the mean over the seeds.
    private func kernelErrors(
        _ rows: [EstimatorRow], _ stages: [EstimatorRow.Stage], atMost bound: Double
    ) -> [Judgement] {
        Physics.allCases.flatMap { physics in
            stages.compactMap { stage -> Judgement? in
                let stageRows = rows.filter { $0.physics == physics && $0.stage == stage }
                let seeds = Set(stageRows.map(\.seed)).sorted()
                let errors = seeds.compactMap { seed in
                    PredictionScore.sum(stageRows.filter { $0.seed == seed }.map(\.score)).error.map { $0 * 100 }
                }
                return RunSample.estimate(errors.map { RunSample(value: $0) }).map {
                    Judgement("\(physics.rawValue), \(stage.rawValue)", $0, atMost: bound, margin: 1)
                }
            }
        }
    }

    /// How often the bounds on the ends of batches hold, in the core cells.
    var boundRows: [TargetRow] {
        let reason = "needs core cells under strait"
        return [
            coverageRow(
                "coverage-95", "95 % bounds on the ends of batches hold for 93 to 97 %", { .coverage95($0) }, 93...97,
                reason),
            coverageRow(
                "coverage-99", "99 % bounds hold for 98 to 99.7 %", { .coverage99($0) }, 98...99.7, reason),
            TargetRow(
                "bound-width", "q95/q50 of those bounds ≤ 1.4", unit: "",
                classes { cell, requestClass, place in
                    table.estimate(.width(requestClass), of: Self.strait, in: cell).map {
                        Judgement(place, $0, atMost: 1.4, margin: 0.1)
                    }
                }, otherwise: reason),
        ]
    }

    private func coverageRow(
        _ name: String, _ target: String, _ metric: (RequestClass) -> Metric, _ range: ClosedRange<Double>,
        _ reason: String
    ) -> TargetRow {
        let middle = (range.lowerBound + range.upperBound) / 2
        let half = (range.upperBound - range.lowerBound) / 2
        // Judged by the distance from the middle of the range; shown as what it is.
        var shown: [String: Estimate] = [:]
        let judgements = classes { cell, requestClass, place -> Judgement? in
            guard let estimate = table.estimate(metric(requestClass), of: Self.strait, in: cell) else { return nil }
            shown[place] = estimate
            let distance = Estimate(value: abs(estimate.value - middle), halfWidth: estimate.halfWidth)
            return Judgement(place, distance, atMost: half, margin: half)
        }
        var row = TargetRow(name, target, unit: "%", judgements, otherwise: reason)
        row.worst = shown[row.worstCell]
        return row
    }

    private func classes(_ judge: (Cell, RequestClass, String) -> Judgement?) -> [Judgement] {
        core.flatMap { cell in
            RequestClass.allCases.compactMap { judge(cell, $0, "\(cell.label), \($0.name)") }
        }
    }
}
