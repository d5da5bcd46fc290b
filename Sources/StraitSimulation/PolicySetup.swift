// SPDX-License-Identifier: Apache-2.0

package import StraitCore

/// A policy with all that it is run with. The only place where the simulator makes a scheduler.
package struct PolicySetup: Sendable, Hashable {
    /// What results call it.
    package var name: String
    /// The policy.
    package var policy: PolicyName
    /// Batches that it may run at the same time on a device.
    package var lanes: Int
    /// What else can be set.
    package var options: SchedulerOptions
    /// How much may wait.
    package var limits: SchedulerLimits

    /// A policy with its own best number of lanes unless one is given.
    package init(
        _ policy: PolicyName, lanes: Int? = nil, options: SchedulerOptions = SchedulerOptions(),
        limits: SchedulerLimits = SchedulerLimits()
    ) {
        name = policy.rawValue
        self.policy = policy
        self.lanes = lanes ?? Self.bestLanes(policy)
        self.options = options
        self.limits = limits
    }

    /// The policy of a name.
    ///
    /// - Throws: `unknownPolicy` if there is none, `badPlan` for lanes below 1.
    package init(
        named name: String, lanes: Int? = nil, options: SchedulerOptions = SchedulerOptions()
    ) throws(SimulationError) {
        guard let policy = PolicyName(rawValue: name) else {
            let names = PolicyName.allCases.map(\.rawValue).joined(separator: ", ")
            throw SimulationError(.unknownPolicy, "There is no policy '\(name)'; there are \(names).")
        }
        guard (1...Self.mostLanes).contains(lanes ?? 1) else {
            throw SimulationError(.badPlan, "\(lanes ?? 0) lanes: expected 1 to \(Self.mostLanes).")
        }
        self.init(policy, lanes: lanes, options: options)
    }

    /// A scheduler for a scenario, without devices and models.
    func makeScheduler(for scenario: Scenario, seed: UInt64) -> Scheduler {
        Scheduler(policy: policy, limits: limits, options: options(for: scenario, seed: seed))
    }

    /// The options with what the policy has from an offline phase on the scenario's device.
    func options(for scenario: Scenario, seed: UInt64) -> SchedulerOptions {
        var options = options
        if policy.usesPairwise, options.pairwise == nil { options.pairwise = PairwiseFit(scenario, seed: seed).fitted }
        return options
    }

    /// As many as the server takes.
    package static let mostLanes = 256

    /// The lanes with which a policy did best on the tuning seeds of the centre scenario.
    private static func bestLanes(_ policy: PolicyName) -> Int {
        switch policy {
        // It decides itself how many run together.
        case .strait, .oracle: 4
        // Batches that are paused keep theirs.
        case .preemptLevel1: 4
        // More than two cost more than they gain.
        case .edf, .edfPriority, .edfPriorityEWMA, .edfPriorityEWMAGate, .reserved, .gpulet, .gpuletPriority,
            .gpuletPriorityGate, .preemptReset, .triton, .fifo, .orion, .nexus, .symphony:
            2
        // The second is for the inputs of the next batch.
        case .clockwork, .clockworkPriority, .exclusive: 2
        }
    }
}
