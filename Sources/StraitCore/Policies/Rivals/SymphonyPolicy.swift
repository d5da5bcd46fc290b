// SPDX-License-Identifier: Apache-2.0

/// Deferred batching, as in Symphony: a batch leaves only when one more request would no longer be in
/// time with it, so that it grows for as long as it can; of those that are due, the one that must leave first goes.
/// Knows no classes.
package struct SymphonyPolicy: Policy {
    package let order = QueueOrder.deadline
    package let shedding = Shedding.expired
    package let soloLearning = SoloLearning.raw

    private let options: SymphonyOptions

    package init(_ options: SymphonyOptions) { self.options = options }

    /// A batch that would run now.
    private struct Candidate {
        var start: ClasslessQueue
        var end: ClasslessQueue
        /// When it is to leave.
        var dueAt: Instant
        /// After when it would be late.
        var invalidAfter: Instant
    }

    /// - Complexity: O(queues in which something waits · (requests looked at + largest batch)).
    package mutating func decide(_ state: SchedulerState, at now: Instant) -> Decision {
        guard let device = state.devices.freestDevice, let lane = state.devices[device].freeLane else {
            return .wait(until: .never)
        }
        var best: Candidate?
        var next = Instant.never
        for index in state.queues.active {
            guard let queue = ClasslessQueue(index, state), let head = queue.next(state) else { continue }
            let least = state.estimator.leastTime(state.queues[index].work, rows: Int(head.entry.rows))
            guard head.entry.key >= now + least else { return .shedFirst(queue: head.queue) }
            let candidate = candidate(queue, state, at: now)
            if candidate.dueAt > now {
                next = min(next, candidate.dueAt)
            } else if candidate.invalidAfter < best?.invalidAfter ?? .never || best == nil {
                best = candidate
            }
        }
        guard let best else { return .wait(until: next) }
        return .dispatch(best.end.dispatch(since: best.start, device, lane))
    }

    private func candidate(_ queue: ClasslessQueue, _ state: SchedulerState, at now: Instant) -> Candidate {
        let work = state.queues[queue.queue].work
        let limit = state.models[work.model.index].description.maximumBatch
        let target = TargetBatch.rows(work, factor: 1, state)
        // The suffix loses its head until a batch of what is left, up to the target, is in time for its head.
        var (suffix, left) = (queue, queue.rows(state))
        var size = min(target, left)
        while let head = suffix.next(state), left > Int(head.entry.rows) {
            size = max(Int(head.entry.rows), min(target, left))
            guard head.entry.key < now + state.estimator.leastTime(work, rows: size) else { break }
            left -= Int(head.entry.rows)
            suffix.pass(head.queue)
            size = min(target, left)
        }
        // Those before it that a batch of this size still answers in time stay.
        var start = queue
        let finish = now + state.estimator.leastTime(work, rows: size)
        while let head = start.next(state), head.entry.key < finish, start.passed != suffix.passed {
            start.pass(head.queue)
        }
        let deadline = start.next(state)?.entry.key ?? .never
        // Up to that size, and beyond it for as long as the first is still in time.
        var (end, rows) = (start, 0)
        while let next = end.next(state) {
            let larger = rows + Int(next.entry.rows)
            guard larger <= limit else { break }
            if rows > 0, larger > size, now + state.estimator.leastTime(work, rows: larger) > deadline { break }
            rows = larger
            end.pass(next.queue)
        }
        let latest = deadline - state.estimator.leastTime(work, rows: rows)
        let frontrun = deadline - state.estimator.leastTime(work, rows: rows + 1) - options.margin
        // A full batch gains nothing by waiting, nor does one without a deadline to speak of ever become due.
        let isDeferred = rows < limit && deadline - now <= options.farthestDeadline
        return Candidate(start: start, end: end, dueAt: isDeferred ? frontrun : now, invalidAfter: latest)
    }
}
