// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import VirtualAccelerator

/// How well one estimator predicted the batches of one model.
package struct EstimatorRow: Sendable, Hashable {
    /// What was predicted, and when.
    package enum Stage: String, Sendable, Hashable, CaseIterable {
        /// Kernel times given the overlap while nothing changes, from 5 s on.
        case steady
        /// The same from 2 s after the clock fell by 30 %.
        case clock
        /// The same from 2 s after one model became 1.4 times slower.
        case model
        /// Ends of batches as predicted when they were staged.
        case finish

        /// All that predict kernel times.
        package static let kernels = [steady, clock, model]
    }

    /// How co-runners slow each other down.
    package let physics: Physics
    /// The seed.
    package let seed: UInt64
    /// The estimator.
    package let estimator: EstimatorName
    /// What was predicted.
    package let stage: Stage
    /// The class of the batches; nil for kernel times, which have none.
    package let requestClass: RequestClass?
    /// The model's name.
    package let model: String
    /// Whether it is the model that became slower.
    package let isChanged: Bool
    /// How well.
    package let score: PredictionScore

    /// A row.
    package init(
        physics: Physics, seed: UInt64, estimator: EstimatorName, stage: Stage, requestClass: RequestClass?,
        model: String, isChanged: Bool, score: PredictionScore
    ) {
        self.physics = physics
        self.seed = seed
        self.estimator = estimator
        self.stage = stage
        self.requestClass = requestClass
        self.model = model
        self.isChanged = isChanged
        self.score = score
    }

    /// One JSON object on a line, keys in a fixed order; shares between 0 and 1, null where there is nothing to tell.
    package var jsonLine: String {
        var line = JSONLine()
        line.add("physics", physics.rawValue)
        line.add("seed", integer: seed)
        line.add("estimator", estimator.rawValue)
        line.add("stage", stage.rawValue)
        line.add("class", requestClass?.name)
        line.add("model", model)
        line.add("changed", raw: "\(isChanged)")
        line.add("batches", integer: score.batches)
        line.add("error", share: score.error)
        line.add("bias", share: score.bias)
        line.add(score.coverage)
        return line.text + "\n"
    }
}

/// The rows of one physics and estimator over all seeds and models.
package struct EstimatorSummary: Sendable {
    /// How co-runners slow each other down.
    package let physics: Physics
    /// The estimator.
    package let estimator: EstimatorName
    private let rows: [EstimatorRow]

    /// The summaries of rows, in the order in which their physics and estimators first appear.
    package static func summaries(of rows: [EstimatorRow]) -> [EstimatorSummary] {
        var order: [(physics: Physics, estimator: EstimatorName)] = []
        for row in rows where !order.contains(where: { $0.physics == row.physics && $0.estimator == row.estimator }) {
            order.append((row.physics, row.estimator))
        }
        return order.map { key in
            EstimatorSummary(
                physics: key.physics, estimator: key.estimator,
                rows: rows.filter { $0.physics == key.physics && $0.estimator == key.estimator })
        }
    }

    /// The batches of some stages.
    ///
    /// - Parameters:
    ///   - requestClass: only those of this class.
    ///   - changedOnly: only those of the models that became slower.
    package func score(
        _ stages: [EstimatorRow.Stage], _ requestClass: RequestClass? = nil, changedOnly: Bool = false
    ) -> PredictionScore {
        PredictionScore.sum(
            matching(stages, requestClass).filter { !changedOnly || $0.isChanged }.map(\.score))
    }

    /// The least and the greatest share of a model's batches within their 95 % bounds; nil without batches.
    package func modelCoverage(
        _ stages: [EstimatorRow.Stage], _ requestClass: RequestClass? = nil
    ) -> (least: Double, greatest: Double)? {
        var models: [String: PredictionScore] = [:]
        for row in matching(stages, requestClass) { models[row.model, default: PredictionScore()].add(row.score) }
        let shares = models.values.compactMap(\.coverage.p95)
        guard let least = shares.min(), let greatest = shares.max() else { return nil }
        return (least, greatest)
    }

    private func matching(_ stages: [EstimatorRow.Stage], _ requestClass: RequestClass?) -> [EstimatorRow] {
        rows.filter { stages.contains($0.stage) && $0.requestClass == requestClass }
    }
}
