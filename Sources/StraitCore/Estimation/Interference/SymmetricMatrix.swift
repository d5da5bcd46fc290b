// SPDX-License-Identifier: Apache-2.0

/// A symmetric matrix over the seven ``InterferenceFeatures``, as full rows. Lane 7 of each row is 0.
///
/// Every operation gives both triangles the same rounding, so that symmetry is exact, not nearly so.
struct SymmetricMatrix: Sendable {
    private typealias Size = InterferenceFeatures
    private var rows: InlineArray<7, SIMD8<Double>>

    /// `value` on the diagonal, 0 elsewhere.
    init(diagonal value: Double) {
        rows = InlineArray { row in
            var result = SIMD8<Double>()
            result[row] = value
            return result
        }
    }

    /// The matrix with these rows; nil unless there are seven of eight lanes.
    init?(rows given: [SIMD8<Double>]) {
        guard given.count == Size.count else { return nil }
        rows = InlineArray { given[$0] }
    }

    /// The rows, for saving.
    var asRows: [SIMD8<Double>] { (0..<Size.count).map { rows[$0] } }

    /// The matrix times a vector.
    func times(_ vector: SIMD8<Double>) -> SIMD8<Double> {
        // By columns, which are the rows: no sums across lanes.
        var result = rows[0] * vector[0]
        for row in 1..<Size.count { result += rows[row] * vector[row] }
        return result
    }

    /// Adds `vector` · `vector`ᵀ · `factor`.
    mutating func add(outer vector: SIMD8<Double>, times factor: Double) {
        for row in 0..<Size.count { rows[row] += (vector * vector[row]) * factor }
    }

    /// Makes it `factor` times itself, and adds `value` to the diagonal.
    mutating func scale(by factor: Double, addingToDiagonal value: Double) {
        for row in 0..<Size.count {
            rows[row] *= factor
            rows[row][row] += value
        }
    }

    /// Adds `value` to the diagonal; where that takes it beyond `limit`, row and column are scaled back to it together,
    /// which keeps the matrix positive and the correlations as they are.
    mutating func growDiagonal(by value: Double, upTo limit: Double) {
        var scales = SIMD8<Double>(repeating: 1)
        var exceeds = false
        for row in 0..<Size.count {
            rows[row][row] += value
            if rows[row][row] > limit {
                scales[row] = (limit / rows[row][row]).squareRoot()
                exceeds = true
            }
        }
        guard exceeds else { return }
        for row in 0..<Size.count {
            rows[row] *= scales * scales[row]
            // The square of a rounded root may be a rounding more.
            rows[row][row] = min(rows[row][row], limit)
        }
    }

    /// The solution of (self + `ridge` · 1) · x = `vector`. The matrix must be positive.
    ///
    /// - Complexity: Gaussian elimination without pivots, which positive matrices do not need: 21 row operations. The
    ///   right-hand side rides along in the unused lane.
    func solve(_ vector: SIMD8<Double>, ridge: Double = 0) -> SIMD8<Double> {
        var work = rows
        for row in 0..<Size.count {
            work[row][row] += ridge
            work[row][7] = vector[row]
        }
        for pivot in 0..<(Size.count - 1) {
            let pivotRow = work[pivot]
            let inverse = 1 / pivotRow[pivot]
            for row in (pivot + 1)..<Size.count { work[row] -= pivotRow * (pivotRow[row] * inverse) }
        }
        var result = SIMD8<Double>()
        for row in stride(from: Size.count - 1, through: 0, by: -1) {
            // The part of the row left of the diagonal meets zeros that are still in the result only from here on.
            var rest = work[row][7]
            for column in (row + 1)..<Size.count { rest -= work[row][column] * result[column] }
            result[row] = rest / work[row][row]
        }
        return result
    }

    /// What is wrong with it, in words: not finite, not symmetric, not positive, or a diagonal beyond `limit`.
    func brokenInvariant(limit: Double) -> String? {
        for row in 0..<Size.count {
            guard rows[row][7] == 0 else { return "lane 7 of row \(row) holds \(rows[row][7])" }
            guard rows[row][row] > 0, rows[row][row] <= limit else {
                return "diagonal element \(row) is \(rows[row][row]), not within 0…\(limit)"
            }
            for column in 0..<row where rows[row][column] != rows[column][row] {
                return "element \(row), \(column) is \(rows[row][column]), its mirror \(rows[column][row])"
            }
        }
        // All pivots of the elimination are positive if and only if the matrix is.
        var work = rows
        for pivot in 0..<Size.count {
            guard work[pivot][pivot] > 0 else { return "not positive: pivot \(pivot) is \(work[pivot][pivot])" }
            for row in (pivot + 1)..<max(Size.count, pivot + 1) {
                work[row] -= work[pivot] * (work[row][pivot] / work[pivot][pivot])
            }
        }
        return nil
    }
}
