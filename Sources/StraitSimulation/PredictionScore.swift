// SPDX-License-Identifier: Apache-2.0

package import StraitCore

/// How well times were predicted, and how well the bounds on them held, over a number of batches.
package struct PredictionScore: Sendable, Hashable {
    /// Batches that were predicted.
    package private(set) var batches = 0
    private var absoluteError = 0.0
    private var signedError = 0.0
    /// How often the bounds held.
    package private(set) var coverage = Coverage()

    /// Nothing predicted yet.
    package init() {}

    /// The mean of |predicted / actual − 1|; nil without batches.
    package var error: Double? { mean(absoluteError) }
    /// The mean of predicted / actual − 1.
    package var bias: Double? { mean(signedError) }

    private func mean(_ sum: Double) -> Double? { batches > 0 ? sum / Double(batches) : nil }

    /// Takes note of a batch, with the calibration that it was predicted with. What was not predicted to take any time
    /// is left out.
    mutating func note(predicted: Double, actual: Double, _ calibration: Calibration) {
        guard predicted > 0, actual > 0 else { return }
        let error = predicted / actual - 1
        batches += 1
        absoluteError += error.magnitude
        signedError += error
        coverage.note(actual / predicted, calibration)
    }

    /// Counts another's batches in.
    package mutating func add(_ other: PredictionScore) {
        batches += other.batches
        absoluteError += other.absoluteError
        signedError += other.signedError
        coverage.add(other.coverage)
    }

    /// All of them together.
    package static func sum(_ scores: some Sequence<PredictionScore>) -> PredictionScore {
        scores.reduce(into: PredictionScore()) { $0.add($1) }
    }
}
