// SPDX-License-Identifier: Apache-2.0

/// What Triton's dynamic batcher does with two priority levels: per model high before low, each in order of arrival;
/// a batch leaves when the preferred size is there or its oldest request has waited for the maximum delay; requests
/// whose timeout (here their deadline) passed in the queue are rejected. There are no estimates, and priority means
/// nothing between models: they take turns by the age of their oldest ready request.
package struct TritonPolicy: Policy {
    package let order = QueueOrder.arrival
    package let shedding = Shedding.expired
    package let soloLearning = SoloLearning.raw

    private let options: TritonOptions

    package init(_ options: TritonOptions) { self.options = options }

    /// - Complexity: O(queues in which something waits + requests in the batch).
    package mutating func decide(_ state: SchedulerState, at now: Instant) -> Decision {
        guard let device = state.devices.freestDevice, let lane = state.devices[device].freeLane else {
            return .wait(until: .never)
        }
        var best: (queue: Int, age: Instant)?
        var next = Instant.never
        for queue in state.queues.active {
            guard let head = state.queues[queue].first, !isBehindHigh(queue, state) else { continue }
            if state.requests[head.request].map({ $0.request.deadline < now }) == true {
                return .shedFirst(queue: queue)
            }
            let largest = state.models[state.queues[queue].work.model.index].description.maximumBatch
            let preferred = max(1, Int((Double(largest) * options.preferredShare).rounded()))
            let ready = head.key + options.maximumDelay
            guard rowsWaiting(queue, state) >= preferred || ready <= now else {
                next = min(next, ready)
                continue
            }
            if head.key < best?.age ?? .never { best = (queue, head.key) }
        }
        guard let best else { return .wait(until: next) }
        return .dispatch(dispatch(best.queue, state, device, lane))
    }

    /// The queue of a model and shape in the other class.
    private func other(_ queue: Int, _ state: SchedulerState) -> Int? {
        var key = state.queues[queue].key
        key.requestClass = key.requestClass == .high ? .low : .high
        guard let other = state.queues.find(key), !state.queues[other].isEmpty else { return nil }
        return other
    }

    private func isBehindHigh(_ queue: Int, _ state: SchedulerState) -> Bool {
        state.queues[queue].key.requestClass == .low && other(queue, state) != nil
    }

    private func rowsWaiting(_ queue: Int, _ state: SchedulerState) -> Int {
        state.queues[queue].rows + (other(queue, state).map { state.queues[$0].rows } ?? 0)
    }

    /// All that waits, high first, up to the largest batch.
    private func dispatch(_ queue: Int, _ state: SchedulerState, _ device: DeviceID, _ lane: LaneID) -> Dispatch {
        let limit = state.models[state.queues[queue].work.model.index].description.maximumBatch
        let (count, rows) = state.queues[queue].prefix(rows: limit)
        var dispatch = Dispatch(queue: queue, count: count, device: device, lane: lane)
        if let filler = other(queue, state), count == state.queues[queue].count, rows < limit {
            dispatch.filler = filler
            dispatch.fillerCount = state.queues[filler].prefix(rows: limit - rows).count
        }
        return dispatch
    }
}

extension WaitingQueue {
    /// How many requests from the head fit into so many rows, and the rows that they have.
    package func prefix(rows limit: Int, from start: Int = 0) -> (count: Int, rows: Int) {
        var (taken, rows) = (0, 0)
        while start + taken < count, rows + Int(self[start + taken].rows) <= limit {
            rows += Int(self[start + taken].rows)
            taken += 1
        }
        return (taken, rows)
    }
}
