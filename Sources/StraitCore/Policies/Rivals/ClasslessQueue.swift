// SPDX-License-Identifier: Apache-2.0

/// What waits of one model and shape, both classes as one queue by deadline: for policies that know no classes.
struct ClasslessQueue {
    /// The queue that stands for both, and that of the other class if something waits there.
    let queue: Int
    let other: Int?
    /// How many requests from the heads of both were walked past.
    private(set) var passed = (own: 0, other: 0)

    /// Both queues; nil where the other one stands for them.
    init?(_ queue: Int, _ state: SchedulerState) {
        var key = state.queues[queue].key
        key.requestClass = key.requestClass == .high ? .low : .high
        let other = state.queues.find(key).flatMap { state.queues[$0].isEmpty ? nil : $0 }
        if other != nil, key.requestClass == .high { return nil }
        self.queue = queue
        self.other = other
    }

    /// One queue alone, for policies that make batches the same way but know classes.
    init(only queue: Int) {
        self.queue = queue
        other = nil
    }

    /// Rows that wait in both.
    func rows(_ state: SchedulerState) -> Int {
        state.queues[queue].rows + (other.map { state.queues[$0].rows } ?? 0)
    }

    /// The next request by deadline and the queue in which it stands; nil at the end.
    func next(_ state: SchedulerState) -> (entry: QueueEntry, queue: Int)? {
        let own = passed.own < state.queues[queue].count ? state.queues[queue][passed.own] : nil
        guard let other, passed.other < state.queues[other].count else { return own.map { ($0, queue) } }
        let entry = state.queues[other][passed.other]
        guard let own, own.precedes(entry) else { return (entry, other) }
        return (own, queue)
    }

    /// Walks past the next request.
    mutating func pass(_ queue: Int) { if queue == self.queue { passed.own += 1 } else { passed.other += 1 } }

    /// The walk past so many more requests, and their rows.
    func taking(_ count: Int, _ state: SchedulerState) -> (end: Self, rows: Int) {
        var (end, rows) = (self, 0)
        for _ in 0..<count {
            guard let next = end.next(state) else { break }
            rows += Int(next.entry.rows)
            end.pass(next.queue)
        }
        return (end, rows)
    }

    /// What lies between two walks as a batch.
    func dispatch(since start: Self, _ device: DeviceID, _ lane: LaneID) -> Dispatch {
        Dispatch(
            queue: queue, count: passed.own - start.passed.own, skipped: start.passed.own, filler: other,
            fillerCount: passed.other - start.passed.other, fillerSkipped: start.passed.other, device: device,
            lane: lane)
    }
}

/// The batch that a model should run at by its rate and its deadlines, as Nexus and Symphony reckon it: a request waits
/// for its batch to fill, b / r, and then runs for l(b).
enum TargetBatch {
    /// The largest rows b with l(b) + b / r within the deadline; r is the rate times `factor`.
    ///
    /// - Complexity: O(largest batch).
    static func rows(_ work: WorkShape, factor: Double, _ state: SchedulerState) -> Int {
        let limit = state.models[work.model.index].description.maximumBatch
        guard state.estimator.isMeasured(work) else { return 1 }
        var (rate, patience) = (0.0, Double.infinity)
        for requestClass in RequestClass.allCases {
            let stream = state.traffic.stream(work.model.index, requestClass)
            rate += stream.rate * stream.rows
            if stream.patience > 0 { patience = min(patience, stream.patience) }
        }
        guard rate > 0, patience < .infinity else { return state.estimator.efficientRows(work, limit: limit) }
        var best = 1
        while best < limit {
            let time = Double(state.estimator.expectedTime(work, rows: best + 1).nanoseconds)
            guard time + Double(best + 1) / (rate * factor) <= patience else { break }
            best += 1
        }
        return best
    }
}
