// SPDX-License-Identifier: Apache-2.0

/// Where a profile is found to be wrong beyond the one bias that its model has: factors on its times by batch size and
/// size of row.
///
/// They move in steps, and only where the times of a size are off by more than noise and company explain. In simulation
/// that changes nothing where a profile is right within 2 %; where each size is up to 30 % off, a third of a point of low
/// requests less is missed at full load. Factors that follow smoothly predicted a little better still, but had a part in
/// every decision, and missed a fifth of a point more with the good profile.
package struct ProfileCorrections: Sendable {
    /// Cells by model.
    private var models: [[LearnedState.Correction]] = []

    /// The weight of a new sample once many are there: a memory of twenty batches of that size.
    private static let gain = 0.05
    /// By how much a mean must be off. Co-runners of many kinds take it to 10 % now and then, with a profile that is right.
    private static let tolerance = 0.15
    /// Completions before anything is concluded, as for a solo time.
    private static let samplesNeeded = SoloEstimator.samplesNeeded
    /// What a sample's ratio counts as: one hiccup among the first three changes nothing.
    private static let believedRatios = 0.5...2.0
    /// The same while a time is only scaled. Fixed costs, scaled too, make it too long by almost as many times as the
    /// sizes of row are apart; too short it is by less, and a hiccup looks the same.
    private static let scaledRatios = 0.001...16.0
    /// What a factor may be.
    package static let range = 0.001...1000.0
    /// Sizes corrected for each model: all batch sizes of several sizes of row. Beyond, the profile is taken as it is.
    package static let cellsKept = 64

    package init() {}

    /// What the profile's time of a batch is to be multiplied by.
    ///
    /// - Complexity: O(sizes seen of the model).
    package func factor(_ work: WorkShape, rows: Int) -> Double {
        guard work.model.index < models.count, let cell = cell(work, rows) else { return 1 }
        return models[work.model.index][cell].factor
    }

    /// Takes note of a batch that took `ratio` times what was predicted, bias and company included.
    ///
    /// - Parameter isMeasured: whether the profile has a curve for this very size of row.
    /// - Returns: whether the prediction was one to learn other things from, and not a guess.
    package mutating func learn(_ work: WorkShape, rows: Int, ratio: Double, isMeasured: Bool) -> Bool {
        guard ratio > 0, ratio.isFinite else { return false }
        while models.count <= work.model.index { models.append([]) }
        guard let index = cell(work, rows) ?? addCell(work, rows, isBelieved: isMeasured) else { return isMeasured }
        let isBelieved = models[work.model.index][index].isBelieved
        let ratios = isBelieved ? Self.believedRatios : Self.scaledRatios
        let limited = min(max(ratio, ratios.lowerBound), ratios.upperBound)
        Self.note(limited - 1, &models[work.model.index][index])
        return isBelieved
    }

    private func cell(_ work: WorkShape, _ rows: Int) -> Int? {
        let exponent = SoloEstimator.nearestExponent(rows)
        return models[work.model.index].firstIndex { $0.bucket == work.bucket && Int($0.exponent) == exponent }
    }

    private mutating func addCell(_ work: WorkShape, _ rows: Int, isBelieved: Bool) -> Int? {
        let count = models[work.model.index].count
        guard count < Self.cellsKept else { return nil }
        let exponent = UInt8(SoloEstimator.nearestExponent(rows))
        models[work.model.index].append(
            LearnedState.Correction(bucket: work.bucket, exponent: exponent, isBelieved: isBelieved))
        return count
    }

    private static func note(_ deviation: Double, _ cell: inout LearnedState.Correction) {
        cell.samples += 1
        cell.residual += max(gain, 1 / Double(cell.samples)) * (deviation - cell.residual)
        guard cell.samples >= samplesNeeded else { return }
        cell.isBelieved = true
        // Compared as factors, so that too slow and too fast count alike; the fewer samples, the more it takes.
        let excess = max(cell.residual, -cell.residual / (1 + cell.residual))
        guard excess > tolerance + 1 / Double(cell.samples) else { return }
        cell.factor = min(max(cell.factor * (1 + cell.residual), range.lowerBound), range.upperBound)
        cell.residual = 0
        cell.samples = 0
    }

    // -- to be kept ------------------------------------------------------------------------------------------------

    /// What was found of a model.
    func cells(of model: ModelID) -> [LearnedState.Correction] {
        guard model.index < models.count else { return [] }
        return models[model.index].map { cell in
            var cell = cell
            cell.samples = LearnedState.limited(cell.samples)
            return cell
        }
    }

    /// Puts back what was found of a model.
    mutating func restore(_ cells: [LearnedState.Correction], of model: ModelID) {
        guard !cells.isEmpty else { return }
        while models.count <= model.index { models.append([]) }
        models[model.index] = cells
    }

    /// Forgets a model.
    mutating func forget(_ model: ModelID) { if model.index < models.count { models[model.index] = [] } }

    /// Whether a correction can have been found.
    static func isPossible(_ correction: LearnedState.Correction) -> Bool {
        correction.bucket < UInt64.bitWidth && correction.exponent < UInt64.bitWidth
            && range.contains(correction.factor)
            && correction.residual > -1 && correction.residual <= scaledRatios.upperBound
            && LearnedState.counts.contains(correction.samples)
    }
}
