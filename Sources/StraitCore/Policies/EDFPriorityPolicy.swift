// SPDX-License-Identifier: Apache-2.0

/// The earliest deadline first inside strict priority of the classes.
///
/// The most urgent waiting request of the better class decides which queue runs. It takes along those behind it as far
/// as larger batches make a row cheaper and its own deadline holds. What can no longer finish in time is not started.
package struct EDFPriorityPolicy: Policy {
    package static let name = PolicyName.edfPriority.rawValue
    package static let order = QueueOrder.deadline
    package static let shedsHopeless = true

    /// - Complexity: O(queues in which something waits + requests in the batch).
    package mutating func decide(_ state: SchedulerState, at now: Instant) -> Decision {
        guard let device = state.devices.freestDevice, let lane = state.devices[device].freeLane,
            let queue = mostUrgentQueue(state), let first = state.queues[queue].first
        else { return .wait }
        let work = state.queues[queue].work
        let slack = first.key - now
        guard state.estimator.leastTime(work, rows: Int(first.rows)) <= slack else { return .shedFirst(queue: queue) }
        return .dispatch(
            queue: queue, count: batchCount(state.queues[queue], in: state, slack: slack), device: device, lane: lane)
    }

    private func mostUrgentQueue(_ state: SchedulerState) -> Int? {
        var best: (queue: Int, requestClass: RequestClass, entry: QueueEntry)?
        for queue in state.queues.active {
            guard let entry = state.queues[queue].first else { continue }
            let requestClass = state.queues[queue].key.requestClass
            if let best {
                guard requestClass <= best.requestClass else { continue }
                if requestClass == best.requestClass, !entry.precedes(best.entry) { continue }
            }
            best = (queue, requestClass, entry)
        }
        return best?.queue
    }

    /// How many requests from the head share the batch. The head's deadline is the earliest of them all.
    private func batchCount(_ queue: WaitingQueue, in state: SchedulerState, slack: Duration) -> Int {
        let limit = state.models[queue.work.model.index].description.maximumBatch
        let target = state.estimator.efficientRows(queue.work, limit: min(limit, queue.rows))
        var count = 1
        var rows = Int(queue[0].rows)
        while count < queue.count {
            let larger = rows + Int(queue[count].rows)
            guard larger <= target, state.estimator.expectedTime(queue.work, rows: larger) <= slack else { break }
            rows = larger
            count += 1
        }
        return count
    }
}
