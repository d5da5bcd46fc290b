// SPDX-License-Identifier: Apache-2.0

// Batches: their way through a device, their end, and what is learned from it.

extension Scheduler {
    mutating func copiedIn(_ batch: BatchID, at now: Instant) {
        guard let record = state.batches[batch], record.phase == .copyingIn else {
            preconditionFailure("only a batch that is copying in can have been copied in")
        }
        state.account(record.device, until: now)
        state.devices.leaveCopyStage(record.device, batch)
        state.batches.modify(batch) { $0.phase = .running }
        state.refreshSpeeds(record.device)
    }

    mutating func kernelsDone(_ batch: BatchID, at now: Instant) {
        guard let record = state.batches[batch], record.phase == .running || record.phase == .paused
        else {
            preconditionFailure("only a running batch's kernels can be done")
        }
        state.account(record.device, until: now)
        state.devices.leaveLane(record.device, lane: record.lane)
        state.batches.modify(batch) {
            $0.phase = .copyingOut
            $0.kernelsDoneAt = now
        }
        if record.phase == .paused { endPause(record, at: now) }
        state.refreshSpeeds(record.device)
    }

    mutating func finish(
        _ batch: BatchID, _ times: MeasuredTimes, at now: Instant, into actions: inout ActionList
    ) {
        if let device = state.batches[batch]?.device { state.account(device, until: now) }
        guard let record = state.batches[batch] else {
            preconditionFailure("only a staged batch can finish, and only once")
        }
        // Not the clock alone: a driver's may be coarser than its device's. Nor the time that was predicted: what is
        // believed goes into predictions, and would grow on itself.
        let times = times.believed(within: max(now - record.stagedAt, state.shortestHang(of: record.work)))
        // What was paused took as long as the pause.
        if !record.wasPaused {
            learn(from: record, times, at: now)
            if times.total > .zero { policy.noteFinished(record, times, state) }
        }
        release(record, at: now)
        for id in record.members {
            guard let member = state.requests[id] else { continue }
            let inTime = now <= member.request.deadline
            state.traffic.noteEnd(member.request, missed: !inTime, wasHopeless: false)
            end(member.request, as: inTime ? \.met : \.late)
            actions.append(.answer(id, inTime ? .met : .late))
        }
    }

    mutating func fail(_ batch: BatchID, at now: Instant, into actions: inout ActionList) {
        guard let record = state.batches[batch] else {
            preconditionFailure("only a staged batch can fail, and only once")
        }
        state.account(record.device, until: now)
        release(record, at: now)
        for id in record.members {
            guard let member = state.requests[id] else { continue }
            end(member.request, as: \.failed)
            actions.append(.answer(id, .failed))
        }
    }

    /// Takes a batch that has ended off its device.
    mutating func vacate(_ record: BatchRecord) {
        if record.phase != .copyingOut { state.devices.leaveLane(record.device, lane: record.lane) }
        state.devices.leave(record.device, record.id, wasHung: record.isHung)
        state.batches.close(record.id)
        state.refreshSpeeds(record.device)
    }

    mutating func release(_ record: BatchRecord, at now: Instant) {
        vacate(record)
        state.noteCompletion(of: record.work.model, wasProbe: record.isProbe, at: now)
        freeNumberIfGone(record.work.model)
    }

    mutating func learn(from record: BatchRecord, _ times: MeasuredTimes, at now: Instant) {
        let time: Duration
        switch soloLearning {
        case .raw: time = times.total
        case .corrected:
            // The slow-down that the model sees in the overlap, taken out again.
            let overlap = (state.interference.theta * record.run.overlap).sum() / max(1, record.run.elapsed)
            time = times.copyIn + times.copyOut + times.kernels * max(0.1, 1 - max(0, overlap))
        case .profiled:
            time = state.profiles.profile(of: record.work.model) == nil ? times.total : .zero
        }
        state.estimator.learn(
            record.work, rows: record.rows, time: time, on: record.device, replacing: record.isProbe)
        state.learnInterference(record, took: times.kernels)
        learnTransfer(record, times)
        let z = record.z(at: now)
        let index = record.requestClass.rawValue
        state.watchdog.note(withinBound: z <= state.calibrations[index].q95, at: now)
        state.calibrate(z, requestClass: index, model: record.work.model)
    }

    mutating func learnTransfer(_ record: BatchRecord, _ times: MeasuredTimes) {
        let bytes = state.profiles.bytes(record.work.model, rows: record.rows)
        let model = record.work.model
        state.transfers[record.device.index]?.copyIn.learn(bytes: bytes.copyIn, model: model, took: times.copyIn)
        state.transfers[record.device.index]?.copyOut.learn(bytes: bytes.copyOut, model: model, took: times.copyOut)
    }
}
