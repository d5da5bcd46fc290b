// SPDX-License-Identifier: Apache-2.0

/// How far reality strays from the predictions: streaming quantiles of z = (actual − dispatch) / (predicted − dispatch),
/// per class (design §5).
///
/// q += η (1[z > q] − (1 − level)) keeps the long-run share of z ≤ q at its level whatever the errors are distributed
/// like, as long as q is not clamped (adaptive conformal inference, Gibbs & Candès 2021).
package struct Calibration: Sendable, Hashable {
    /// The quantiles, as factors on a predicted duration.
    package private(set) var median = 1.0
    package private(set) var q95 = 1.3
    /// The outer bound, at least q95.
    package var q99: Double { max(q95, outer) }
    /// The outer bound as it moves by itself: held above q95, it would be pushed up by every step of that.
    private var outer = 1.6
    /// Completions since the last one beyond it.
    private var sinceBeyond = 0

    private static let gain = 0.02
    /// The median is where probabilities are anchored; it moves at half the pace.
    private static let medianGain = 0.01
    /// Completions without one beyond the outer bound after which it falls faster, in proportion to their number: two
    /// should have been. By steps of a hundredth of the gain it takes 2,500 completions from 1.6 to 1.1, and 12,000 back
    /// from a time of trouble. What the haste costs is 0.1 points of coverage.
    private static let patience = 200.0
    /// Beyond these a prediction is not wrong by some noise but by kind, and the watchdog acts.
    private static let range = 0.8...3.5

    package init() {}

    /// Quantiles that were learned before; coverage is counted anew.
    init(_ quantiles: LearnedState.Quantiles) {
        median = quantiles.median
        q95 = quantiles.q95
        outer = quantiles.q99
    }

    /// The quantiles, to be kept.
    var quantiles: LearnedState.Quantiles { LearnedState.Quantiles(median: median, q95: q95, q99: q99) }

    /// Whether quantiles can have been learned.
    static func isPossible(_ quantiles: LearnedState.Quantiles) -> Bool {
        range.contains(quantiles.median) && range.contains(quantiles.q99) && quantiles.median <= quantiles.q95
            && quantiles.q95 <= quantiles.q99
    }

    /// Takes note of a completion's z.
    package mutating func note(_ z: Double) {
        guard z.isFinite, z > 0 else { return }
        median = Self.step(median, z, level: 0.5, gain: Self.medianGain)
        q95 = max(median, Self.step(q95, z, level: 0.95, gain: Self.gain))
        sinceBeyond = z > outer ? 0 : sinceBeyond + 1
        let haste = max(1, Double(sinceBeyond) / Self.patience)
        outer = Self.step(outer, z, level: 0.99, gain: Self.gain * haste)
    }

    /// The z of something that was predicted to take so many nanoseconds, and took others.
    ///
    /// It is the ratio of the two, but for what is shorter than a wake-up of the machine can be: there the ratio would tell
    /// of the machine, be 4 or 40, and speak for all models of a class. So an error counts as a share of ``shortest`` at
    /// least.
    package static func z(took: Int64, predicted: Int64) -> Double {
        let (took, predicted) = (Double(took), max(1, Double(predicted)))
        return predicted >= shortest ? took / predicted : 1 + (took - predicted) / shortest
    }

    /// What something that is predicted to take `time` takes at most, by one of the quantiles.
    package static func bound(_ quantile: Double, on time: Duration) -> Duration {
        let nanoseconds = Double(time.nanoseconds)
        guard nanoseconds < shortest else { return time * quantile }
        return Duration(clamping: max(0, nanoseconds + (quantile - 1) * shortest))
    }

    /// Nanoseconds: some ten wake-ups of a quiet machine, and less than any batch takes for which bounds matter.
    private static let shortest = 500_000.0

    /// What is wrong with it, in words; nil when all is well.
    package func brokenInvariant() -> String? {
        guard Self.range.contains(median), Self.range.contains(q95), Self.range.contains(q99), median <= q95, q95 <= q99
        else { return "quantiles \(median), \(q95), \(q99) are not in order within \(Self.range)" }
        return nil
    }

    private static func step(_ quantile: Double, _ z: Double, level: Double, gain: Double) -> Double {
        let moved = quantile + gain * ((z > quantile ? 1 : 0) - (1 - level))
        return min(max(moved, range.lowerBound), range.upperBound)
    }

    /// The probability that something predicted to take `predicted` nanoseconds from now is done within `allowed`.
    package func probability(predicted: Double, allowed: Double, widened: Double = 1) -> Double {
        ChanceCurve(self, predicted: predicted, widened: widened).chance(allowed: allowed)
    }

    /// A point estimate instead: 1 if it fits, else 0, but for a slope that keeps a best choice among hopeless ones.
    static let point: Calibration = {
        var calibration = Calibration()
        calibration.q95 = 1
        return calibration
    }()

    /// The spread of the logistic distribution through the median and the upper quantile, which may be widened.
    func spread(widened: Double) -> Double {
        max(Self.leastSpread, (q95 * widened - median) / Self.logisticQ95)
    }

    /// The logistic distribution's 95 % quantile in units of its scale.
    private static let logisticQ95 = 2.94
    /// No prediction is taken to be better than 2 %.
    private static let leastSpread = 0.02
}

/// The chances of one prediction to be in time for any deadline: a batch of many requests has one prediction, so what
/// depends on it alone is worked out once.
package struct ChanceCurve: Sendable {
    private let slope: Double
    private let offset: Double

    /// Beyond, a chance is 0 or 1 to six digits, and no exponential is worth its time.
    private static let certain = 14.0

    @inline(__always)
    package init(_ calibration: Calibration, predicted: Double, widened: Double = 1) {
        let inverse = 1 / calibration.spread(widened: widened)
        slope = inverse / max(1, predicted)
        offset = calibration.median * inverse
    }

    /// The probability of being done within `allowed` nanoseconds from now.
    @inline(__always)
    package func chance(allowed: Double) -> Double {
        guard allowed > 0 else { return 0 }
        let x = allowed * slope - offset
        if x > Self.certain { return 1 }
        return x < -Self.certain ? 0 : sigmoid(x)
    }
}
