// SPDX-License-Identifier: Apache-2.0

package import StraitCore
internal import StraitProtocol

/// How many requests a tenant may send, and what it has sent: a bucket that fills with the time, and a count of what is
/// open. A value, stepped with the time that it is given.
package struct TenantLimits: Sendable, Hashable {
    /// What a tenant may send.
    package struct Bounds: Sendable, Hashable {
        /// Requests a second in the long run; nil for any number.
        package var rate: Double?
        /// Requests that may come at once before that rate counts, at least 1.
        package var burst: Double
        /// Requests between their arrival and their answer, at least 1.
        package var concurrency: Int

        /// Bounds; `burst` counts only where there is a rate.
        package init(rate: Double?, burst: Double = 1, concurrency: Int) {
            self.rate = rate
            self.burst = max(1, burst)
            self.concurrency = max(1, concurrency)
        }
    }

    /// Requests between their arrival and their answer.
    package private(set) var open = 0
    /// Requests that may come now; nil before the first.
    private var left: Double?
    private var filled = Instant.zero

    /// Nothing sent so far.
    package init() {}

    /// Takes a request in, or says why not. One that is refused counts for nothing.
    ///
    /// - Parameter now: never earlier than the last time; earlier is taken for the same.
    package mutating func enter(at now: Instant, _ bounds: Bounds) -> Refusal? {
        guard open < bounds.concurrency else {
            return Refusal(
                ProtocolError(
                    .resourceExhausted,
                    "this tenant has \(open) requests in flight, as many as it may (concurrency in the tokens file)"),
                retryAfter: Self.concurrencyRetry)
        }
        if let rate = bounds.rate {
            let seconds = max(0, (now - filled).seconds)
            var room = min(bounds.burst, left.map { $0 + seconds * rate } ?? bounds.burst)
            filled = max(filled, now)
            guard room >= 1 else {
                left = room
                return Refusal(
                    ProtocolError(
                        .resourceExhausted,
                        "this tenant may send \(rate) requests a second (requests_per_second in the tokens file)"),
                    retryAfter: .seconds((1 - room) / rate))
            }
            room -= 1
            left = room
        }
        open += 1
        return nil
    }

    /// A request that was taken in has its answer.
    package mutating func leave() {
        precondition(open > 0, "what leaves was taken in")
        open -= 1
    }

    /// When a tenant may come again that has too much in flight: sooner its answers tell it.
    private static let concurrencyRetry = Duration.seconds(1)
}
