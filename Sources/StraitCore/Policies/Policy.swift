// SPDX-License-Identifier: Apache-2.0

/// What decides which waiting requests run next. A value, asked whenever a device can take a batch and something waits.
///
/// All policies work on the same queues, estimates and actions, so that comparing them compares decisions only.
package protocol Policy: Sendable {
    /// What queues are ordered by.
    var order: QueueOrder { get }
    /// Which waiting requests are given up.
    var shedding: Shedding { get }
    /// What the table of solo times learns from.
    var soloLearning: SoloLearning { get }

    /// How it takes devices from low batches. Most policies do not.
    var preemption: Preemption { get }

    /// The next thing to do. At least one device is eligible and at least one request waits;
    /// a policy that preempts is also asked when neither is so, as long as anything waits or is on a device.
    mutating func decide(_ state: SchedulerState, at now: Instant) -> Decision

    /// Takes note of a batch that is done. Most policies need not.
    mutating func noteFinished(_ batch: BatchRecord, _ times: MeasuredTimes, _ state: SchedulerState)

    /// Forgets a model: another may get its number. For policies that remember models.
    mutating func forget(_ model: ModelID)

    /// Tells what it weighed for its last decision, in the state in which it decided. Most policies do not weigh.
    func tellWeighed(to log: inout DecisionLog?, _ state: SchedulerState, at now: Instant)
}

extension Policy {
    package var preemption: Preemption { .none }

    package mutating func noteFinished(_ batch: BatchRecord, _ times: MeasuredTimes, _ state: SchedulerState) {}

    package mutating func forget(_ model: ModelID) {}

    package func tellWeighed(to log: inout DecisionLog?, _ state: SchedulerState, at now: Instant) {}
}

/// How a policy takes devices from batches that are on them.
package enum Preemption: Sendable, Hashable {
    /// Not at all.
    case none
    /// It pauses them.
    case pause
    /// It kills them.
    case kill
}

/// What a policy wants queues to be ordered by; ties are broken by arrival.
package enum QueueOrder: Sendable, Hashable {
    /// First come, first served.
    case arrival
    /// The earliest deadline first.
    case deadline
}

/// Which requests are given up.
package enum Shedding: Sendable, Hashable {
    /// None.
    case none
    /// Those whose deadline has passed while they waited: what a server does that has no estimates.
    case expired
    /// Those that can no longer be answered in time, also on arrival.
    case hopeless
}

/// What the table of solo times learns from.
package enum SoloLearning: Sendable, Hashable {
    /// The times as they were, whatever ran beside.
    case raw
    /// The times divided by the slow-down that the interference model sees in them.
    case corrected
    /// Nothing, for models with a profile; raw times for others.
    case profiled
}

/// What a policy decided.
package enum Decision: Sendable, Hashable {
    /// Put requests on a lane as one batch.
    case dispatch(Dispatch)
    /// Give up the first request of a queue: it cannot be answered in time.
    case shedFirst(queue: Int)
    /// Stop a batch that runs; it keeps its lane.
    case pause(BatchID)
    /// Let a paused batch go on.
    case resume(BatchID)
    /// Abort a batch that is on a lane; its requests wait again.
    case kill(BatchID)
    /// Nothing more for now; ask again at an instant, or `never` if only an event can change that.
    case wait(until: Instant)
}

/// A batch to stage.
package struct Dispatch: Sendable, Hashable {
    /// The queue that leads.
    package var queue: Int
    /// How many of its first requests go.
    package var count: Int
    /// How many requests at its head are given up first, being passed over for those behind.
    package var skipped = 0
    /// A queue of the same model and shape that fills up the batch, and how many of its first requests go.
    package var filler: Int?
    package var fillerCount = 0
    /// How many requests at the filling queue's head are given up first.
    package var fillerSkipped = 0
    /// Where it runs.
    package var device: DeviceID
    package var lane: LaneID
    /// Whether a model is owed it, whatever it is worth.
    package var isOwed = false
}
