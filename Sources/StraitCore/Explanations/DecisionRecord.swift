// SPDX-License-Identifier: Apache-2.0

/// One decision.
package struct DecisionRecord: Sendable {
    /// When it was made; of several waits, the last.
    package let at: Instant
    /// Requests that had arrived by then.
    package let arrivals: UInt64
    /// What was decided.
    package let what: What

    /// The kinds of decisions.
    package enum What: Sendable {
        /// A batch was staged.
        case staged(StagedDecision)
        /// The policy weighed candidates, and staged none of them.
        case waited(Weighing)
        /// A request was given up.
        case shed(ShedDecision)
    }
}

/// A batch that was staged, and why.
package struct StagedDecision: Sendable {
    /// Why a batch was staged.
    package enum Cause: UInt8, Sendable, Hashable {
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
    /// Its requests in the order of their rows, the first ``membersNamed`` of them.
    package let members: [Member]
    package let cause: Cause
    /// When it was expected to be done.
    package let prediction: BoundedFinish
    /// What it was chosen from, where the policy weighs candidates.
    package let weighing: Weighing?

    /// Requests of one batch that are named: more than any batch should have.
    package static let membersNamed = 4096
}

/// A predicted finish with the bounds that should hold in 95 and in 99 of 100 cases, by the calibration of that moment.
package struct BoundedFinish: Sendable, Hashable {
    package let expected: Instant
    package let bound95: Instant
    package let bound99: Instant

    /// A finish with its bounds.
    package init(expected: Instant, bound95: Instant, bound99: Instant) {
        self.expected = expected
        self.bound95 = bound95
        self.bound99 = bound99
    }

    /// Something that is expected to take `time` from `now`.
    package init(_ time: Duration, from now: Instant, _ calibration: Calibration) {
        expected = now + time
        bound95 = now + Calibration.bound(calibration.q95, on: time)
        bound99 = now + Calibration.bound(calibration.q99, on: time)
    }
}
