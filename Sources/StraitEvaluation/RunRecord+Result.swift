// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
package import StraitSimulation
internal import VirtualAccelerator

extension RunRecord {
    /// The record of a run's result.
    package init(_ result: RunResult, axis: Axis) {
        self.init(
            axis: axis, cell: Cell(result.scenario), variant: result.setup.name, policy: result.setup.policy.rawValue,
            lanes: result.setup.lanes, seed: result.seed, high: ClassFigures(result[.high]),
            low: ClassFigures(result[.low]), meanBatch: result.meanBatch)
    }
}

extension Cell {
    /// The cell of a scenario.
    package init(_ scenario: Scenario) {
        self.init(
            scenario: scenario.name, load: scenario.offeredLoad, arrivals: scenario.arrivalsName,
            physics: scenario.physics.rawValue, change: scenario.changeName, devices: scenario.devices,
            highShare: scenario.highShare, seconds: scenario.duration.seconds)
    }
}

extension ClassFigures {
    init(_ result: ClassResult) {
        self.init(
            models: result.models.map(ModelFigures.init), latency: TimeFigures(result.latency),
            lateness: TimeFigures(result.lateness), waste: result.waste,
            prediction: PredictionFigures(result.prediction))
    }
}

extension ModelFigures {
    init(_ result: ModelResult) {
        self.init(
            name: result.name, late: result.late, shed: result.shed,
            longestStarvation: result.longestStarvation.milliseconds, prediction: PredictionFigures(result.prediction),
            blocks: result.blocks)
    }
}

extension TimeFigures {
    init(_ times: Percentiles) {
        self.init(p50: times.p50?.milliseconds, p95: times.p95?.milliseconds, p99: times.p99?.milliseconds)
    }
}

extension PredictionFigures {
    init(_ score: PredictionScore) {
        self.init(
            batches: score.batches, error: score.error, bias: score.bias, p95: score.coverage.p95,
            p99: score.coverage.p99, width: score.coverage.width)
    }
}
