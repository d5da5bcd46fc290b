// SPDX-License-Identifier: Apache-2.0

/// The last decisions of the policy `strait`, with all that was weighed: why this batch and not that one. A ring; when
/// explanations are off there is none, and nothing is spent on it.
package struct DecisionLog: Sendable {
    /// One decision.
    package struct Record: Sendable {
        /// When it was made.
        package let at: Instant
        /// What could have been staged, with the terms of its value.
        package let options: [Option]
        /// Which of them was; nil for waiting.
        package let chosen: Int?
    }

    /// One batch that could have been staged.
    package struct Option: Sendable {
        /// The model, and the class that the batch counted as.
        package let model: ModelID
        package let requestClass: RequestClass
        /// The requests at the head of what it would have taken.
        package let requests: [RequestID]
        /// Its device, size, predicted finish and value by term.
        package let candidate: Candidate
        /// The predicted finish, and its bound that should hold in 95 of 100 cases.
        package let predictedFinish: Instant
        package let bound95: Instant
    }

    private var ring: [Record] = []
    private var next = 0
    private let capacity: Int

    /// Requests named for one option.
    private static let requestsNamed = 32

    init(capacity: Int) { self.capacity = capacity }

    /// The decisions, the oldest first.
    package var records: [Record] { Array(ring[next...] + ring[..<next]) }

    /// The decisions that weighed a request, the oldest first.
    package func records(of request: RequestID) -> [Record] {
        records.filter { $0.options.contains { $0.requests.contains(request) } }
    }

    mutating func record(_ candidates: [Candidate], chosen: Int?, _ state: SchedulerState, at now: Instant) {
        let options = candidates.map { candidate in
            let queue = state.queues[candidate.queue]
            let named = candidate.skipped..<(candidate.skipped + min(candidate.count, Self.requestsNamed))
            let q95 = state.calibrations[candidate.requestClass.rawValue].q95
            return Option(
                model: queue.work.model, requestClass: candidate.requestClass,
                requests: named.map { queue[$0].request }, candidate: candidate,
                predictedFinish: now + Duration(clamping: candidate.finish),
                bound95: now + Duration(clamping: candidate.finish * q95))
        }
        let record = Record(at: now, options: options, chosen: chosen)
        if ring.count < capacity {
            ring.append(record)
        } else {
            ring[next] = record
            next = (next + 1) % capacity
        }
    }
}
