// SPDX-License-Identifier: Apache-2.0

/// Exclusive execution, with the idea of EdgeServing (2026): one batch at a time on a device, on times alone. Of all
/// models and batch sizes the one is taken after which the fewest of all requests that wait would be violated; ties go
/// to the earliest deadline, then to the larger batch.
package struct ExclusivePolicy: Policy {
    package let order = QueueOrder.deadline
    package let shedding = Shedding.hopeless
    package let soloLearning = SoloLearning.raw

    private let options: ExclusiveOptions

    package init(_ options: ExclusiveOptions) { self.options = options }

    /// A batch that could run.
    private struct Candidate {
        var start: ClasslessQueue
        var end: ClasslessQueue
        var rows: Int
        var head: QueueEntry
        /// What it takes.
        var time: Duration
        /// When it leaves.
        var departure: Instant
    }

    /// - Complexity: O(n² · sizes · log requests) in the queues in which something waits, plus requests in batches.
    package mutating func decide(_ state: SchedulerState, at now: Instant) -> Decision {
        let place = OneAtATime(state, at: now) {
            let copyOut = Duration(clamping: state.copyOutTime($0.work.model, rows: $0.rows, on: $0.device))
            return $0.stagedAt + state.estimator.expectedTime($0.work, rows: $0.rows) - copyOut
        }
        guard let place else { return .wait(until: .never) }
        var best: (candidate: Candidate, violations: Double)?
        for index in state.queues.active {
            guard let queue = ClasslessQueue(index, state), let head = queue.next(state) else { continue }
            let work = state.queues[index].work
            guard now + state.estimator.leastTime(work, rows: Int(head.entry.rows)) <= head.entry.key else {
                return .shedFirst(queue: head.queue)
            }
            let limit = state.models[work.model.index].description.maximumBatch
            var (end, rows) = (queue, 0)
            for size in BatchSizes(upTo: min(limit, queue.rows(state))) {
                while let next = end.next(state), rows == 0 || rows + Int(next.entry.rows) <= size {
                    rows += Int(next.entry.rows)
                    end.pass(next.queue)
                }
                let candidate = Candidate(
                    start: queue, end: end, rows: rows, head: head.entry,
                    time: state.estimator.leastTime(work, rows: rows),
                    departure: place.departure(work, rows: rows, state, at: now))
                let violations = violations(after: candidate, state)
                if best.map({ Self.precedes((candidate, violations), $0) }) ?? true { best = (candidate, violations) }
            }
        }
        guard let best = best?.candidate else { return .wait(until: .never) }
        guard best.departure <= now else { return .wait(until: best.departure) }
        return .dispatch(best.end.dispatch(since: best.start, place.device, place.lane))
    }

    private static func precedes(
        _ left: (candidate: Candidate, violations: Double), _ right: (candidate: Candidate, violations: Double)
    ) -> Bool {
        if left.violations != right.violations { return left.violations < right.violations }
        let (one, other) = (left.candidate, right.candidate)
        if one.head != other.head { return one.head.precedes(other.head) }
        return one.rows > other.rows
    }

    /// Requests of all queues that would be late: members of the batch when it is done, others when they could follow it.
    private func violations(after candidate: Candidate, _ state: SchedulerState) -> Double {
        let done = candidate.departure + candidate.time
        var sum = 0.0
        for index in state.queues.active {
            let queue = state.queues[index]
            let taken =
                index == candidate.start.queue
                ? candidate.end.passed.own : index == candidate.start.other ? candidate.end.passed.other : 0
            let least = state.estimator.leastTime(queue.work, rows: 1)
            let others = max(0, queue.count(upTo: done + least + options.lookahead) - taken)
            let members = taken > 0 ? min(taken, queue.count(upTo: done - Duration(nanoseconds: 1))) : 0
            sum += Double(others + members) * (queue.key.requestClass == .high ? options.highWeight : 1)
        }
        return sum
    }
}
