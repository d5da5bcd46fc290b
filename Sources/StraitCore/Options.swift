// SPDX-License-Identifier: Apache-2.0

/// What a scheduler is made of: the policy, what it predicts with, and switches that take single parts of it away, so
/// that what each is worth can be measured. Every ablation is a flag here, never a fork.
public struct SchedulerOptions: Sendable, Hashable {
    /// What the interference between batches is predicted with.
    public var estimator = EstimatorName.kalman
    /// The switches and constants of the policy `strait`.
    public var strait = StraitOptions()
    /// The coefficients of the pairwise regression of the policies `gpulet…`, as fitted offline. Without any the simulator
    /// fits them to the scenario's models and device, and all else takes coefficients of middling size.
    public var pairwise: PairwiseInterference?
    /// The settings of the policy `reserved`.
    public var reserved = ReservedOptions()
    /// The settings of the policy `triton`.
    public var triton = TritonOptions()
    /// The settings of the policy `orion`.
    public var orion = OrionOptions()
    /// The settings of the policy `nexus`.
    public var nexus = NexusOptions()
    /// The settings of the policy `symphony`.
    public var symphony = SymphonyOptions()
    /// The settings of the policies `clockwork` and `clockwork-priority`.
    public var clockwork = ClockworkOptions()
    /// The settings of the policy `exclusive`.
    public var exclusive = ExclusiveOptions()
    /// How many of the last decisions can be explained; 0 records nothing and costs nothing.
    public var explanations = 0

    /// The default options.
    public init() {}
}

/// The constants of the policy `strait`, each with its unit and its reason, and its ablations (design §6).
public struct StraitOptions: Sendable, Hashable {
    // -- ablations ------------------------------------------------------------------------------------------------

    /// Copies take time; without it they are taken to be free.
    public var modelsTransfers = true
    /// Models have biases of their own; without it θ alone explains a time.
    public var usesBias = true
    /// Probabilities come from calibrated quantiles; without it a prediction is taken at its word.
    public var usesCalibration = true
    /// A fixed factor on predictions instead of calibrated quantiles; nil for the quantiles.
    public var fixedMargin: Double?
    /// Batches join only while their demands fit.
    public var usesGate = true
    /// What decides whether a batch fits beside others.
    public var gateRule = GateRule.speed
    /// What a candidate costs the batches beside it counts.
    public var usesHarm = true
    /// Nothing is staged that would cost high requests that wait or are expected their lane.
    public var usesReservation = true
    /// Low requests do not make a batch hold its lane for long.
    public var limitsHold = true
    /// Slack counts beside regret; without it regret alone ranks candidates.
    public var usesUrgency = true
    /// A batch that may not join, or would be late or make others late, is made smaller; without it, it waits.
    public var searchesBatchSizes = true
    /// Low requests fill up batches of high ones.
    public var mixesClasses = true
    /// Low models that fare worse than the others are preferred.
    public var usesEquity = true
    /// At most 16 models and 4 devices are looked at in full.
    public var prunes = true
    /// One batch runs at a time while bounds do not hold.
    public var usesWatchdog = true

    // -- constants ------------------------------------------------------------------------------------------------

    /// By how much the summed predicted speed of all batches on a device must rise when one joins, with the rule `speed`:
    /// 0 would let in what only slows down the others, 1 would let nothing in. Between 0.2 and 0.4 nothing changes much.
    public var gateSpeedGain = 0.25
    /// The summed compute demand up to which a batch may join running ones, with the rule `demand`, and up to which
    /// high requests are planned beside running ones: slightly beyond full, because demands are averages over phases.
    public var gateBudget = 1.25
    /// What a batch with high requests may exceed it by, with the rule `demand`.
    public var gateHighBonus = 0.25
    /// The budget from four devices on, with the rule `demand`: with many devices a full one can wait for another.
    public var gateBudgetManyDevices = 1.6
    /// The share of its slack after which a head that only the demand gate holds back closes it to others.
    public var gatePatienceLow = 0.25
    /// The same for a high head.
    public var gatePatienceHigh = 0.125
    /// What a high request is worth in low ones: for harm, and for the high requests to be expected that a candidate
    /// would cost. Between 30 and 1000 nothing changes much.
    public var highWeight = 100.0
    /// The share of its usual time by which a high request's slack is reckoned shorter.
    public var highAdvance = 0.5
    /// What predicted times of high requests that wait are at least taken times in plans, which do not know what else will
    /// come. Larger costs low requests: at 2.8 a fifth more of them are missed than at 2.2, for half the high misses.
    public var guardMargin = 2.2
    /// How many gaps between dispatches the next opportunity is away: as many as models usually compete.
    public var horizonGaps = 4.0
    /// Low heads less likely to be met than this are passed over while others wait behind them.
    public var hopelessHead = 0.35
    /// How long low requests may make a batch hold its lane, as a share of the least time that high requests have.
    /// Beyond a half, a long batch on one lane leaves the next high requests only the others; much below, batches of
    /// slow models become too small to be worth their while.
    public var holdShare = 0.4
    /// By how many opportunities a low model's batch goes before its turn, per excess of misses over the class's mean.
    /// A weight on what its requests lose instead moves nothing while they still have slack: it takes four times the
    /// excess, and more low requests, to do the same.
    public var equityHurry = 60.0
    /// How much longer its batches may hold a lane, per excess of misses.
    public var equityHold = 8.0
    /// The share of device time that every backlogged low model gets over any five seconds; 0 for none.
    public var lowFloor = 0.02

    /// The default policy.
    public init() {}
}

/// What decides whether a batch may join running ones.
public enum GateRule: String, Sendable, Hashable, CaseIterable {
    /// The sum of profiled compute demands stays within a budget.
    case demand
    /// The sum of the speeds that the interference model predicts rises by enough. Follows what the device is learned to
    /// be like, where a budget fits one device and not the next.
    case speed
}

/// How much a batch slows down beside another, by gpulet's linear form over pairs (ATC'22): 1 + a constant + weights on
/// both batches' cache and bandwidth demands.
public struct PairwiseInterference: Sendable, Hashable {
    /// Weight of the batch's own cache demand.
    public var ownCache = 0.0
    /// Weight of the other's cache demand.
    public var otherCache = 0.3
    /// Weight of the batch's own bandwidth demand.
    public var ownBandwidth = 0.1
    /// Weight of the other's bandwidth demand.
    public var otherBandwidth = 0.3
    /// The constant.
    public var constant = 0.05

    /// Coefficients of middling size, for a device on which none were fitted.
    public init() {}
}

/// The settings of the policy `triton`, as one would make them in `config.pbtxt`.
public struct TritonOptions: Sendable, Hashable {
    /// The share of its largest batch that a model waits for.
    public var preferredShare = 0.25
    /// How long a request waits for a batch to fill.
    public var maximumDelay = Duration.milliseconds(0.5)

    /// The default settings.
    public init() {}
}
