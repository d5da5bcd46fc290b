// SPDX-License-Identifier: Apache-2.0

package import StraitCore

/// What the command line says about the scheduler; it wins over the configuration line.
package struct CoreOverrides: Sendable, Hashable {
    /// The policy.
    package var policy: PolicyName?
    /// What interference is predicted with.
    package var estimator: EstimatorName?

    /// Overrides; nil leaves it to the configuration.
    package init(policy: PolicyName? = nil, estimator: EstimatorName? = nil) {
        self.policy = policy
        self.estimator = estimator
    }
}

extension SchedulerLimits {
    private static let keys = ["waiting", "low_share"]

    /// Reads limits; what is left out stays as the scheduler has it.
    init(json node: JSONNode, at path: String) throws(FormatError) {
        self.init()
        var fields = try JSONFields(node, at: path)
        maximumWaiting = try fields.optionalWhole("waiting", in: Bounds.waiting) ?? maximumWaiting
        lowShare = try fields.optionalNumber("low_share", in: Bounds.share) ?? lowShare
        try fields.finish(known: Self.keys)
    }
}

extension SchedulerOptions {
    private static let keys = ["estimator", "explanations", "strait", "triton"]

    /// Reads options; what is left out stays as the scheduler has it.
    init(json node: JSONNode, at path: String) throws(FormatError) {
        self.init()
        var fields = try JSONFields(node, at: path)
        estimator = try fields.optionalChoice("estimator", of: EstimatorName.self) ?? estimator
        explanations = try fields.optionalWhole("explanations", in: Bounds.explanations) ?? explanations
        if let node = fields.optional("strait") { try strait.read(node, at: fields.keyPath("strait")) }
        if let node = fields.optional("triton") { try triton.read(node, at: fields.keyPath("triton")) }
        try fields.finish(known: Self.keys)
    }
}

extension StraitOptions {
    /// The ablations by their names in JSON.
    private static let switches: [(String, any WritableKeyPath<StraitOptions, Bool> & Sendable)] = [
        ("models_transfers", \.modelsTransfers), ("uses_bias", \.usesBias), ("uses_calibration", \.usesCalibration),
        ("uses_gate", \.usesGate), ("uses_harm", \.usesHarm), ("uses_reservation", \.usesReservation),
        ("limits_hold", \.limitsHold), ("uses_urgency", \.usesUrgency),
        ("searches_batch_sizes", \.searchesBatchSizes), ("mixes_classes", \.mixesClasses),
        ("uses_equity", \.usesEquity), ("prunes", \.prunes), ("uses_watchdog", \.usesWatchdog),
    ]
    /// The constants by their names in JSON.
    private static let constants: [(String, any WritableKeyPath<StraitOptions, Double> & Sendable)] = [
        ("gate_speed_gain", \.gateSpeedGain), ("gate_budget", \.gateBudget), ("gate_high_bonus", \.gateHighBonus),
        ("gate_budget_many_devices", \.gateBudgetManyDevices), ("gate_patience_low", \.gatePatienceLow),
        ("gate_patience_high", \.gatePatienceHigh), ("high_weight", \.highWeight), ("high_advance", \.highAdvance),
        ("guard_margin", \.guardMargin), ("horizon_gaps", \.horizonGaps), ("hopeless_head", \.hopelessHead),
        ("hold_share", \.holdShare), ("equity_hurry", \.equityHurry), ("equity_hold", \.equityHold),
        ("low_floor", \.lowFloor),
    ]
    /// What a constant may be: none is of another order of magnitude than the defaults.
    private static let constantRange = 0.0...1000.0
    /// A prediction must stay a prediction of something.
    private static let marginRange = 0.01...1000.0

    fileprivate mutating func read(_ node: JSONNode, at path: String) throws(FormatError) {
        var fields = try JSONFields(node, at: path)
        for (key, property) in Self.switches {
            if let value = try fields.optionalBool(key) { self[keyPath: property] = value }
        }
        for (key, property) in Self.constants {
            if let value = try fields.optionalNumber(key, in: Self.constantRange) { self[keyPath: property] = value }
        }
        fixedMargin = try fields.optionalNumber("fixed_margin", in: Self.marginRange)
        gateRule = try fields.optionalChoice("gate_rule", of: GateRule.self) ?? gateRule
        try fields.finish(known: Self.switches.map(\.0) + Self.constants.map(\.0) + ["fixed_margin", "gate_rule"])
    }
}

extension TritonOptions {
    private static let keys = ["preferred_share", "maximum_delay_ms"]

    fileprivate mutating func read(_ node: JSONNode, at path: String) throws(FormatError) {
        var fields = try JSONFields(node, at: path)
        preferredShare = try fields.optionalNumber("preferred_share", in: Bounds.share) ?? preferredShare
        if let delay = try fields.optionalMilliseconds("maximum_delay_ms", in: Bounds.span) {
            maximumDelay = Duration(nanoseconds: delay)
        }
        try fields.finish(known: Self.keys)
    }
}
