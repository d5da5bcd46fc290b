// SPDX-License-Identifier: Apache-2.0

/// What a scheduler is made of: the policy, what it predicts with, and switches that take single parts of it away, so
/// that what each is worth can be measured. Every ablation is a flag here, never a fork.
public struct SchedulerOptions: Sendable, Hashable {
    /// What the interference between batches is predicted with.
    public var estimator = EstimatorName.kalman
    /// The switches and constants of the policy `strait`.
    public var strait = StraitOptions()
    /// The coefficients of `gpulet-priority`'s pairwise regression, fitted offline.
    public var pairwise = PairwiseInterference()
    /// The settings of the policy `triton`.
    public var triton = TritonOptions()
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
    public var gateRule = GateRule.demand
    /// What a candidate costs the batches beside it counts.
    public var usesHarm = true
    /// What a candidate costs high requests that wait or are expected counts.
    public var usesReservation = true
    /// Dispatching now is weighed against dispatching later; without it what is likely to be met is dispatched.
    public var usesDeferral = true
    /// Batches of all sizes are tried; without it only the largest.
    public var searchesBatchSizes = true
    /// Low batches are made smaller until the gate lets them in. Off: each row of a small
    /// batch takes two to four times as long.
    public var shrinksLowToFit = false
    /// Low requests fill up batches of high ones.
    public var mixesClasses = true
    /// Low models that fare worse than the others are preferred.
    public var usesEquity = true
    /// At most 16 models, 4 candidates with reservation, 8 reserving models, 2 devices are looked at in full.
    public var prunes = true

    // -- constants ------------------------------------------------------------------------------------------------

    /// The summed compute demand up to which a batch may join running ones: slightly beyond full, because demands are
    /// averages over phases and rarely peak together.
    public var gateBudget = 1.25
    /// What a batch with high requests may exceed it by: its deadline is worth some slow-down of the others.
    public var gateHighBonus = 0.25
    /// The budget from four devices on: with many devices a full one can wait for another.
    public var gateBudgetManyDevices = 1.6
    /// By how much the summed predicted speed of all batches on a device must rise when a low batch joins, with the rule
    /// `speed`: below that, running it later costs the device less than running it now.
    public var gateSpeedGain = 0.3
    /// The same for a batch with high requests.
    public var gateSpeedGainHigh = 0.05
    /// The share of its slack after which a low head that only the gate holds back closes the gate to other low ones.
    /// A quarter, as in the design, cost 2 to 4 points of low misses in simulation: closing idles lanes.
    public var gatePatienceLow = 0.75
    /// The same for a high head.
    public var gatePatienceHigh = 0.5
    /// The weight of a high request against a low one's 1, while no high request is missed.
    public var highWeight = 30.0
    /// How much that weight grows with the share of high misses, so that scarcity defends itself.
    public var highWeightGrowth = 60.0
    /// The weight's bound: beyond it low requests would not exist.
    public var highWeightLimit = 80.0
    /// How much of a high request's chance at the next opportunity counts against dispatching it now. At 0.7 low batches
    /// on the verge of lateness outbid high ones too often in bursts.
    public var highPatience = 0.5
    /// The same for a low request, which may wait longer for a better batch.
    public var lowPatience = 0.97
    /// How many gaps between dispatches the next opportunity of a high request is away.
    public var highHorizonGaps = 2.0
    /// The same for a low request: it is overtaken by high ones.
    public var lowHorizonGaps = 8.0
    /// Heads less likely to be met than this are passed over while others wait behind them.
    public var hopelessHead = 0.35
    /// The weight of a low model's excess of misses in its rank.
    public var equityWeight = 30.0
    /// The extra gate budget per excess of misses, with the rule `demand`.
    public var equityBudget = 2.0
    /// How much less the summed speed must rise per excess of misses, with the rule `speed`.
    public var equitySpeed = 0.5
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
    public var maximumDelay = Duration.milliseconds(2)

    /// The default settings.
    public init() {}
}
