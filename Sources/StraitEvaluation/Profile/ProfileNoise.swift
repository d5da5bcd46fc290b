// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
package import StraitFormats

/// How steady the machine was while a profile was measured.
package struct ProfileNoise: Sendable, Hashable {
    /// The times of the fixed piece of work in milliseconds, in order.
    package let references: [Double]
    /// The median of them.
    package let median: Double
    /// How far nine in ten of them lie apart, as a share of the median.
    package let spread: Double
    /// The share of the machine's cores that others took, on average over the profile; nil where the system does not say.
    package let others: Double?

    /// What the references of a profile say; nil without any.
    package init?(_ records: [ProfileRecord]) {
        var times: [Double] = []
        var shares: [Double] = []
        for case .reference(let reference) in records {
            times.append(Double(reference.took.nanoseconds) / 1e6)
            if let others = reference.others { shares.append(others) }
        }
        guard !times.isEmpty else { return nil }
        references = times
        let sorted = times.sorted()
        func quantile(_ share: Double) -> Double { sorted[Int((share * Double(sorted.count - 1)).rounded())] }
        median = quantile(0.5)
        spread = median > 0 ? (quantile(0.95) - quantile(0.05)) / median : 0
        others = shares.isEmpty ? nil : shares.reduce(0, +) / Double(shares.count)
    }

    /// Spreads up to these are no trouble, and some trouble; what goes beyond is told as such.
    private static let quiet = 0.03
    private static let uneasy = 0.10
    /// The same of what others took.
    private static let quietOthers = 0.03
    private static let uneasyOthers = 0.15

    /// The judgement in a word or two.
    package var verdict: String {
        if spread <= Self.quiet, others ?? 0 <= Self.quietOthers { return "quiet" }
        return isNoisy ? "noisy" : "a little noisy"
    }

    /// Whether it was too noisy to believe what was measured.
    package var isNoisy: Bool { spread > Self.uneasy || others ?? 0 > Self.uneasyOthers }

    /// One sentence for people.
    package var words: String {
        func percent(_ share: Double) -> String { Estimate.decimals(share * 100, 1) }
        let taken = others.map { "; others took \(percent($0)) % of the cores" } ?? ""
        return "\(verdict): the same work took \(Estimate.decimals(median, 2)) ms, nine times in ten within "
            + "\(percent(spread)) % of each other (\(references.count) times)\(taken)"
    }
}

/// What copying a batch to a device costs: time = overhead + bytes / bandwidth, by least squares.
package struct ProfileCopies: Sendable, Hashable {
    /// What any copy takes, in milliseconds.
    package let overhead: Double
    /// Bytes a second beyond that; nil where larger copies took no longer.
    package let bandwidth: Double?

    /// The line through (bytes, milliseconds); nil for fewer than three copies or copies of one size only.
    package init?(_ copies: [(bytes: Double, milliseconds: Double)]) {
        let count = Double(copies.count)
        guard copies.count >= 3 else { return nil }
        // Relative errors count, so that small copies do not drown in the noise of large ones.
        let weights = copies.map { 1 / max($0.milliseconds, 1e-4) / max($0.milliseconds, 1e-4) }
        let total = weights.reduce(0, +)
        let meanBytes = zip(copies, weights).reduce(0) { $0 + $1.0.bytes * $1.1 } / total
        let meanTime = zip(copies, weights).reduce(0) { $0 + $1.0.milliseconds * $1.1 } / total
        var (spread, slope) = (0.0, 0.0)
        for (copy, weight) in zip(copies, weights) {
            spread += weight * (copy.bytes - meanBytes) * (copy.bytes - meanBytes)
            slope += weight * (copy.bytes - meanBytes) * (copy.milliseconds - meanTime)
        }
        guard spread > 0, count > 0 else { return nil }
        slope /= spread
        bandwidth = slope > 0 ? 1000 / slope : nil
        overhead = max(0, meanTime - max(slope, 0) * meanBytes)
    }

    /// For people.
    package var words: String {
        let speed = bandwidth.map { " + bytes at \(Markup.number($0 / 1e9)) GB/s" } ?? ""
        return "\(Markup.number(overhead * 1000)) µs\(speed)"
    }
}
