// SPDX-License-Identifier: Apache-2.0

/// A batch that took longer than predicted for a reason of its own was also beside others for longer. So noise in the
/// label is noise in the overlap, too, which least squares takes for interference: with 10 % of noise, θ came out much
/// too large and predictions half as far off again. Two remedies, for estimators that weigh overlaps by information.
enum OwnNoise {
    /// Predicted over measured duration, as far as it may be noise.
    private static let ratios = 0.5...2.0
    /// How much longer than its own noise and that of its model's mean together an overlap's deviation has to be, in
    /// squares. At 2 the sum of the two, whatever their signs, never passes for information.
    private static let margin = 2.0

    /// A sample with its noise taken out of its overlap.
    ///
    /// The overlap becomes what it would have been for the predicted duration at the same mean features φ̄, which is
    /// D̂ = W (1 + δ) / (1 − θ·φ̄). The label is changed by what θ makes of the difference, so that the error stays.
    static func removed(
        from overlap: SIMD8<Double>, label: Double, bias: Double, theta: SIMD8<Double>
    ) -> (overlap: SIMD8<Double>, label: Double, error: Double) {
        let interference = theta.dot(overlap)
        let error = label - bias - interference
        // D̂/D is (1 + δ) / (D/W − θ·x).
        let alone = 1 + bias
        let measured = 1 + label - interference
        let ratio = measured > 0 ? min(max(alone / measured, ratios.lowerBound), ratios.upperBound) : 1
        return (overlap * ratio, label - interference * (1 - ratio), error)
    }

    /// The share of an overlap's deviation from its model's mean that says something about θ, 0…1.
    ///
    /// How a longer run changes the overlap depends on who is there at its end, so some noise stays in the overlap or
    /// enters it with the other sign. Where a model always meets the same company there is nothing else in it, and θ
    /// would wander off for ever on what looks like information.
    static func informativeShare(
        of deviation: SIMD8<Double>, overlap: SIMD8<Double>, error: Double, noise: Double
    ) -> Double {
        let length = deviation.dot(deviation)
        let own = margin * (error * error + noise) * overlap.dot(overlap)
        return length > own ? 1 - own / length : 0
    }
}
