// SPDX-License-Identifier: Apache-2.0

/// A number from several seeds, with how far luck may have moved it.
package struct Estimate: Sendable, Hashable {
    /// The mean over the seeds.
    package var value: Double
    /// Half the width of the 95 % interval around it; infinite where there is one seed only and no blocks of time either.
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
    package var words: String { words(places: 2) }

    /// The same with another number of decimals.
    package func words(places: Int) -> String {
        Self.decimals(value, places) + (halfWidth.isFinite ? " ± " + Self.decimals(halfWidth, places) : " ± unknown")
    }

    /// The same of a difference, with its sign: `+1.25 ± 0.10`.
    package var signedWords: String { (value > 0 ? "+" : "") + words }

    /// A number with some decimals, rounded.
    static func decimals(_ value: Double, _ places: Int) -> String {
        guard value.isFinite, value.magnitude < 1e12 else { return "\(value)" }
        let scale = (0..<places).reduce(1) { power, _ in power * 10 }
        let scaled = Int((value.magnitude * Double(scale)).rounded())
        let (whole, rest) = scaled.quotientAndRemainder(dividingBy: scale)
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard places > 0 else { return sign + "\(whole)" }
        let digits = String(rest)
        return sign + "\(whole)." + String(repeating: "0", count: places - digits.count) + digits
    }
}
