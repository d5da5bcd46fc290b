// SPDX-License-Identifier: Apache-2.0

/// A number from several seeds, with how far luck may have moved it.
package struct Estimate: Sendable, Hashable {
    /// The mean over the seeds.
    package var value: Double
    /// Half the width of the 95 % interval around it.
    package var halfWidth: Double

    /// An estimate.
    package init(value: Double, halfWidth: Double) {
        self.value = value
        self.halfWidth = halfWidth
    }

    /// The interval's lower end.
    package var lower: Double { value - halfWidth }
    /// The interval's upper end.
    package var upper: Double { value + halfWidth }
}

extension Estimate {
    /// The value and half the interval with two decimals each: `1.25 ± 0.10`.
    package var words: String { "\(Self.decimals(value)) ± \(Self.decimals(halfWidth))" }

    /// The same of a difference, with its sign: `+1.25 ± 0.10`.
    package var signedWords: String { (value > 0 ? "+" : "") + words }

    private static func decimals(_ value: Double) -> String {
        guard value.isFinite, value.magnitude < 1e12 else { return "\(value)" }
        let hundredths = Int((value.magnitude * 100).rounded())
        let (whole, rest) = hundredths.quotientAndRemainder(dividingBy: 100)
        return (value < 0 && hundredths > 0 ? "-" : "") + "\(whole)." + (rest < 10 ? "0\(rest)" : "\(rest)")
    }
}
