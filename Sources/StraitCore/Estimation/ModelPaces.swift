// SPDX-License-Identifier: Apache-2.0

/// How much longer than predicted each model's batches take from their staging to their end, in the median: what the
/// replay does not know of those who will join them costs some models more than others.
///
/// Unlike a bias it is not learned from kernel times given the company, but from whole predictions. Without it the bounds
/// of a class held for 87 % of one model's batches and for 99 % of another's.
package struct ModelPaces: Sendable, Hashable {
    private var factors: [Double] = []

    /// What a batch moves the factor by, whichever side of its prediction it ends on, so that half of them end on each
    /// side: 10 % in fifty batches if all agree.
    private static let step = 0.002
    /// What a factor may be. Where company makes more of a difference something else is wrong.
    private static let range = 0.5...2.0

    /// All as predicted.
    package init() {}

    /// The factor on the work of a model, 1 for one that was never seen.
    package subscript(model: ModelID) -> Double { model.index < factors.count ? factors[model.index] : 1 }

    /// Whether a factor can have been learned.
    static func isPossible(_ factor: Double) -> Bool { range.contains(factor) }

    /// Puts back what was learned of a model.
    mutating func restore(_ factor: Double, of model: ModelID) {
        while factors.count <= model.index { factors.append(1) }
        factors[model.index] = factor
    }

    /// Forgets a model.
    mutating func forget(_ model: ModelID) { if model.index < factors.count { factors[model.index] = 1 } }

    /// Takes note of a completion's z. What is not a positive number is ignored.
    package mutating func learn(_ z: Double, model: ModelID) {
        guard z > 0 else { return }
        while factors.count <= model.index { factors.append(1) }
        let moved = factors[model.index] * (1 + (z > 1 ? Self.step : -Self.step))
        factors[model.index] = min(max(moved, Self.range.lowerBound), Self.range.upperBound)
    }
}
