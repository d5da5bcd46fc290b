// SPDX-License-Identifier: Apache-2.0

/// What Orion (EuroSys'24) does with kernels, here with batches, which are what is launched: high ones at once; low ones
/// only while the device time of those launched stays within a bound and, while high ones run, only such as ask for
/// something else than they do and leave them room.
package struct OrionPolicy: Policy {
    package let order = QueueOrder.deadline
    package let shedding = Shedding.hopeless
    package let soloLearning = SoloLearning.profiled

    private let options: OrionOptions
    /// For each device the time of the low batches launched since none ran.
    private var launched: [Duration] = []

    package init(_ options: OrionOptions) { self.options = options }

    /// What a batch mostly asks for.
    private enum Kind { case compute, memory, unknown }

    /// - Complexity: O(queues in which something waits + batches on a device + requests in the batch).
    package mutating func decide(_ state: SchedulerState, at now: Instant) -> Decision {
        while launched.count < state.devices.all.count { launched.append(.zero) }
        if let queue = mostUrgent(.high, state) {
            guard let device = state.devices.freestDevice else { return .wait(until: .never) }
            return launch(queue, on: device, state, at: now)
        }
        for index in state.devices.all.indices where state.devices.all[index].isEligible {
            let device = DeviceID(index: index)
            if !hasLow(device, state) { launched[index] = .zero }
            guard launched[index] <= options.outstandingLow else { continue }
            var best: (queue: Int, head: QueueEntry)?
            for queue in state.queues.active where mayRun(queue, on: device, state, at: now) {
                guard let head = state.queues[queue].first else { continue }
                if best.map({ head.precedes($0.head) }) ?? true { best = (queue, head) }
            }
            if let best { return launch(best.queue, on: device, state, at: now) }
        }
        // What holds them back ends with a batch.
        return .wait(until: .never)
    }

    private func mostUrgent(_ requestClass: RequestClass, _ state: SchedulerState) -> Int? {
        var best: (queue: Int, head: QueueEntry)?
        for queue in state.queues.active where state.queues[queue].key.requestClass == requestClass {
            guard let head = state.queues[queue].first else { continue }
            if best.map({ head.precedes($0.head) }) ?? true { best = (queue, head) }
        }
        return best?.queue
    }

    private func hasLow(_ device: DeviceID, _ state: SchedulerState) -> Bool {
        state.devices[device].resident.contains { state.batches[live: $0].requestClass == .low }
    }

    /// Whether a low queue's next batch may join what runs: freely where nothing high does.
    private func mayRun(_ queue: Int, on device: DeviceID, _ state: SchedulerState, at now: Instant) -> Bool {
        let (_, rows) = batch(queue, state, at: now)
        let demand = state.profiles.demand(state.queues[queue].work, rows: rows, on: state.devices[device].description)
        var low = demand.compute
        var hasHigh = false
        for id in state.devices[device].resident where state.batches[live: id].phase != .copyingOut {
            let other = state.batches[live: id].run.demand
            if state.batches[live: id].requestClass == .low {
                low += other.compute
                continue
            }
            hasHigh = true
            let (own, others) = (kind(demand), kind(other))
            if own == others, own != .unknown { return false }
        }
        return !hasHigh || low <= options.lowDemand
    }

    private func kind(_ demand: Demand) -> Kind {
        guard max(demand.compute, demand.bandwidth) >= options.kindThreshold else { return .unknown }
        return demand.compute >= demand.bandwidth ? .compute : .memory
    }

    private mutating func launch(
        _ queue: Int, on device: DeviceID, _ state: SchedulerState, at now: Instant
    ) -> Decision {
        let work = state.queues[queue].work
        guard let lane = state.devices[device].freeLane, let head = state.queues[queue].first else {
            return .wait(until: .never)
        }
        guard state.estimator.leastTime(work, rows: Int(head.rows)) <= head.key - now else {
            return .shedFirst(queue: queue)
        }
        let (count, rows) = batch(queue, state, at: now)
        if state.queues[queue].key.requestClass == .low {
            launched[device.index] += state.estimator.expectedTime(work, rows: rows)
        }
        return .dispatch(Dispatch(queue: queue, count: count, device: device, lane: lane))
    }

    /// What is launched together: as far as larger batches make a row cheaper and the first is in time.
    private func batch(_ queue: Int, _ state: SchedulerState, at now: Instant) -> (count: Int, rows: Int) {
        let waiting = state.queues[queue]
        let limit = state.models[waiting.work.model.index].description.maximumBatch
        let target = state.estimator.efficientRows(waiting.work, limit: min(limit, waiting.rows))
        var (count, rows) = (1, Int(waiting[0].rows))
        while count < waiting.count {
            let larger = rows + Int(waiting[count].rows)
            guard larger <= target, state.estimator.expectedTime(waiting.work, rows: larger) <= waiting[0].key - now
            else { break }
            (count, rows) = (count + 1, larger)
        }
        return (count, rows)
    }
}
