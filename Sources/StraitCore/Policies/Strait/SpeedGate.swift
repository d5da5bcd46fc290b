// SPDX-License-Identifier: Apache-2.0

/// Lets a batch join running ones only if that makes the device as a whole faster: the summed predicted speed of all its
/// batches must rise. So concurrency follows what the device is learned to be like, where a fixed number of lanes or a
/// fixed budget of demand fits one device and not the next.
struct SpeedGate: Sendable {
    private var running = RunningSet()
    private var theta = SIMD8<Double>()
    private var before = 0.0

    /// Whether the device is idle; then anything may run.
    var isIdle: Bool { running.count == 0 }

    /// Takes note of what is on a device and will run beside a newcomer.
    ///
    /// - Complexity: O(batches²).
    mutating func load(_ state: SchedulerState, _ device: DeviceID) {
        running.removeAll()
        theta = state.interference.theta
        for batch in state.devices[device].resident where state.batches[live: batch].phase != .copyingOut {
            running.append(state.batches[live: batch].run.demand)
        }
        before = total()
    }

    /// By how much the summed speed rises when a batch of that demand joins; 1 is a device's worth of one batch alone.
    ///
    /// - Complexity: O(batches²).
    mutating func gain(of demand: Demand) -> Double {
        running.append(demand)
        defer { running.removeLast() }
        return total() - before
    }

    private func total() -> Double {
        var sum = 0.0
        for index in 0..<running.count { sum += running.speed(of: index, theta: theta) }
        return sum
    }
}
