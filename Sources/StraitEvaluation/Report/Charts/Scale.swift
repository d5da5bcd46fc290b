// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// How values become pixels along an axis.
struct Scale {
    /// How values are spaced.
    enum Kind { case linear, logarithmic }

    private let kind: Kind
    /// The values at the two ends.
    let domain: ClosedRange<Double>
    private let from: Double
    private let to: Double

    /// A scale from the pixel of the least value to that of the greatest. A domain without width gets one, and what is
    /// no number is left out of it.
    init(_ kind: Kind, _ low: Double, _ high: Double, from: Double, to: Double) {
        self.kind = kind
        let low = low.isFinite ? low : 0
        let high = high.isFinite ? max(low, high) : low
        switch kind {
        case .linear: domain = low...(high > low ? high : low + max(1, low.magnitude * 0.1))
        case .logarithmic:
            let least = max(low, 1e-9)
            domain = least...(high > least ? high : least * 10)
        }
        self.from = from
        self.to = to
    }

    /// The pixel of a value; values beyond an end are drawn at that end.
    func place(_ value: Double) -> Double {
        let value = value.isNaN ? domain.lowerBound : min(max(value, domain.lowerBound), domain.upperBound)
        let share =
            switch kind {
            case .linear: (value - domain.lowerBound) / (domain.upperBound - domain.lowerBound)
            case .logarithmic: log(value / domain.lowerBound) / log(domain.upperBound / domain.lowerBound)
            }
        return from + (to - from) * share
    }

    /// Round values within the domain, about as many as asked for: 1, 2 and 5 times powers of ten, or 1 and 3 times on
    /// a logarithmic scale.
    func ticks(about count: Int) -> [Double] {
        kind == .linear ? linearTicks(max(1, count)) : logarithmicTicks()
    }

    private func linearTicks(_ count: Int) -> [Double] {
        let rough = (domain.upperBound - domain.lowerBound) / Double(count)
        let power = pow(10, floor(log10(rough)))
        let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough * 0.999 } ?? rough
        let first = Int((domain.lowerBound / step - 1e-6).rounded(.up))
        let last = Int((domain.upperBound / step + 1e-6).rounded(.down))
        return first <= last ? (first...last).map { Double($0) * step } : []
    }

    private func logarithmicTicks() -> [Double] {
        let decades = log10(domain.upperBound / domain.lowerBound)
        let steps = decades > 5 ? [1.0] : [1.0, 3]
        let (least, greatest) = (Int(floor(log10(domain.lowerBound))), Int(ceil(log10(domain.upperBound))))
        return (least...greatest).flatMap { power in steps.map { $0 * pow(10, Double(power)) } }
            .filter { $0 >= domain.lowerBound * 0.999 && $0 <= domain.upperBound * 1.001 }
    }
}
