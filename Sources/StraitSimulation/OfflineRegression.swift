// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// Least squares over a whole trace: what an offline calibration run would give the estimator `static`.
enum OfflineRegression {
    /// The share of each sum of squares that pulls towards the prior, so that features which never differed have
    /// coefficients at all. With a thousand batches it is nothing beside what they say.
    private static let ridge = 1e-6

    /// θ and the biases that predict these batches best.
    ///
    /// Relative errors of the duration are squared, for they are what estimators are judged by: with r = W/D and the
    /// mean features φ̄ = x·r the residual is θ·φ̄ + (1 + δ)·r − 1. Squares of y − θ·x − δ would count long batches most.
    ///
    /// - Complexity: O(batches · (models + 7)² + (models + 7)³).
    static func fit(_ batches: [OverlapTrace.Batch], models: Int) -> InterferenceState {
        let features = InterferenceFeatures.count
        let size = features + models
        // Row by row; the last column is the right-hand side.
        var system = [[Double]](repeating: Array(repeating: 0, count: size + 1), count: size)
        for lane in 0..<size {
            let weight = ridge * Double(batches.count)
            system[lane][lane] = weight
            system[lane][size] = weight * (lane < features ? InterferenceState.priorTheta[lane] : 1)
        }
        for batch in batches {
            let ratio = batch.soloWork / batch.duration
            var input = [Double](repeating: 0, count: size + 1)
            for lane in 0..<features { input[lane] = batch.overlap[lane] * ratio }
            input[features + batch.model] = ratio
            input[size] = 1
            for row in 0..<size where input[row] != 0 {
                for column in 0...size { system[row][column] += input[row] * input[column] }
            }
        }
        let solution = solve(&system)
        var theta = SIMD8<Double>()
        for lane in 0..<features { theta[lane] = solution[lane] }
        return InterferenceState(
            theta: theta, models: solution[features...].map { InterferenceState.Model(bias: $0 - 1, uncertainty: 1) })
    }

    /// Gaussian elimination; the ridge makes the matrix positive, so it needs no pivots.
    static func solve(_ system: inout [[Double]]) -> [Double] {
        let size = system.count
        for pivot in 0..<size {
            for row in (pivot + 1)..<max(size, pivot + 1) {
                let factor = system[row][pivot] / system[pivot][pivot]
                for column in pivot...size { system[row][column] -= factor * system[pivot][column] }
            }
        }
        var solution = [Double](repeating: 0, count: size)
        for row in (0..<size).reversed() {
            var rest = system[row][size]
            for column in (row + 1)..<max(size, row + 1) { rest -= system[row][column] * solution[column] }
            solution[row] = rest / system[row][row]
        }
        return solution
    }
}
