// SPDX-License-Identifier: Apache-2.0

/// What became of a request.
package enum Outcome: Sendable, Equatable {
    /// Answered within its deadline, or without one.
    case inTime
    /// Answered after its deadline.
    case late
    /// Turned away by a server that could not serve it in time, or had no room.
    case refused
    /// Anything else: another status, a broken connection, no answer by the end.
    case failed

    /// The outcome of an answer.
    ///
    /// - Parameters:
    ///   - status: The HTTP status.
    ///   - latency: Nanoseconds from the scheduled arrival to the answer's last byte.
    ///   - deadline: Nanoseconds allowed; nil for no limit.
    package init(status: Int, latency: Int64, deadline: Int64?) {
        switch status {
        case 200:
            if let deadline, latency > deadline { self = .late } else { self = .inTime }
        // Too many requests, unavailable, would miss its deadline: the ways to say "not now".
        case 429, 503, 504: self = .refused
        default: self = .failed
        }
    }
}

/// The counts and times of one class of one model's requests. Times are nanoseconds.
package struct Tally: Sendable {
    /// Requests whose scheduled instant lay in the measured part.
    package private(set) var sent = 0
    /// Those answered within their deadline.
    package private(set) var inTime = 0
    /// Those answered after it.
    package private(set) var late = 0
    /// Those refused.
    package private(set) var refused = 0
    /// Those that failed.
    package private(set) var failed = 0
    /// From the scheduled arrival to the end of the answer, for each that was answered.
    package private(set) var latencies: [Int64] = []
    /// From the actual send to the end of the answer, for each that was answered.
    package private(set) var serverLatencies: [Int64] = []
    /// From the scheduled arrival to the actual send, for each that was sent or given up unsent.
    package private(set) var lags: [Int64] = []

    /// An empty tally with room for `expected` requests, so that growing does not disturb the measurement.
    package init(expected: Int = 0) {
        latencies.reserveCapacity(expected)
        serverLatencies.reserveCapacity(expected)
        lags.reserveCapacity(expected)
    }

    /// A request was scheduled.
    package mutating func noteScheduled() { sent += 1 }

    /// A request left, or was given up, `lag` nanoseconds after its scheduled instant.
    package mutating func noteLag(_ lag: Int64) { lags.append(max(0, lag)) }

    /// A request ended. The times count only where it was answered.
    package mutating func noteEnd(_ outcome: Outcome, latency: Int64, serverLatency: Int64) {
        switch outcome {
        case .inTime: inTime += 1
        case .late: late += 1
        case .refused: refused += 1
        case .failed: failed += 1
        }
        if outcome == .inTime || outcome == .late {
            latencies.append(latency)
            serverLatencies.append(serverLatency)
        }
    }

    /// Whether every request that was sent has exactly one outcome.
    package var isBalanced: Bool { sent == inTime + late + refused + failed }

    /// Adds another tally's requests to this one's.
    package mutating func merge(_ other: Tally) {
        sent += other.sent
        inTime += other.inTime
        late += other.late
        refused += other.refused
        failed += other.failed
        latencies += other.latencies
        serverLatencies += other.serverLatencies
        lags += other.lags
    }
}

/// The smallest of the sorted values that at least `share` (above 0, up to 1) of them do not exceed; nil for none.
///
/// - Complexity: O(1).
package func percentile(_ share: Double, ofSorted values: [Int64]) -> Int64? {
    guard !values.isEmpty else { return nil }
    let rank = Int((share * Double(values.count)).rounded(.up))
    return values[min(max(rank, 1), values.count) - 1]
}
