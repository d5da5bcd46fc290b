// SPDX-License-Identifier: Apache-2.0

/// The settings of the policy `orion`.
public struct OrionOptions: Sendable, Hashable {
    /// The device time of low batches launched since none ran, beyond which the next one waits until they are done.
    public var outstandingLow = Duration.milliseconds(20)
    /// The compute demand up to which low batches join high ones: all there is, as for a high model that infers.
    public var lowDemand = 1.0
    /// The demand from which a batch counts as one of compute or of memory, the larger of the two: 60 % in the source.
    public var kindThreshold = 0.6

    /// The default settings.
    public init() {}
}

/// The settings of the policy `nexus`.
public struct NexusOptions: Sendable, Hashable {
    /// What the arrival rate is taken times in the target batch: while models share lanes, more waits when its turn comes.
    public var rateFactor = 4.0

    /// The default settings.
    public init() {}
}

/// The settings of the policy `symphony`.
public struct SymphonyOptions: Sendable, Hashable {
    /// How much earlier than needed a deferred batch leaves: room for what runs beside it and for a lane to free up.
    public var margin = Duration.milliseconds(12)
    /// A request with more time than this is not deferred: it would wait for nothing.
    public var farthestDeadline = Duration.seconds(10)

    /// The default settings.
    public init() {}
}

/// The settings of the policy `reserved`.
public struct ReservedOptions: Sendable, Hashable {
    /// With so many devices low requests leave the first one to high ones; with fewer they leave a lane of each. A whole
    /// one of few is too much.
    public var wholeDeviceFrom = 4

    /// The default settings.
    public init() {}
}

/// The settings of the policies `clockwork` and `clockwork-priority`.
public struct ClockworkOptions: Sendable, Hashable {
    /// What is taken off each deadline: 5 ms in the source, which has a network to cross and copies that it does not plan.
    public var margin = Duration.zero
    /// The execution beyond which a batch size is not used: 25 ms in the source, whose deadlines are of 100 ms.
    public var longestExecution = Duration.milliseconds(12)
    /// What a measurement counts as at most, in multiples of the mean.
    public var outlier = 1.5
    /// Whether a size passes over heads that it would answer late, as in the source; else it is not used while they wait.
    public var passesOver = true

    /// The default settings.
    public init() {}
}

/// The settings of the policy `exclusive`.
public struct ExclusiveOptions: Sendable, Hashable {
    /// What a high request that would be violated counts in low ones.
    public var highWeight = 20.0
    /// How much longer than a candidate runs the others are taken to wait: the device has others to run after it.
    public var lookahead = Duration.milliseconds(8)

    /// The default settings.
    public init() {}
}
