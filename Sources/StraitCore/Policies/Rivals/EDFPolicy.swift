// SPDX-License-Identifier: Apache-2.0

/// The earliest deadline first, inside strict priority of the classes or, where it knows none, over all requests.
///
/// The most urgent waiting request (of the better class) decides which model runs. It takes along those behind it as far
/// as larger batches make a row cheaper and its own deadline holds; without classes, those of both. What can no longer
/// finish in time is not started. With a gate, a device that is busy takes only what its demand budget allows, in batches
/// halved until they fit. With lanes kept for high requests, low ones leave each device one.
package struct EDFPolicy: Policy {
    package let order = QueueOrder.deadline
    package let shedding: Shedding
    package var soloLearning: SoloLearning { latency == .solo ? .raw : .profiled }

    private let latency: LatencyRule
    private let knowsClasses: Bool
    private let reserve: LaneReserve?
    private var gate: DemandGate?
    private var inflation = Inflation()
    /// What waits, in the order in which it is looked at; used again from call to call.
    private var ranked: [Ranked] = []

    /// One queue, or without classes both of a model and shape, with its most urgent request.
    private struct Ranked {
        var waiting: ClasslessQueue
        var requestClass: RequestClass
        /// The queue in which the most urgent request stands.
        var queue: Int
        var head: QueueEntry

        func precedes(_ other: Self) -> Bool {
            requestClass == other.requestClass ? head.precedes(other.head) : requestClass < other.requestClass
        }
    }

    package init(
        latency: LatencyRule, knowsClasses: Bool = true, reserve: LaneReserve? = nil, gate: DemandGate? = nil
    ) {
        precondition(knowsClasses || gate == nil && reserve == nil, "gates and reserves tell classes apart")
        self.latency = latency
        self.knowsClasses = knowsClasses
        self.reserve = reserve
        self.gate = gate
        // The test on arrival reckons with priority of the classes, which is not how requests without them fare.
        shedding = knowsClasses ? .hopeless : .expired
    }

    /// - Complexity: O(n log n) in the queues in which something waits, plus the requests in the batch.
    package mutating func decide(_ state: SchedulerState, at now: Instant) -> Decision {
        gate?.reopen(state)
        rank(state)
        for first in ranked {
            let eligible: DeviceID? =
                reserve.map { $0.device(for: first.requestClass, state) } ?? state.devices.freestDevice
            guard let device = eligible, let lane = state.devices[device].freeLane else { continue }
            let work = state.queues[first.waiting.queue].work
            let slack = first.head.key - now
            guard state.estimator.leastTime(work, rows: Int(first.head.rows)) <= slack else {
                return .shedFirst(queue: first.queue)
            }
            var (end, rows) = batch(first.waiting, on: device, state, slack: slack)
            if let gate {
                guard gate.isOpen(to: first.queue, first.requestClass) else { continue }
                let resident = state.residentDemand(on: device)
                let budget = gate.budget(first.requestClass, devices: state.devices.presentCount)
                while !fits(work, rows, on: device, beside: resident, budget: budget, state), end.passed.own > 1 {
                    (end, rows) = first.waiting.taking(end.passed.own / 2, state)
                }
                guard fits(work, rows, on: device, beside: resident, budget: budget, state) else {
                    self.gate?.noteBlocked(first.queue, first.head, first.requestClass, at: now)
                    continue
                }
            }
            return .dispatch(end.dispatch(since: first.waiting, device, lane))
        }
        // A lane that frees up is an event, and so is what opens the gate: its patience is looked at then.
        return .wait(until: .never)
    }

    package mutating func noteFinished(_ batch: BatchRecord, _ times: MeasuredTimes, _ state: SchedulerState) {
        if latency == .inflated { inflation.note(batch, times, state) }
    }

    package mutating func forget(_ model: ModelID) { inflation.forget(model) }

    /// Puts the most urgent first; without a gate only that one is needed.
    private mutating func rank(_ state: SchedulerState) {
        ranked.removeAll(keepingCapacity: true)
        for queue in state.queues.active {
            guard let waiting = knowsClasses ? ClasslessQueue(only: queue) : ClasslessQueue(queue, state),
                let (head, standsIn) = waiting.next(state)
            else { continue }
            let requestClass = knowsClasses ? state.queues[queue].key.requestClass : .high
            let entry = Ranked(waiting: waiting, requestClass: requestClass, queue: standsIn, head: head)
            if gate == nil, let best = ranked.first {
                if entry.precedes(best) { ranked[0] = entry }
            } else {
                ranked.append(entry)
            }
        }
        if gate != nil { ranked.sort { $0.precedes($1) } }
    }

    private func fits(
        _ work: WorkShape, _ rows: Int, on device: DeviceID, beside resident: Double, budget: Double,
        _ state: SchedulerState
    ) -> Bool {
        let demand = state.profiles.demand(work, rows: rows, on: state.devices[device].description)
        return gate?.admits(demand.compute, beside: resident, budget: budget) ?? true
    }

    /// The walk past those that share the batch, and their rows. The head's deadline is the earliest of all.
    func batch(
        _ start: ClasslessQueue, on device: DeviceID, _ state: SchedulerState, slack: Duration
    ) -> (end: ClasslessQueue, rows: Int) {
        let work = state.queues[start.queue].work
        let limit = state.models[work.model.index].description.maximumBatch
        let target = state.estimator.efficientRows(work, limit: min(limit, start.rows(state)))
        var (end, rows) = (start, 0)
        while let next = end.next(state) {
            let larger = rows + Int(next.entry.rows)
            // The head goes in any case.
            let isFine = larger <= target && latency.time(work, rows: larger, on: device, state, inflation) <= slack
            guard rows == 0 || isFine else { break }
            rows = larger
            end.pass(next.queue)
        }
        return (end, rows)
    }
}
