// SPDX-License-Identifier: Apache-2.0

// Requests that are given up while they wait.

extension Scheduler {
    mutating func shedHopeless(at now: Instant, into actions: inout ActionList) {
        guard shedding != .none else { return }
        timer.earliest = .never
        // Backwards, because a queue that empties gives its place to the last one.
        for position in state.queues.active.indices.reversed() {
            let queue = state.queues.active[position]
            while let first = state.queues[queue].first,
                state.givenUpAt(first, work: state.queues[queue].work, shedding) <= now
            {
                shedFirst(of: queue, at: now, into: &actions)
            }
            if let first = state.queues[queue].first {
                timer.note(state.givenUpAt(first, work: state.queues[queue].work, shedding))
            }
        }
    }

    /// Gives up the request that waits to be a probe: no lane is expected to be free, ever.
    mutating func shedProbe(_ id: RequestID, at now: Instant, into actions: inout ActionList) {
        guard let record = state.requests[id] else {
            preconditionFailure("a pending probe is a live request")
        }
        state.abandonProbe(of: record.request.work.model)
        state.requests.remove(id)
        refuse(record, .hopelessInQueue, predictedFinish: .never, .hang, at: now, into: &actions)
    }

    /// - Parameter test: what it failed, where those behind it take its place; else its time has run out.
    mutating func shedFirst(
        of queue: Int, failing test: ShedTest? = nil, at now: Instant, into actions: inout ActionList
    ) {
        let entry = takeFirst(of: queue)
        queueChanged(queue, headChanged: true)
        guard let record = state.requests[entry.request] else {
            preconditionFailure("what stands in a queue is a live request")
        }
        let alone = now + state.estimator.expectedTime(record.request.work, rows: record.request.rows)
        let finish = state.devices.servingLanes > 0 ? max(alone, record.request.deadline) : .never
        state.requests.remove(entry.request)
        refuse(
            record, .hopelessInQueue, predictedFinish: finish, test ?? testInQueue(record.request), at: now,
            into: &actions)
    }
}
