// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
package import StraitFormats
internal import Synchronization

extension Engine {
    /// How everything stands now, for who watches while a tape runs: models are told by their places on it.
    ///
    /// - Complexity: O(queues in which something waits + lanes), under the engine's lock: some microseconds.
    package func glance() -> WatchGlance {
        state.withLock { state in
            var glance = WatchGlance()
            glance.at = max(state.scheduler.lastStep, clock.now())
            glance.policy = policy.rawValue
            glance.counters = RequestClass.allCases.map { state.scheduler.counters(of: $0) }
            glance.queues = state.waitingByModel
            glance.isAlert = state.scheduler.state.watchdog.isAlert
            for device in devices.indices {
                let isHung = state.scheduler.state.devices[DeviceID(index: device)].isHung
                glance.devices.append(
                    WatchGlance.Device(
                        reason: state.devices[device].reason?.words
                            ?? (isHung ? DeviceHealth.Reason.hung.words : nil),
                        speed: state.scheduler.state.speeds[device]))
                for batch in state.scheduler.state.devices[DeviceID(index: device)].resident {
                    if let running = state.running(batch) { glance.running.append(running) }
                }
            }
            return glance
        }
    }
}

extension Engine.State {
    /// How many requests wait, by model and class.
    fileprivate var waitingByModel: [WatchGlance.Queue] {
        var waiting: [Int: Int] = [:]
        let (queues, classes) = (scheduler.state.queues, RequestClass.allCases.count)
        for index in queues.active {
            let key = queues[index].key
            let place = tape?.place(of: key.model) ?? key.model.index
            waiting[place * classes + key.requestClass.rawValue, default: 0] += queues[index].count
        }
        return waiting.sorted { $0.key < $1.key }.map { stream, count in
            WatchGlance.Queue(
                model: stream / classes, RequestClass(rawValue: stream % classes) ?? .low, waiting: count)
        }
    }

    /// A batch that has not ended, as the tape has it; nil for one that was staged before the tape began.
    fileprivate func running(_ id: BatchID) -> WatchGlance.Running? {
        guard let record = scheduler.state.batches[id], let batch = tape?.running(id) else { return nil }
        return WatchGlance.Running(batch, isCopyingOut: record.phase == .copyingOut)
    }
}
