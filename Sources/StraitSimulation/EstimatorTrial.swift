// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
package import VirtualAccelerator

/// All estimators of interference on the same traces, and the bounds of predictions in whole runs: one physics, one
/// seed.
package struct EstimatorTrial: Sendable {
    /// How co-runners slow each other down.
    package let physics: Physics
    /// Decides profiles' errors, batches, noise, and which model changes.
    package let seed: UInt64

    /// Batches before this teach and are not counted.
    private static let warmUp = Instant.zero + Duration.seconds(5)
    /// When the device or a model changes.
    private static let change = warmUp + Duration.seconds(10)
    /// When batches count again: what has to be learned has to be learned by then.
    private static let settled = change + Duration.seconds(2)
    /// How long a trace is; some 1200 batches count before the change, and as many after.
    private static let duration = (settled - Instant.zero) + Duration.seconds(10)
    /// How long the trace is that `static` is fitted to, on the same device with the same profiles.
    private static let fittingDuration = Duration.seconds(30)

    /// A trial.
    package init(physics: Physics, seed: UInt64) {
        self.physics = physics
        self.seed = seed
    }

    /// Kernel times given the real overlap, each predicted before it is learned from: for each estimator, stage and
    /// model a row.
    package func kernelRows() -> [EstimatorRow] {
        let scenario = scenario
        let changed = Int(seed % UInt64(scenario.models.count))
        // Other batches with other luck than those that are predicted.
        let fitting = OverlapTrace(scenario, seed: seed, luck: ~seed, duration: Self.fittingDuration)
        let offline = OfflineRegression.fit(fitting.batches, models: scenario.models.count)
        let clock = trace(scenario, .clock)
        let model = trace(scenario, .model(changed))
        return EstimatorName.allCases.flatMap { name in
            // Up to the change both traces are the same.
            let (steady, afterClock) = Self.play(clock, name.model(offline: offline), models: scenario.models.count)
            let (_, afterModel) = Self.play(model, name.model(offline: offline), models: scenario.models.count)
            return rows(name, .steady, steady) + rows(name, .clock, afterClock)
                + rows(name, .model, afterModel, changed: changed)
        }
    }

    /// The ends of batches as predicted when they were staged, in a run of the centre scenario under the policy
    /// `strait`: for each class and model a row.
    ///
    /// - Throws: `brokenRule` if the run breaks one.
    package func finishRows() throws(SimulationError) -> [EstimatorRow] {
        let setup = PolicySetup(.strait)
        let result = try Simulation.run(scenario, setup, seed: seed)
        return result.classes.flatMap { of in
            of.models.map { model in
                EstimatorRow(
                    physics: physics, seed: seed, estimator: setup.options.estimator, stage: .finish,
                    requestClass: of.requestClass, model: model.name, isChanged: false, score: model.prediction)
            }
        }
    }

    private var scenario: Scenario {
        var scenario = ScenarioLibrary.centre
        scenario.physics = physics
        return scenario
    }

    private func trace(_ scenario: Scenario, _ change: OverlapTrace.Change) -> OverlapTrace {
        OverlapTrace(scenario, seed: seed, luck: seed, duration: Self.duration, change: change, at: Self.change)
    }

    private func rows(
        _ estimator: EstimatorName, _ stage: EstimatorRow.Stage, _ scores: [PredictionScore], changed: Int? = nil
    ) -> [EstimatorRow] {
        zip(scenario.models, scores).enumerated().map { index, of in
            EstimatorRow(
                physics: physics, seed: seed, estimator: estimator, stage: stage, requestClass: nil,
                model: of.0.kernels.name, isChanged: index == changed, score: of.1)
        }
    }

    /// Predicts each batch of a trace, and then learns from it.
    ///
    /// - Returns: for each model, the score before the change and the one after it.
    private static func play(
        _ trace: OverlapTrace, _ model: any InterferenceModel, models: Int
    ) -> (before: [PredictionScore], after: [PredictionScore]) {
        var model = model
        var calibration = Calibration()
        var before = [PredictionScore](repeating: PredictionScore(), count: models)
        var after = before
        for batch in trace.batches {
            let predicted = model.fitted(batch.overlap, model: batch.model) * batch.soloWork
            if batch.doneAt >= settled {
                after[batch.model].note(predicted: predicted, actual: batch.duration, calibration)
            } else if batch.doneAt >= warmUp, batch.doneAt < change {
                before[batch.model].note(predicted: predicted, actual: batch.duration, calibration)
            }
            calibration.note(batch.duration / predicted)
            model.learn(batch.overlap, model: batch.model, label: batch.label, device: 0)
        }
        return (before, after)
    }
}
