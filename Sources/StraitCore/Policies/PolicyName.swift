// SPDX-License-Identifier: Apache-2.0

/// The policies, by name.
public enum PolicyName: String, Sendable, Hashable, CaseIterable {
    /// Weighs what dispatching now gains and costs against dispatching later, on calibrated predictions.
    case strait = "strait"
    /// The earliest deadline first over both classes, on solo times; no classes.
    case edf = "edf"
    /// The earliest deadline first inside strict priority of the classes, on solo times.
    case edfPriority = "edf-priority"
    /// The same with each model's time inflated by how its runs compared to it lately, × 1.1.
    case edfPriorityEWMA = "edf-priority-ewma"
    /// The same with Strait's demand gate.
    case edfPriorityEWMAGate = "edf-priority-ewma-gate"
    /// `edf-priority-ewma` that keeps a lane of each device, or of many devices one, for high requests.
    case reserved = "reserved"
    /// The earliest deadline first over both classes, on solo times and an offline pairwise regression; no classes.
    case gpulet = "gpulet"
    /// The same inside strict priority of the classes.
    case gpuletPriority = "gpulet-priority"
    /// The same with Strait's demand gate.
    case gpuletPriorityGate = "gpulet-priority-gate"
    /// `edf-priority` that pauses low batches while any high one is there, as XSched's level 1 does.
    case preemptLevel1 = "preempt-level1"
    /// `edf-priority` that kills low batches for high ones, as REEF does.
    case preemptReset = "preempt-reset"
    /// `strait` with true times in place of predictions: the bound of what better predictions can bring.
    case oracle = "oracle"
    /// Strict priority inside each model's queue, preferred batches, a maximum delay, timeouts; no estimates.
    case triton = "triton"
    /// High batches at once; low ones beside complementary high ones, within a bound of outstanding low time.
    case orion = "orion"
    /// Models in turn, early drop with a sliding window of a target batch; no classes.
    case nexus = "nexus"
    /// Batches deferred until one more request would make them late; no classes.
    case symphony = "symphony"
    /// One batch at a time on a device, the one that must start first, on the longest of the last ten times; no classes.
    case clockwork = "clockwork"
    /// The same with high batches before low ones.
    case clockworkPriority = "clockwork-priority"
    /// One batch at a time on a device, the one after which the fewest of all that wait would be late.
    case exclusive = "exclusive"
    /// Arrival order, no batches, no deadlines.
    case fifo = "fifo"

    /// Whether it needs what only the simulator has: devices that pause or kill, or foresight.
    public var isForSimulation: Bool {
        switch self {
        case .preemptLevel1, .preemptReset, .oracle: true
        default: false
        }
    }

    /// Whether it predicts with gpulet's pairwise regression, which is fitted offline.
    public var usesPairwise: Bool {
        switch self {
        case .gpulet, .gpuletPriority, .gpuletPriorityGate: true
        default: false
        }
    }

    /// Those that a server can run.
    public static let live = allCases.filter { !$0.isForSimulation }

    func policy(_ options: SchedulerOptions) -> any Policy {
        switch self {
        case .strait, .oracle: StraitPolicy(options)
        case .edf: EDFPolicy(latency: .solo, knowsClasses: false)
        case .edfPriority: EDFPolicy(latency: .solo)
        case .edfPriorityEWMA: EDFPolicy(latency: .inflated)
        case .edfPriorityEWMAGate: EDFPolicy(latency: .inflated, gate: DemandGate(options.strait))
        case .reserved: EDFPolicy(latency: .inflated, reserve: LaneReserve(options.reserved))
        case .gpulet: EDFPolicy(latency: .pairwise(options.pairwise ?? PairwiseInterference()), knowsClasses: false)
        case .gpuletPriority: EDFPolicy(latency: .pairwise(options.pairwise ?? PairwiseInterference()))
        case .gpuletPriorityGate:
            EDFPolicy(
                latency: .pairwise(options.pairwise ?? PairwiseInterference()), gate: DemandGate(options.strait))
        case .preemptLevel1: PreemptingPolicy(.pause)
        case .preemptReset: PreemptingPolicy(.kill)
        case .triton: TritonPolicy(options.triton)
        case .orion: OrionPolicy(options.orion)
        case .nexus: NexusPolicy(options.nexus)
        case .symphony: SymphonyPolicy(options.symphony)
        case .clockwork: ClockworkPolicy(options.clockwork, knowsClasses: false)
        case .clockworkPriority: ClockworkPolicy(options.clockwork, knowsClasses: true)
        case .exclusive: ExclusivePolicy(options.exclusive)
        case .fifo: FIFOPolicy()
        }
    }
}
