// SPDX-License-Identifier: Apache-2.0

/// What decides which waiting requests run next. A value, asked whenever a lane is free and something waits.
///
/// All policies work on the same queues, estimates and actions, so that comparing them compares decisions only.
package protocol Policy: Sendable {
    /// The name users choose it by.
    static var name: String { get }
    /// What queues are ordered by.
    static var order: QueueOrder { get }
    /// Whether requests that cannot be answered in time are shed.
    static var shedsHopeless: Bool { get }

    /// The next thing to do. At least one lane is free and at least one request waits.
    mutating func decide(_ state: SchedulerState, at now: Instant) -> Decision
}

/// What a policy wants queues to be ordered by; ties are broken by arrival.
package enum QueueOrder: Sendable, Hashable {
    /// First come, first served.
    case arrival
    /// The earliest deadline first.
    case deadline
}

/// What a policy decided.
package enum Decision: Sendable, Hashable {
    /// Put the first `count` requests of a queue on a lane as one batch.
    case dispatch(queue: Int, count: Int, device: DeviceID, lane: LaneID)
    /// Give up the first request of a queue: it cannot be answered in time.
    case shedFirst(queue: Int)
    /// Nothing more for now.
    case wait
}

/// The policies, by name.
public enum PolicyName: String, Sendable, Hashable, CaseIterable {
    /// Arrival order, no batches, no deadlines.
    case fifo = "fifo"
    /// The earliest deadline first inside strict priority of the classes.
    case edfPriority = "edf-priority"

    var policy: any Policy {
        switch self {
        case .fifo: FIFOPolicy()
        case .edfPriority: EDFPriorityPolicy()
        }
    }
}
