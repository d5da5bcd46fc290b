// SPDX-License-Identifier: Apache-2.0

/// Planned execution, as in Clockwork (OSDI'20): one batch at a time on a device, times taken to be as predictable as the
/// longest of the last ten. Every model offers a strategy for each batch size; the one that has to start first decides
/// whose turn it is, and that model then runs the largest size for which enough requests can be in time.
package struct ClockworkPolicy: Policy {
    package let order = QueueOrder.deadline
    package let shedding = Shedding.expired
    package let soloLearning = SoloLearning.raw

    private let options: ClockworkOptions
    /// Whether high strategies come before low ones; without it, both classes of a model are one queue.
    private let knowsClasses: Bool
    private var times = RecentTimes()

    package init(_ options: ClockworkOptions, knowsClasses: Bool) {
        self.options = options
        self.knowsClasses = knowsClasses
    }

    /// A model's turn.
    private struct Turn {
        var requestClass: RequestClass
        /// When the first of its strategies has to start.
        var requiredStart: Instant
        /// The largest batch.
        var start: ClasslessQueue
        var end: ClasslessQueue
        var rows: Int
    }

    /// - Complexity: O(queues in which something waits · (sizes + requests looked at)).
    package mutating func decide(_ state: SchedulerState, at now: Instant) -> Decision {
        let place = OneAtATime(state, at: now) {
            $0.stagedAt + times.estimate($0.work, rows: $0.rows, on: $0.device, state).untilKernelsDone
        }
        guard let place else { return .wait(until: .never) }
        var best: Turn?
        for index in state.queues.active {
            let queue = knowsClasses ? ClasslessQueue(only: index) : ClasslessQueue(index, state)
            guard let queue, let head = queue.next(state) else { continue }
            let rows = Int(head.entry.rows)
            guard finish(state.queues[index].work, rows: rows, place, state, at: now) <= head.entry.key else {
                return .shedFirst(queue: head.queue)
            }
            guard let turn = turn(queue, place, state, at: now) else { continue }
            if best.map({ Self.precedes(turn, $0) }) ?? true { best = turn }
        }
        guard let best else { return .wait(until: .never) }
        let work = state.queues[best.start.queue].work
        let departure = place.departure(work, rows: best.rows, state, at: now)
        guard departure <= now else { return .wait(until: departure) }
        return .dispatch(best.end.dispatch(since: best.start, place.device, place.lane))
    }

    package mutating func noteFinished(_ batch: BatchRecord, _ times: MeasuredTimes, _ state: SchedulerState) {
        // Else one hiccup would refuse a tight model all it has, and ten more measurements would never come.
        let longest = state.estimator.expectedTime(batch.work, rows: batch.rows) * options.outlier
        self.times.note(batch, times, atMost: longest)
    }

    package mutating func forget(_ model: ModelID) { times.forget(model) }

    private static func precedes(_ left: Turn, _ right: Turn) -> Bool {
        left.requestClass == right.requestClass
            ? left.requiredStart < right.requiredStart : left.requestClass < right.requestClass
    }

    /// When a batch would be done, the margin included.
    private func finish(
        _ work: WorkShape, rows: Int, _ place: OneAtATime, _ state: SchedulerState, at now: Instant
    ) -> Instant {
        place.departure(work, rows: rows, state, at: now)
            + times.estimate(work, rows: rows, on: place.device, state).total + options.margin
    }

    /// The strategies of a model: each size for which, without the heads that it would answer late, enough wait.
    private func turn(
        _ queue: ClasslessQueue, _ place: OneAtATime, _ state: SchedulerState, at now: Instant
    ) -> Turn? {
        let work = state.queues[queue.queue].work
        let limit = state.models[work.model.index].description.maximumBatch
        let requestClass = knowsClasses ? state.queues[queue.queue].key.requestClass : .low
        let waiting = queue.rows(state)
        var turn: Turn?
        for size in BatchSizes(upTo: limit) {
            guard size == 1 || (size <= waiting && isShort(work, rows: size, state)) else { break }
            let finish = finish(work, rows: size, place, state, at: now)
            var start = queue
            while options.passesOver, let head = start.next(state), head.entry.key < finish { start.pass(head.queue) }
            guard let deadline = start.next(state)?.entry.key, deadline >= finish else { break }
            var (end, rows) = (start, 0)
            while let next = end.next(state), rows == 0 || rows + Int(next.entry.rows) <= size {
                rows += Int(next.entry.rows)
                end.pass(next.queue)
            }
            // Enough wait, or the next one does not fit.
            guard rows >= size || end.next(state) != nil else { break }
            let requiredStart = deadline - times.estimate(work, rows: size, on: place.device, state).total
            turn = Turn(
                requestClass: requestClass, requiredStart: min(requiredStart, turn?.requiredStart ?? .never),
                start: start, end: end, rows: rows)
        }
        return turn
    }

    /// Whether a size is used at all.
    private func isShort(_ work: WorkShape, rows: Int, _ state: SchedulerState) -> Bool {
        let known = state.profiles.kernelTime(work, rows: rows)
        return (known ?? state.estimator.expectedTime(work, rows: rows)) <= options.longestExecution
    }
}
