// SPDX-License-Identifier: Apache-2.0

/// Early drop with a sliding window, as in Nexus (SOSP'19): models take turns; the one whose turn it is runs up to its
/// target batch, and gives up the requests at its head that a batch of that size would answer late. Knows no classes.
package struct NexusPolicy: Policy {
    package let order = QueueOrder.deadline
    package let shedding = Shedding.expired
    package let soloLearning = SoloLearning.raw

    private let options: NexusOptions
    /// For each model the number of its last turn.
    private var turns: [UInt64] = []
    private var turn: UInt64 = 0

    package init(_ options: NexusOptions) { self.options = options }

    package mutating func forget(_ model: ModelID) { if model.index < turns.count { turns[model.index] = 0 } }

    /// - Complexity: O(queues in which something waits + largest batch).
    package mutating func decide(_ state: SchedulerState, at now: Instant) -> Decision {
        guard let device = state.devices.freestDevice, let lane = state.devices[device].freeLane else {
            return .wait(until: .never)
        }
        while turns.count < state.models.count { turns.append(0) }
        var chosen: (queue: ClasslessQueue, model: Int)?
        for index in state.queues.active {
            guard let queue = ClasslessQueue(index, state) else { continue }
            let model = state.queues[index].work.model.index
            if chosen.map({ turns[model] < turns[$0.model] }) ?? true { chosen = (queue, model) }
        }
        guard let (start, model) = chosen, let head = start.next(state) else { return .wait(until: .never) }
        let work = state.queues[start.queue].work
        // Where fewer remain than the target, the window shrinks; each head given up makes it look again.
        let target = max(
            Int(head.entry.rows),
            min(TargetBatch.rows(work, factor: options.rateFactor, state), start.rows(state)))
        guard head.entry.key >= now + state.estimator.leastTime(work, rows: target) else {
            return .shedFirst(queue: head.queue)
        }
        var (end, rows) = (start, 0)
        while let next = end.next(state), rows + Int(next.entry.rows) <= target {
            rows += Int(next.entry.rows)
            end.pass(next.queue)
        }
        turn += 1
        turns[model] = turn
        return .dispatch(end.dispatch(since: start, device, lane))
    }
}
