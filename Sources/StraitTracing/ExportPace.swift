// SPDX-License-Identifier: Apache-2.0

/// When traces that could not be sent are tried again, and when somebody is told. Times are nanoseconds.
package struct ExportPace: Sendable, Hashable {
    private static let second: Int64 = 1_000_000_000
    /// The wait after the first failure; each further one doubles it.
    private static let firstWait = second
    private static let longestWait = 30 * second
    /// A batch that could not be sent for so long is given up: newer ones are worth more.
    private static let patience = 60 * second
    /// Complaints are so far apart at least.
    private static let silence = 60 * second

    private var failures = 0
    private var firstFailure: Int64 = 0
    private var lastComplaint: Int64?

    package init() {}

    /// What to do after a failure.
    package enum Step: Sendable, Hashable {
        /// Try the same again after so many nanoseconds.
        case wait(Int64)
        /// Give the batch up.
        case giveUp
    }

    /// A batch could not be sent, but may be later.
    ///
    /// - Parameter asked: how long the receiver asks to be left alone, in seconds.
    package mutating func failed(at now: Int64, asked: Int?) -> Step {
        if failures == 0 { firstFailure = now }
        guard now - firstFailure < Self.patience else {
            failures = 0
            return .giveUp
        }
        let own = min(Self.longestWait, Self.firstWait << Int64(min(failures, 5)))
        failures += 1
        let longest = Int(Self.longestWait / Self.second)
        return .wait(max(own, Int64(min(max(0, asked ?? 0), longest)) * Self.second))
    }

    /// A batch is done with, sent or refused for good.
    package mutating func settled() { failures = 0 }

    /// Whether somebody is to be told of a failure now.
    package mutating func mayComplain(at now: Int64) -> Bool {
        if let lastComplaint, now - lastComplaint < Self.silence { return false }
        lastComplaint = now
        return true
    }
}
