// SPDX-License-Identifier: Apache-2.0

/// How many requests of a class came and how they ended.
public struct ClassCounters: Sendable, Hashable {
    /// Requests that arrived.
    public var arrived = 0
    /// Answered in time.
    public var met = 0
    /// Answered past the deadline.
    public var late = 0
    /// Refused or dropped.
    public var shed = 0
    /// Left by their clients.
    public var cancelled = 0
    /// Ran and failed.
    public var failed = 0

    /// Requests that have ended, one way or another.
    public var ended: Int { met + late + shed + cancelled + failed }
}

/// Everything that the scheduler knows and a policy may look at.
package struct SchedulerState: Sendable {
    /// The limits it was made with.
    package let limits: SchedulerLimits
    /// The models, by ``ModelID``.
    package internal(set) var models: [ModelRecord] = []
    /// The devices and their lanes.
    package internal(set) var devices = DeviceTable()
    /// The requests that wait, in their queues.
    package internal(set) var queues = QueueTable()
    /// The requests that wait or run.
    package internal(set) var requests = RequestTable()
    /// The batches on lanes.
    package internal(set) var batches = BatchTable()
    /// The parts that it is made of.
    package let options: SchedulerOptions
    /// How long batches take in all, as learned from completions.
    package internal(set) var estimator = SoloEstimator()
    /// What was measured of the models beforehand.
    package internal(set) var profiles = ProfileTable()
    /// Where those measurements are found to be wrong.
    package internal(set) var corrections = ProfileCorrections()
    /// How batches slow each other.
    package internal(set) var interference: any InterferenceModel
    /// How much longer kernels take on each device than on their average.
    package internal(set) var speeds = DeviceSpeeds()
    /// How long copies take, for each device that copies.
    package internal(set) var transfers: [(copyIn: TransferModel, copyOut: TransferModel)?] = []
    /// How far reality strays from predictions, by class.
    package internal(set) var calibrations = [Calibration](
        repeating: Calibration(), count: RequestClass.allCases.count)
    /// What predictions miss of each model.
    package internal(set) var paces = ModelPaces()
    /// How often the bounds held, by class and model; as long as the last model that has completed something.
    package internal(set) var coverage = [[Coverage]](repeating: [], count: RequestClass.allCases.count)
    /// Whether the bounds hold.
    package internal(set) var watchdog = Watchdog()
    /// What has been seen of the traffic.
    package internal(set) var traffic = TrafficStatistics()
    /// Totals by class.
    package internal(set) var counters = [ClassCounters](
        repeating: ClassCounters(), count: RequestClass.allCases.count)
    /// A request to run on the next free lane before all others.
    package internal(set) var pendingProbe: RequestID?
    /// Numbers of models that were removed and of which nothing is left, the lowest last.
    package internal(set) var freeModels: [Int] = []
    /// Models that have shed since they last completed something.
    package internal(set) var modelsShedding = 0
    /// Whether the policy kills low batches for high requests, which then wait for no low one.
    package internal(set) var highTakesLanes = false
    /// What tells the ends of batches in place of predictions; nil everywhere but under `oracle`.
    package internal(set) var foresight: (any Foresight)?
    /// Room for the batches that run together on a device, used again from event to event.
    var runningSet = RunningSet()
    /// Requests that have arrived in all; gives each its place among equals.
    package internal(set) var arrivals: UInt64 = 0

    init(limits: SchedulerLimits, options: SchedulerOptions) {
        self.limits = limits
        self.options = options
        self.interference = options.estimator.model()
    }

    /// When a batch on a lane is expected to be done, given that it is not done yet: an overdue one is taken to need
    /// a twentieth of its expected time more, and one that hangs is not expected to be done at all.
    package func expectedFinish(of batch: BatchID, at now: Instant) -> Instant {
        guard batches.isLive(batch) else { return now }
        guard !batches[live: batch].isHung else { return .never }
        let predicted = batches[live: batch].predictedFinish
        if batches[live: batch].phase == .paused {
            // As if it went on now.
            return max(now, now + (predicted - batches[live: batch].pausedAt))
        }
        let remainder = (predicted - batches[live: batch].stagedAt) * Self.overrunShare
        return max(predicted, now + remainder)
    }

    /// The least share of its expected time that a running batch is taken to need still (design §5).
    private static let overrunShare = 0.05

    /// When the first lane is expected to be free for a class; never where all devices hang or are removed, or there is none.
    ///
    /// - Complexity: O(1) with a lane free, else O(lanes).
    package func earliestFreeLane(for requestClass: RequestClass = .low, at now: Instant) -> Instant {
        guard devices.eligibleCount == 0 else { return now }
        var earliest = Instant.never
        for device in devices.all where device.isServing {
            if device.freeLanes > 0 { return now }  // only the copy stage is taken, which is short
            let takesLanes = highTakesLanes && requestClass == .high && device.description.canKill
            for case let batch? in device.lanes {
                if takesLanes, batches[live: batch].requestClass == .low { return now }
                earliest = min(earliest, expectedFinish(of: batch, at: now))
            }
        }
        return earliest
    }

    /// The estimated device time of `rows` rows of one kind in batches of the size that is efficient for it.
    package func timeInBatches(_ work: WorkShape, rows: Int) -> Duration {
        guard rows > 0 else { return .zero }
        let size = estimator.efficientRows(work, limit: models[work.model.index].description.maximumBatch)
        let full = estimator.expectedTime(work, rows: size) * Double(rows / size)
        return rows % size == 0 ? full : full + estimator.expectedTime(work, rows: rows % size)
    }
}

/// How much a scheduler takes on.
public struct SchedulerLimits: Sendable, Hashable {
    /// Requests that may wait in all.
    public var maximumWaiting: Int
    /// The share of that open to the low class: overload fills the queue with low requests first, and a high one must
    /// still find room.
    public var lowShare: Double

    /// Limits; by default 10,000 requests (beyond which waiting costs more memory than it can earn) and four fifths.
    public init(maximumWaiting: Int = 10_000, lowShare: Double = 0.8) {
        self.maximumWaiting = maximumWaiting
        self.lowShare = lowShare
    }

    /// How many requests may wait when one of `requestClass` is to join them.
    func room(for requestClass: RequestClass) -> Int {
        requestClass == .high ? maximumWaiting : Int(Double(maximumWaiting) * lowShare)
    }
}
