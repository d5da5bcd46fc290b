// SPDX-License-Identifier: Apache-2.0

// Lanes that hang. A batch that runs far beyond its bound is not slow: its lane is taken for hung, and its device is not
// offered work until that batch ends after all. Predictions do not count on its lanes meanwhile (design §5, §10).

extension SchedulerState {
    /// How many times its 99 % bound a batch may run.
    static let hangFactor = 10.0
    /// No batch hangs before that: page faults, a garbage collector or a debugger hold any process up for a second.
    static let shortestHang = Duration.seconds(2)
    /// The same for work that was never measured: its prediction is a guess, and a first run reads weights from a disk.
    static let shortestHangUnmeasured = Duration.seconds(30)

    /// When the lane of a batch that is staged now and predicted to take `time` is taken for hung.
    func hangsFrom(_ time: Duration, _ batch: BatchRecord) -> Instant {
        let bound = time * (calibrations[batch.requestClass.rawValue].q99 * Self.hangFactor)
        // One nanosecond later, so that the timer that comes at this instant finds it true.
        return batch.stagedAt + max(bound, shortestHang(of: batch.work)) + Duration(nanoseconds: 1)
    }

    /// How long a batch may run before it can be taken for hung, whatever was predicted.
    func shortestHang(of work: WorkShape) -> Duration {
        estimator.isMeasured(work) ? Self.shortestHang : Self.shortestHangUnmeasured
    }
}

extension Scheduler {
    /// Finds the lanes that hang by now.
    ///
    /// - Complexity: O(batches on devices), and only when one may have passed its bound. Allocates nothing.
    mutating func noteHangs(at now: Instant, into actions: inout ActionList) {
        timer.nextHang = .never
        for device in state.devices.all.indices {
            for position in state.devices.all[device].resident.indices {
                let batch = state.devices.all[device].resident[position]
                guard let record = state.batches[batch], !record.isHung else { continue }
                if record.hangsFrom > now {
                    timer.noteHang(record.hangsFrom)
                } else {
                    state.batches.modify(batch) { $0.isHung = true }
                    state.devices.noteHang(DeviceID(index: device))
                }
            }
        }
        // A probe waits for the next free lane, however late that is. Here there may never be one.
        if state.devices.servingLanes == 0, let probe = state.pendingProbe { shedProbe(probe, at: now, into: &actions) }
    }
}
