// SPDX-License-Identifier: Apache-2.0

// Explanations: why a request was staged, passed over or shed, in data. Kept only where it was asked for
// (`SchedulerOptions.explanations`).

/// The last decisions of a scheduler, with what was known when they were made. A ring; where explanations are off there is
/// none, and nothing is spent on it.
package struct DecisionLog: Sendable {
    private var ring: [DecisionRecord] = []
    private var next = 0
    private let capacity: Int
    /// Decisions that were ever added; a wait that takes another's place is none.
    package private(set) var added: UInt64 = 0

    init(capacity: Int) { self.capacity = capacity }

    /// The decision that was added after `count` others; nil for one that is forgotten or was not made yet.
    package func record(addedAfter count: UInt64) -> DecisionRecord? {
        guard count < added, added - count <= UInt64(ring.count) else { return nil }
        let back = Int(added - count)
        return ring[(next + ring.count - back) % ring.count]
    }

    /// The decisions, the oldest first.
    package var records: [DecisionRecord] { Array(ring[next...] + ring[..<next]) }

    /// When the oldest decision that is kept was made; nil while there is none.
    package var oldest: Instant? { ring.isEmpty ? nil : ring[next].at }

    /// All that is known about a request, the oldest first: in which batch it was staged or why it was shed, where it was
    /// weighed, and every batch that was staged while it waited.
    ///
    /// - Parameter arrival: its place in the order of arrivals, if it still waits; else the log knows by itself.
    /// - Complexity: O(records).
    package func records(of request: RequestID, waitingSince arrival: UInt64? = nil) -> [DecisionRecord] {
        var arrival = arrival
        var found: [DecisionRecord] = []
        // From the newest back: once its end is found, it is known when it came, and so what was staged in its stead.
        for back in 1...max(1, ring.count) where !ring.isEmpty {
            let record = ring[(next + ring.count - back) % ring.count]
            switch record.what {
            case .shed(let shed):
                guard shed.request == request else { continue }
                arrival = shed.arrival
            case .waited(let weighing): guard weighing.names(request) else { continue }
            case .staged(let staged):
                if let member = staged.members.first(where: { $0.request == request }) {
                    arrival = member.arrival
                } else {
                    guard let arrival, record.arrivals >= arrival else { continue }
                }
            }
            found.append(record)
        }
        return found.reversed()
    }

    /// Adds a record; a wait takes the place of the wait before it, since policies look again every half millisecond.
    mutating func append(_ record: DecisionRecord) {
        var record = record
        if case .waited(var weighing) = record.what, let last = lastPosition, case .waited(let before) = ring[last].what
        {
            weighing.times = before.times + 1
            record.what = .waited(weighing)
            ring[last] = record
            return
        }
        added += 1
        if ring.count < capacity {
            ring.append(record)
        } else {
            ring[next] = record
            next = (next + 1) % capacity
        }
    }

    private var lastPosition: Int? { ring.isEmpty ? nil : (next + ring.count - 1) % ring.count }
}

/// One decision.
package struct DecisionRecord: Sendable {
    /// When it was made; of several waits, the last.
    package let at: Instant
    /// Requests that had arrived by then.
    package let arrivals: UInt64
    /// What was decided.
    package fileprivate(set) var what: What

    /// The kinds of decisions.
    package enum What: Sendable {
        /// A batch was staged.
        case staged(StagedDecision)
        /// The policy weighed candidates, and staged none of them.
        case waited(Weighing)
        /// A request was given up.
        case shed(ShedDecision)
    }

    init(at: Instant, arrivals: UInt64, _ what: What) {
        self.at = at
        self.arrivals = arrivals
        self.what = what
    }
}

/// A batch that was staged, and why.
package struct StagedDecision: Sendable {
    /// Why a batch was staged.
    package enum Cause: Sendable, Hashable {
        /// The policy chose it.
        case policy
        /// Its low model was owed device time, whatever else there was.
        case floor
        /// To find out how long its model takes by now.
        case probe
    }

    /// A request in the batch, with its place in the order of arrivals.
    package struct Member: Sendable, Hashable {
        package let request: RequestID
        let arrival: UInt64
    }

    /// What was staged, where.
    package let batch: BatchID
    package let device: DeviceID
    package let lane: LaneID
    package let model: ModelID
    /// The class that it counts as.
    package let requestClass: RequestClass
    package let rows: Int
    /// Its requests in the order of their rows.
    package let members: [Member]
    package let cause: Cause
    /// When it was expected to be done.
    package let prediction: BoundedFinish
    /// What it was chosen from, where the policy weighs candidates.
    package let weighing: Weighing?
}

/// A predicted finish with the bounds that should hold in 95 and in 99 of 100 cases, by the calibration of that moment.
package struct BoundedFinish: Sendable, Hashable {
    package let expected: Instant
    package let bound95: Instant
    package let bound99: Instant

    /// Something that is expected to take `time` from `now`.
    init(_ time: Duration, from now: Instant, _ calibration: Calibration) {
        expected = now + time
        bound95 = now + time * calibration.q95
        bound99 = now + time * calibration.q99
    }
}
