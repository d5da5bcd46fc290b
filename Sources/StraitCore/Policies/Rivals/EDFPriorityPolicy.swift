// SPDX-License-Identifier: Apache-2.0

/// The earliest deadline first inside strict priority of the classes.
///
/// The most urgent waiting request of the better class decides which queue runs. It takes along those behind it as far
/// as larger batches make a row cheaper and its own deadline holds. What can no longer finish in time is not started.
/// With a gate, a device that is busy takes only what its demand budget allows, in batches halved until they fit.
package struct EDFPriorityPolicy: Policy {
    package let order = QueueOrder.deadline
    package let shedding = Shedding.hopeless
    package var soloLearning: SoloLearning { latency == .solo ? .raw : .profiled }

    private let latency: LatencyRule
    private var gate: DemandGate?
    private var inflation = Inflation()
    /// The queues in the order in which they are looked at; used again from call to call.
    private var ranked: [(queue: Int, requestClass: RequestClass, head: QueueEntry)] = []

    package init(latency: LatencyRule, gate: DemandGate? = nil) {
        self.latency = latency
        self.gate = gate
    }

    /// - Complexity: O(n log n) in the queues in which something waits, plus the requests in the batch.
    package mutating func decide(_ state: SchedulerState, at now: Instant) -> Decision {
        guard let device = state.devices.freestDevice, let lane = state.devices[device].freeLane else {
            return .wait(until: .never)
        }
        gate?.reopen(state)
        rank(state)
        let resident = state.residentDemand(on: device)
        for (queue, requestClass, head) in ranked {
            let work = state.queues[queue].work
            let slack = head.key - now
            guard state.estimator.leastTime(work, rows: Int(head.rows)) <= slack else {
                return .shedFirst(queue: queue)
            }
            var (count, rows) = batch(state.queues[queue], on: device, state, slack: slack)
            if let gate {
                guard gate.isOpen(to: queue, requestClass) else { continue }
                let budget = gate.budget(requestClass, devices: state.devices.all.count)
                while !fits(work, rows, on: device, beside: resident, budget: budget, state), count > 1 {
                    count /= 2
                    rows = (0..<count).reduce(0) { $0 + Int(state.queues[queue][$1].rows) }
                }
                guard fits(work, rows, on: device, beside: resident, budget: budget, state) else {
                    self.gate?.noteBlocked(queue, head, requestClass, at: now)
                    continue
                }
            }
            return .dispatch(Dispatch(queue: queue, count: count, device: device, lane: lane))
        }
        // Only the gate held everything back: a lane that frees up is an event, and patience is looked at then.
        return .wait(until: .never)
    }

    package mutating func noteFinished(_ batch: BatchRecord, _ times: MeasuredTimes, _ state: SchedulerState) {
        if latency == .inflated { inflation.note(batch, times, state) }
    }

    /// Puts the most urgent queue first; without a gate only that one is needed.
    private mutating func rank(_ state: SchedulerState) {
        ranked.removeAll(keepingCapacity: true)
        for queue in state.queues.active {
            guard let head = state.queues[queue].first else { continue }
            let entry = (queue, state.queues[queue].key.requestClass, head)
            if gate == nil, let best = ranked.first {
                if Self.precedes(entry, best) { ranked[0] = entry }
            } else {
                ranked.append(entry)
            }
        }
        if gate != nil { ranked.sort(by: Self.precedes) }
    }

    private static func precedes(
        _ left: (queue: Int, requestClass: RequestClass, head: QueueEntry),
        _ right: (queue: Int, requestClass: RequestClass, head: QueueEntry)
    ) -> Bool {
        left.requestClass == right.requestClass
            ? left.head.precedes(right.head) : left.requestClass < right.requestClass
    }

    private func fits(
        _ work: WorkShape, _ rows: Int, on device: DeviceID, beside resident: Double, budget: Double,
        _ state: SchedulerState
    ) -> Bool {
        let demand = state.profiles.demand(work, rows: rows, on: state.devices[device].description)
        return gate?.admits(demand.compute, beside: resident, budget: budget) ?? true
    }

    /// How many requests from the head share the batch, and their rows. The head's deadline is the earliest of all.
    func batch(
        _ queue: WaitingQueue, on device: DeviceID, _ state: SchedulerState, slack: Duration
    ) -> (count: Int, rows: Int) {
        let limit = state.models[queue.work.model.index].description.maximumBatch
        let target = state.estimator.efficientRows(queue.work, limit: min(limit, queue.rows))
        var (count, rows) = (1, Int(queue[0].rows))
        while count < queue.count {
            let larger = rows + Int(queue[count].rows)
            guard larger <= target,
                latency.time(queue.work, rows: larger, on: device, state, inflation) <= slack
            else { break }
            (count, rows) = (count + 1, larger)
        }
        return (count, rows)
    }
}
