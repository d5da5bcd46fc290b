// SPDX-License-Identifier: Apache-2.0

/// How often the bounds of predictions held, and how wide they were: one without the other is cheap.
package struct Coverage: Sendable, Hashable {
    /// Predictions whose outcome is known.
    package private(set) var count = 0
    private var within95 = 0
    private var within99 = 0
    private var widths = 0.0

    /// Nothing known yet.
    package init() {}

    /// Takes note of a z (actual over predicted time) and of the calibration that its bounds came from.
    package mutating func note(_ z: Double, _ calibration: Calibration) {
        guard z.isFinite, z > 0 else { return }
        count += 1
        if z <= calibration.q95 { within95 += 1 }
        if z <= calibration.q99 { within99 += 1 }
        widths += calibration.q95 / calibration.median
    }

    /// Counts another's predictions in.
    package mutating func add(_ other: Coverage) {
        count += other.count
        within95 += other.within95
        within99 += other.within99
        widths += other.widths
    }

    /// The share of outcomes within the 95 % bound; nil without any.
    package var p95: Double? { mean(Double(within95)) }
    /// The share within the 99 % bound.
    package var p99: Double? { mean(Double(within99)) }
    /// The mean of q95/q50: how much longer than its median the bound lets something take.
    package var width: Double? { mean(widths) }

    private func mean(_ sum: Double) -> Double? { count > 0 ? sum / Double(count) : nil }
}

extension SchedulerState {
    /// Forgets how the bounds of a model's predictions held.
    mutating func forgetCoverage(of model: ModelID) {
        for index in coverage.indices where model.index < coverage[index].count {
            coverage[index][model.index] = Coverage()
        }
    }

    /// Takes note of a completion's z: how well it kept to the bounds so far, what they should be, and the
    /// model's pace.
    mutating func calibrate(_ z: Double, requestClass index: Int, model: ModelID) {
        while coverage[index].count <= model.index { coverage[index].append(Coverage()) }
        coverage[index][model.index].note(z, calibrations[index])
        calibrations[index].note(z)
        // Where times are not profiled but learned from completions, these follow what is missed by themselves.
        // With foresight they would run away: what they change is not what was off.
        if foresight == nil, profiles.profile(of: model) != nil { paces.learn(z, model: model) }
    }
}
