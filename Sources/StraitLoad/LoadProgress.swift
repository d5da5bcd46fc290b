// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Running counts, shared by the event loops so that a person can watch.
package final class LoadProgress: Sendable {
    /// The counts at one moment; warm-up included.
    package struct Snapshot: Sendable, Equatable {
        /// Seconds since the load started, negative just before.
        package let seconds: Double
        /// Requests scheduled.
        package let sent: Int
        /// Answered within the deadline.
        package let inTime: Int
        /// Answered after it.
        package let late: Int
        /// Refused.
        package let refused: Int
        /// Failed.
        package let failed: Int
    }

    private let sent = Atomic(0)
    private let inTime = Atomic(0)
    private let late = Atomic(0)
    private let refused = Atomic(0)
    private let failed = Atomic(0)

    func noteScheduled() { sent.add(1, ordering: .relaxed) }

    func noteEnd(_ outcome: Outcome) {
        switch outcome {
        case .inTime: inTime.add(1, ordering: .relaxed)
        case .late: late.add(1, ordering: .relaxed)
        case .refused: refused.add(1, ordering: .relaxed)
        case .failed: failed.add(1, ordering: .relaxed)
        }
    }

    func snapshot(seconds: Double) -> Snapshot {
        Snapshot(
            seconds: seconds, sent: sent.load(ordering: .relaxed), inTime: inTime.load(ordering: .relaxed),
            late: late.load(ordering: .relaxed), refused: refused.load(ordering: .relaxed),
            failed: failed.load(ordering: .relaxed))
    }
}
