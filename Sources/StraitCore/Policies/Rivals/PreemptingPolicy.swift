// SPDX-License-Identifier: Apache-2.0

/// Fixed priority by preemption: batches are ordered and made as under `edf-priority`, and as long as a high request is
/// ready, low ones do not run. Those that are on a device are
///
/// - paused, as by level 1 of XSched (OSDI'25): what was launched runs out, the rest goes on when no high request is
///   ready. A paused batch keeps its lane, so low batches leave half of the lanes to high ones;
/// - or killed, as by REEF (OSDI'22): all that they did is lost, and their requests start over.
///
/// A high request is ready on a device while it waits for one, or is on a lane there. On devices that can do neither, low
/// batches that run are left alone.
package struct PreemptingPolicy: Policy {
    package let order = QueueOrder.deadline
    package let shedding = Shedding.hopeless
    package let soloLearning = SoloLearning.raw
    package let preemption: Preemption

    /// Makes the batches.
    private let edf = EDFPolicy(latency: .solo)

    package init(_ preemption: Preemption) { self.preemption = preemption }

    /// - Complexity: O(queues in which something waits + batches on devices + requests in the batch).
    package mutating func decide(_ state: SchedulerState, at now: Instant) -> Decision {
        let high = mostUrgent(.high, state)
        if let high, let device = state.devices.freestDevice {
            return start(high, on: device, state, at: now)
        }
        if let decision = preempt(state, highWaits: high != nil) { return decision }
        // Nothing low starts while a high request waits.
        guard high == nil, let low = mostUrgent(.low, state), let device = deviceForLow(state) else {
            return .wait(until: .never)
        }
        return start(low, on: device, state, at: now)
    }

    /// The queue of a class with the earliest deadline.
    private func mostUrgent(_ requestClass: RequestClass, _ state: SchedulerState) -> (queue: Int, head: QueueEntry)? {
        var best: (queue: Int, head: QueueEntry)?
        for queue in state.queues.active where state.queues[queue].key.requestClass == requestClass {
            guard let head = state.queues[queue].first else { continue }
            if best.map({ head.precedes($0.head) }) ?? true { best = (queue, head) }
        }
        return best
    }

    private func start(
        _ first: (queue: Int, head: QueueEntry), on device: DeviceID, _ state: SchedulerState, at now: Instant
    ) -> Decision {
        let work = state.queues[first.queue].work
        let slack = first.head.key - now
        guard state.estimator.leastTime(work, rows: Int(first.head.rows)) <= slack else {
            return .shedFirst(queue: first.queue)
        }
        guard let lane = state.devices[device].freeLane else { return .wait(until: .never) }
        let count = edf.batch(ClasslessQueue(only: first.queue), on: device, state, slack: slack).end.passed.own
        return .dispatch(Dispatch(queue: first.queue, count: count, device: device, lane: lane))
    }

    // -- low batches on devices -----------------------------------------------------------------------------------

    /// The first low batch that has to stop, or may go on.
    private func preempt(_ state: SchedulerState, highWaits: Bool) -> Decision? {
        for index in state.devices.all.indices {
            let device = DeviceID(index: index)
            let hasHigh = holdsHigh(device, state)
            switch preemption {
            case .none: return nil
            case .pause:
                // Who waits for a lane gains nothing from batches that stand still on all of them.
                let isReady = hasHigh || (highWaits && state.devices[device].freeLanes > 0)
                if let batch = toPause(device, isReady, state) {
                    return isReady ? .pause(batch) : .resume(batch)
                }
            case .kill:
                guard hasHigh || highWaits, let batch = toKill(device, state) else { continue }
                return .kill(batch)
            }
        }
        return nil
    }

    /// Whether a high batch is on a lane of a device.
    private func holdsHigh(_ device: DeviceID, _ state: SchedulerState) -> Bool {
        for case let batch? in state.devices[device].lanes where state.batches[live: batch].requestClass == .high {
            return true
        }
        return false
    }

    /// A low batch that runs though a high request is ready, or stands still though none is.
    private func toPause(_ device: DeviceID, _ isReady: Bool, _ state: SchedulerState) -> BatchID? {
        guard state.devices[device].description.canPause else { return nil }
        for case let batch? in state.devices[device].lanes where state.batches[live: batch].requestClass == .low {
            if state.batches[live: batch].isHung { continue }
            if state.batches[live: batch].phase == (isReady ? .running : .paused) { return batch }
        }
        return nil
    }

    /// A low batch that is still to be killed.
    private func toKill(_ device: DeviceID, _ state: SchedulerState) -> BatchID? {
        guard state.devices[device].description.canKill else { return nil }
        for case let batch? in state.devices[device].lanes where state.batches[live: batch].requestClass == .low {
            if !state.batches[live: batch].isBeingKilled { return batch }
        }
        return nil
    }

    /// The freest device on which a low batch may start: nothing high is there, and lanes are left to high ones
    /// where low ones keep theirs while they are paused.
    private func deviceForLow(_ state: SchedulerState) -> DeviceID? {
        var best: Int?
        for index in state.devices.all.indices where state.devices.all[index].isEligible {
            let device = state.devices.all[index]
            // Half of them, so that a high batch can be copied in while another runs.
            let reserve = preemption == .pause && device.description.canPause ? device.lanes.count / 2 : 0
            guard device.freeLanes > reserve, !holdsHigh(DeviceID(index: index), state) else { continue }
            if device.freeLanes > best.map({ state.devices.all[$0].freeLanes }) ?? 0 { best = index }
        }
        return best.map(DeviceID.init)
    }
}
