// SPDX-License-Identifier: Apache-2.0

/// Arrival order over all models and both classes, one request at a time, deadlines unknown: what a plain queue does.
package struct FIFOPolicy: Policy {
    package let order = QueueOrder.arrival
    package let shedding = Shedding.none
    package let soloLearning = SoloLearning.raw

    /// - Complexity: O(queues in which something waits).
    package mutating func decide(_ state: SchedulerState, at now: Instant) -> Decision {
        guard let device = state.devices.freestDevice, let lane = state.devices[device].freeLane else {
            return .wait(until: .never)
        }
        var oldest: (queue: Int, sequence: UInt64)?
        for queue in state.queues.active {
            guard let first = state.queues[queue].first else { continue }
            if first.sequence < oldest?.sequence ?? .max { oldest = (queue, first.sequence) }
        }
        guard let oldest else { return .wait(until: .never) }
        return .dispatch(Dispatch(queue: oldest.queue, count: 1, device: device, lane: lane))
    }
}
