// SPDX-License-Identifier: Apache-2.0

// StraitEvaluation: the experiment matrix, the store of its runs, statistics, the targets and the report. It runs
// simulations and reads what came of them; nothing here decides anything about requests.

/// What a group of runs varies; everything else stays as in the scenario centre at load 1.0.
package enum Axis: String, Sendable, Hashable, CaseIterable {
    /// Load and the way requests come, for all policies: the table that most targets are about.
    case core
    /// The share of high requests.
    case highShare = "high-share"
    /// Deadlines.
    case deadlines
    /// The models and their shares.
    case mix
    /// Copies.
    case transfers
    /// What changes on the way.
    case change
    /// How many devices there are, behind one uplink.
    case devices
    /// Another class of device, or one whose streams have priorities.
    case hardware
    /// Load and the way requests come again, on devices on which batches slow each other down by another law.
    case physics
    /// Strait with single parts of it taken away or set otherwise.
    case ablations
    /// Strait's two weights that trade one class against the other, beside the rivals.
    case pareto
}

/// What a run was about, but for the policy and the seed. Runs of one cell met the same arrivals for the same seed.
package struct Cell: Sendable, Hashable {
    /// The scenario's name.
    package var scenario: String
    /// The load.
    package var load: Double
    /// How requests came: `poisson`, `gamma`, `bursts`, `azure`, or what else results call it.
    package var arrivals: String
    /// The physics: `waterfill` or `threshold`.
    package var physics: String
    /// What changed on the way; `none` for nothing.
    package var change: String
    /// Devices.
    package var devices: Int
    /// The share of requests that are high.
    package var highShare: Double
    /// How long requests came, in seconds, the warm-up included.
    package var seconds: Double

    /// A cell of the scenario centre.
    package init(
        scenario: String = "centre", load: Double = 1, arrivals: String = "poisson", physics: String = "waterfill",
        change: String = "none", devices: Int = 1, highShare: Double = 0.3, seconds: Double = 60
    ) {
        self.scenario = scenario
        self.load = load
        self.arrivals = arrivals
        self.physics = physics
        self.change = change
        self.devices = devices
        self.highShare = highShare
        self.seconds = seconds
    }

    /// What people call it: only what differs from centre, beside load and arrivals.
    package var label: String {
        var parts = scenario == "centre" ? [] : [scenario]
        parts += [arrivals, "load \(load)"]
        if physics != "waterfill" { parts.append(physics) }
        return parts.joined(separator: ", ")
    }
}
