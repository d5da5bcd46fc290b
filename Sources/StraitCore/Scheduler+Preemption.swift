// SPDX-License-Identifier: Apache-2.0

// Batches that are taken off their device, or stopped there: what rivals do that preempt. A paused batch keeps its lane,
// is not expected to progress, is not taken for hung and teaches nothing. A killed one is as if it had never been staged.

extension Scheduler {
    mutating func pause(_ batch: BatchID, at now: Instant, into actions: inout ActionList) {
        guard let record = state.batches[batch], record.phase == .running, !record.isBeingKilled, !record.isHung else {
            preconditionFailure("only a batch that runs can be paused")
        }
        precondition(
            state.devices[record.device].description.canPause, "only a device that can pause is asked to pause")
        state.account(record.device, until: now)
        state.batches.modify(batch) {
            $0.phase = .paused
            $0.pausedAt = now
            $0.wasPaused = true
            $0.hangsFromUnpaused = $0.hangsFrom
            $0.hangsFrom = .never
        }
        state.refreshSpeeds(record.device)
        actions.append(.pause(batch))
    }

    mutating func resume(_ batch: BatchID, at now: Instant, into actions: inout ActionList) {
        guard let record = state.batches[batch], record.phase == .paused, !record.isBeingKilled else {
            preconditionFailure("only a paused batch can be resumed")
        }
        state.account(record.device, until: now)
        state.batches.modify(batch) { $0.phase = .running }
        endPause(record, at: now)
        state.refreshSpeeds(record.device)
        actions.append(.resume(batch))
    }

    /// Moves what is expected of a batch that was paused by the length of its pause.
    mutating func endPause(_ record: BatchRecord, at now: Instant) {
        let pause = now - record.pausedAt
        let hangsFrom = record.hangsFromUnpaused + pause
        state.batches.modify(record.id) {
            $0.predictedFinish = $0.predictedFinish + pause
            $0.hangsFrom = hangsFrom
        }
        timer.noteHang(hangsFrom)
    }

    mutating func kill(_ batch: BatchID, into actions: inout ActionList) {
        guard let record = state.batches[batch], record.phase != .copyingOut, !record.isBeingKilled else {
            preconditionFailure("only a batch that is on a lane can be killed, and only once")
        }
        precondition(state.devices[record.device].description.canKill, "only a device that can kill is asked to kill")
        state.batches.modify(batch) { $0.isBeingKilled = true }
        actions.append(.kill(batch))
    }

    /// Puts the requests of a batch that was killed back to their places.
    ///
    /// - Complexity: O(members · log waiting).
    mutating func killed(_ batch: BatchID, at now: Instant, into actions: inout ActionList) {
        guard let record = state.batches[batch], record.isBeingKilled, record.phase != .copyingOut else {
            preconditionFailure("only a batch on a lane that was to be killed can have been killed")
        }
        state.account(record.device, until: now)
        takeBack(record, lostDevice: false, at: now, into: &actions)
    }
}

extension SchedulerState {
    /// What is wrong with a batch that is paused or about to be killed, in words; nil when all is well.
    func brokenPreemption(_ batch: BatchRecord) -> String? {
        let description = devices[batch.device].description
        if batch.phase == .paused {
            if !description.canPause { return "paused on a device that cannot pause" }
            if !batch.wasPaused { return "paused, and yet it was never paused" }
            if batch.isHung || batch.hangsFrom < .never { return "taken for hung while it is paused" }
        }
        if batch.isBeingKilled, !description.canKill { return "to be killed on a device that cannot kill" }
        return nil
    }
}
