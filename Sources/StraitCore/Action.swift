// SPDX-License-Identifier: Apache-2.0

/// What the scheduler asks its driver to do. The driver carries actions out in order.
public enum Action: Sendable, Hashable {
    /// Put a batch on a lane; it starts by itself as soon as its inputs are there.
    case stage(StagedBatch)
    /// Stop a batch whose kernels run; it keeps its lane. Only on devices that can pause.
    case pause(BatchID)
    /// Let a paused batch go on.
    case resume(BatchID)
    /// Abort a batch that is on a lane; what it has done is lost. Send `Event.killed` when its lane is free, unless its
    /// kernels are done before that. Only on devices that can kill.
    case kill(BatchID)
    /// Tell a client how its request ended. Comes exactly once for each arrival.
    case answer(RequestID, Outcome)
    /// Send `Event.timer` at this instant; replaces the instant asked for before.
    case setTimer(Instant)
}

/// A batch to run, with what was expected of it.
public struct StagedBatch: Sendable, Hashable {
    /// The scheduler's number for it, which the driver returns in `finished` or `failed`.
    public var batch: BatchID
    /// Where it runs.
    public var device: DeviceID
    /// Which of the device's lanes it takes.
    public var lane: LaneID
    /// The model that runs.
    public var model: ModelID
    /// Rows in all.
    public var rows: Int
    /// Its requests in the order of their rows: a range of ``ActionList/members``.
    public var members: Range<Int>
    /// When it is expected to be done.
    public var predictedFinish: Instant
}

/// How a request ended.
public enum Outcome: Sendable, Hashable {
    /// Its results are there in time.
    case met
    /// Its results are there, past the deadline. They are delivered all the same.
    case late
    /// It was not run.
    case shed(ShedReason, predictedFinish: Instant)
    /// It ran and failed.
    case failed
    /// Its client had gone.
    case cancelled
}

/// Why a request was not run.
public enum ShedReason: Sendable, Hashable {
    /// On arrival: it could not have been answered in time even if all went well.
    case hopelessOnArrival
    /// While it waited, the last instant passed at which it could still have been started.
    case hopelessInQueue
    /// The server's queue was full for its class.
    case queueFull
    /// Its model's own queue was full.
    case modelQueueFull
    /// Its model was unloaded while it waited.
    case modelUnloaded
}

/// The actions of one step, in order, with the storage that they refer to. Reused from step to step.
public struct ActionList: Sendable {
    /// The actions, in the order to carry them out.
    public private(set) var actions: [Action] = []
    /// The requests of all staged batches, one after the other.
    public private(set) var members: [RequestID] = []

    /// An empty list.
    public init() {}

    /// Empties the list and keeps its memory.
    public mutating func removeAll() {
        actions.removeAll(keepingCapacity: true)
        members.removeAll(keepingCapacity: true)
    }

    mutating func append(_ action: Action) { actions.append(action) }

    mutating func appendMember(_ request: RequestID) { members.append(request) }
}
