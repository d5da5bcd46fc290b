// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitProtocol
internal import Synchronization

// What the engine notes under its lock for who asks later (docs/why.md). Without a history only seconds are counted.

extension Engine.State {
    /// The number of a request that comes now. Every one gets a number, also where nothing is remembered.
    mutating func nextNumber() -> UInt64 {
        numbered += 1
        return numbered
    }

    /// Remembers a request that comes now and has the newest number.
    mutating func remember(_ submission: Submission, _ id: RequestID?) {
        guard let label = history?.label(of: submission.model) else { return }
        history?.requests.append(
            PackedRequest(
                submission, id, label, waitingHigh: scheduler.waiting(.high), waitingLow: scheduler.waiting(.low)),
            clientID: submission.clientID)
    }

    /// Notes a request that never comes to the scheduler, and gives it a number.
    mutating func noteTurnedAway(
        _ submission: Submission, _ why: RequestEntry.TurnedAway, at now: Instant
    ) -> UInt64 {
        let number = nextNumber()
        remember(submission, nil)
        window.count(submission.model.id, submission.requestClass, at: now) {
            $0.arrived &+= 1
            $0.turnedAway &+= 1
        }
        history?.end(number, at: now) {
            $0.fate = .turnedAway
            $0.turnedAway = why
        }
        countRefused(RequestEnd(why), submission.requestClass, submission.model)
        return number
    }

    /// Notes an event before the scheduler takes it.
    mutating func noteEvent(_ event: Event, at now: Instant) {
        history?.beginStep(scheduler.decisions)
        switch event {
        case .copiedIn(let batch) where scheduler.state.batches.isLive(batch):
            history?.batches.change(batch) { $0.copiedIn = PackedSpan(from: $0.stagedAt, to: now) }
        case .kernelsDone(let batch) where scheduler.state.batches.isLive(batch):
            noteLaneFree(batch, at: now)
            history?.batches.change(batch) { $0.kernelsDone = PackedSpan(from: $0.stagedAt, to: now) }
        case .finished(let batch, let times): noteEnd(batch, .finished, times, at: now)
        case .failed(let batch): noteEnd(batch, .failed, nil, at: now)
        case .deviceRemoved(let device):
            for batch in scheduler.state.devices[device].resident {
                if history != nil { noteWaitingAgain(scheduler.state.batches[live: batch].members) }
                noteEnd(batch, .withdrawn, nil, at: now)
            }
        default: break
        }
    }

    /// Notes an event that the scheduler has taken, before its actions.
    mutating func noteStepped(_ event: Event, at now: Instant) {
        guard case .arrival(let request) = event else { return }
        window.count(request.work.model, request.requestClass, at: now) { $0.arrived &+= 1 }
        guard history != nil else { return }
        let test = scheduler.lastArrival
        history?.requests.change(numbered) {
            $0.seen = PackedSpan(from: $0.arrived, to: now)
            $0.note(test)
        }
    }

    /// Notes a batch that is staged.
    mutating func note(_ staged: StagedBatch, _ requestClass: RequestClass, at now: Instant) {
        window.count(staged.model, requestClass, at: now) {
            $0.batches &+= 1
            $0.rows &+= UInt32(truncatingIfNeeded: staged.rows)
        }
        guard let label = history?.label(of: models[staged.model.index].model) else { return }
        let members = actions.members[staged.members]
        let slots = self.slots
        let calibration = scheduler.state.calibrations[requestClass.rawValue]
        let batch = PackedBatch(
            stagedAt: now, firstRequest: members.first.map { slots.number(of: $0) } ?? 0, label: label,
            rows: UInt32(clamping: staged.rows), requests: UInt32(clamping: members.count),
            device: UInt16(clamping: staged.device.index), lane: UInt16(clamping: staged.lane.index),
            beside: UInt16(clamping: scheduler.state.devices[staged.device].resident.count - 1),
            requestClass: requestClass, cause: history?.cause(of: staged.batch, scheduler.decisions))
        let prediction = PredictedEnd(staged.predictedFinish, from: now, calibration)
        history?.stage(batch, staged.batch, prediction, members.lazy.map { slots.number(of: $0) })
    }

    /// Notes how a request ends.
    mutating func noteAnswer(
        _ slot: RequestSlots.Slot, _ id: RequestID, _ outcome: Outcome, _ reply: Reply, at now: Instant
    ) {
        let (model, requestClass) = (slot.submission.model.id, slot.submission.requestClass)
        switch (reply, outcome) {
        case (.answered(let answer), _):
            let isLate = answer.isLate
            window.count(model, requestClass, at: now) { if isLate { $0.late &+= 1 } else { $0.met &+= 1 } }
            history?.end(slot.number, at: now) { $0.fate = isLate ? .late : .met }
        case (.refused, .shed(let reason, let finish)):
            window.count(model, requestClass, at: now) { $0.note(reason) }
            let test = history?.test(of: id, scheduler.decisions)
            history?.end(slot.number, at: now) { $0.noteShed(reason, finish, test) }
        case (.refused, .cancelled):
            window.count(model, requestClass, at: now) { $0.cancelled &+= 1 }
            history?.end(slot.number, at: now) { $0.fate = .cancelled }
        case (.refused(let refusal), _):
            window.count(model, requestClass, at: now) { $0.failed &+= 1 }
            history?.fail(slot.number, refusal.error.message, at: now)
        }
    }

    // -- batches --------------------------------------------------------------------------------------------------

    private mutating func noteEnd(
        _ batch: BatchID, _ end: BatchEntry.End, _ times: MeasuredTimes?, at now: Instant
    ) {
        guard scheduler.state.batches.isLive(batch) else { return }
        if scheduler.state.batches[live: batch].phase != .copyingOut { noteLaneFree(batch, at: now) }
        history?.batches.change(batch) { $0.note(end, times, at: now) }
    }

    private mutating func noteLaneFree(_ batch: BatchID, at now: Instant) {
        let (device, lane) = (scheduler.state.batches[live: batch].device, scheduler.state.batches[live: batch].lane)
        window.noteBusy(device, lane, from: scheduler.state.batches[live: batch].stagedAt, to: now)
    }

    /// Requests whose batch is taken back wait again, unless they are answered right away.
    private mutating func noteWaitingAgain(_ requests: [RequestID]) {
        for id in requests { history?.requests.change(slots.number(of: id)) { $0.fate = .waiting } }
    }
}

extension TrafficWindow.Counts {
    fileprivate mutating func note(_ reason: ShedReason) {
        switch reason {
        case .hopelessOnArrival: hopelessOnArrival &+= 1
        case .hopelessInQueue: hopelessInQueue &+= 1
        case .queueFull: queueFull &+= 1
        case .modelQueueFull: modelQueueFull &+= 1
        case .modelUnloaded: unloaded &+= 1
        }
    }
}

extension Engine {
    /// Notes a request that is refused before it is submitted, and names it in its refusal.
    func turnAway(_ submission: Submission, _ why: RequestEntry.TurnedAway, _ refusal: Refusal) -> Refusal {
        refusal.naming(
            state.withLock { $0.noteTurnedAway(submission, why, at: max($0.scheduler.lastStep, clock.now())) })
    }
}
