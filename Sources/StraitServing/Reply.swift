// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitProtocol
package import StraitTensor

/// How a request ended, for the transport that brought it. Each request gets exactly one.
package enum Reply: Sendable {
    /// It ran.
    case answered(Answer)
    /// It did not run, or failed.
    case refused(Refusal)
}

extension Reply {
    /// For the log.
    package var words: String {
        switch self {
        case .answered(let answer): answer.isLate ? "answered late" : "answered"
        case .refused(let refusal): "\(refusal.error)"
        }
    }
}

/// The results of a request.
package struct Answer: Sendable {
    /// All outputs of the model, in its order.
    package let outputs: [Tensor]
    /// Whether the deadline had passed.
    package let isLate: Bool
    /// Whether the results are made up, by a device that only plays the time.
    package let isSynthetic: Bool
    /// Where its time went.
    package let timing: Timing
    /// The server's number for the request, by which it tells what became of it.
    package let number: UInt64
}

/// Where the time of a request went.
package struct Timing: Sendable, Hashable {
    /// From its arrival to its dispatch to a lane.
    package let queue: Duration
    /// Gathering its batch and copying it to the device, and the results back.
    package let copy: Duration
    /// The model itself.
    package let compute: Duration
    /// From its arrival to the finish that was predicted when it was dispatched.
    package let predicted: Duration
    /// The part of ``copy`` that the results took.
    package let copyOut: Duration
    /// Where it ran.
    package let place: Place

    /// Where the batch of a request ran.
    package struct Place: Sendable, Hashable {
        /// The device.
        package let device: DeviceID
        /// The lane of it.
        package let lane: LaneID
        /// The rows of the batch.
        package let batchRows: Int
    }
}

/// Why a request has no results.
package struct Refusal: Error, Sendable, Equatable {
    /// What to tell the client.
    package let error: ProtocolError
    /// When it makes sense to try again, if it does.
    package let retryAfter: Duration?
    /// The server's number for the request, by which it tells more; 0 for one that got none.
    package let number: UInt64

    package init(_ error: ProtocolError, retryAfter: Duration? = nil, number: UInt64 = 0) {
        self.error = error
        self.retryAfter = retryAfter
        self.number = number
    }

    /// The same with the request's number, which the message names too: not every client shows headers.
    func naming(_ number: UInt64) -> Refusal {
        let named = ProtocolError(error.code, "\(error.message) (request \(number))")
        return Refusal(named, retryAfter: retryAfter, number: number)
    }
}

extension Refusal {
    /// The refusal of a request that the scheduler gave up.
    init(_ reason: ShedReason, arrived: Instant, deadline: Instant, predictedFinish: Instant, now: Instant) {
        let due = Self.milliseconds(deadline - arrived)
        // Never is predicted where every device hangs: when to come back is then anyone's guess.
        let isKnown = predictedFinish < .never
        let prediction =
            isKnown
            ? "predicted to finish \(Self.milliseconds(predictedFinish - arrived)) ms after arrival"
            : "not predicted to finish at all"
        let wait = isKnown ? max(.zero, predictedFinish - max(now, deadline)) : nil
        switch reason {
        case .hopelessOnArrival:
            self.init(
                ProtocolError(
                    .deadlineExceeded,
                    "refused on arrival: \(prediction), but due after \(due) ms; "
                        + "give it more time or try again later"), retryAfter: wait)
        case .hopelessInQueue:
            self.init(
                ProtocolError(
                    .deadlineExceeded,
                    "dropped after waiting \(Self.milliseconds(now - arrived)) ms: \(prediction), but due "
                        + "after \(due) ms"), retryAfter: wait)
        case .queueFull:
            self.init(
                ProtocolError(.resourceExhausted, "the server's queue is full for this request's class"),
                retryAfter: Self.fullQueueRetry)
        case .modelQueueFull:
            self.init(
                ProtocolError(.resourceExhausted, "the model's queue is full (max_queue_size in its config.pbtxt)"),
                retryAfter: Self.fullQueueRetry)
        case .modelUnloaded:
            self.init(ProtocolError(.unavailable, "the model was unloaded while the request waited"))
        }
    }

    /// A full queue drains in seconds; sooner is too soon for hundreds of clients that come back at once.
    static let fullQueueRetry = Duration.seconds(1)

    private static func milliseconds(_ duration: Duration) -> String {
        let microseconds = max(0, duration.nanoseconds) / 1000
        let fraction = String(microseconds % 1000 + 1000).dropFirst()
        return "\(microseconds / 1000).\(fraction)"
    }
}
