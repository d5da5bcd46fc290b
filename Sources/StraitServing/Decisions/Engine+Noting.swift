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
        guard history != nil else { return }
        var entry = RequestEntry(
            number: numbered, id: id, clientID: RequestHistory.kept(submission.clientID),
            model: submission.model.specification.name, version: submission.model.specification.version,
            modelID: submission.model.id, requestClass: submission.requestClass, rows: submission.rows,
            arrived: submission.arrived, deadline: submission.deadline)
        entry.waitingHigh = scheduler.waiting(.high)
        entry.waitingLow = scheduler.waiting(.low)
        history?.requests.append(entry)
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
        history?.end(number, .turnedAway(why), at: now)
        countRefused(RequestEnd(why), submission.requestClass, submission.model)
        return number
    }

    /// Notes an event before the scheduler takes it.
    mutating func noteEvent(_ event: Event, at now: Instant) {
        history?.beginStep(scheduler.decisions)
        switch event {
        case .copiedIn(let batch) where scheduler.state.batches.isLive(batch):
            guard let number = history?.batches.number(of: batch) else { return }
            history?.batches.change(number) { $0.copiedInAt = now }
        case .kernelsDone(let batch) where scheduler.state.batches.isLive(batch):
            noteLaneFree(batch, at: now)
            guard let number = history?.batches.number(of: batch) else { return }
            history?.batches.change(number) { $0.kernelsDoneAt = now }
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
        let test = scheduler.lastArrival
        history?.requests.change(numbered) {
            $0.arrivalTest = test
            $0.seenAt = now
        }
    }

    /// Notes a batch that is staged.
    mutating func note(_ staged: StagedBatch, _ requestClass: RequestClass, at now: Instant) {
        window.count(staged.model, requestClass, at: now) {
            $0.batches &+= 1
            $0.rows &+= UInt32(truncatingIfNeeded: staged.rows)
        }
        guard let newest = history?.batches.newest else { return }
        let members = actions.members[staged.members]
        let calibration = scheduler.state.calibrations[requestClass.rawValue]
        var entry = BatchEntry(
            number: newest + 1, model: models[staged.model.index].model.specification.name,
            version: models[staged.model.index].model.specification.version,
            requestClass: requestClass, rows: staged.rows, requests: members.count,
            firstRequest: members.first.map { self.slots.number(of: $0) } ?? 0, device: staged.device.index,
            lane: staged.lane.index, beside: scheduler.state.devices[staged.device].resident.count - 1, cause: nil,
            stagedAt: now, predicted: PredictedEnd(staged.predictedFinish, from: now, calibration))
        entry.cause = history?.cause(of: staged.batch, scheduler.decisions)
        let slots = self.slots
        history?.stage(entry, staged.batch, members.lazy.map { slots.number(of: $0) })
    }

    /// Notes how a request ends.
    mutating func noteAnswer(
        _ slot: RequestSlots.Slot, _ id: RequestID, _ outcome: Outcome, _ reply: Reply, at now: Instant
    ) {
        let fate: RequestEntry.Fate
        switch (reply, outcome) {
        case (.answered(let answer), _): fate = .answered(isLate: answer.isLate)
        case (.refused, .shed(let reason, let finish)):
            let test = history?.test(of: id, scheduler.decisions)
            fate = .shed(reason, predictedFinish: finish, test: test)
        case (.refused, .cancelled): fate = .cancelled
        case (.refused(let refusal), _): fate = .failed(refusal.error.message)
        }
        window.count(slot.submission.model.id, slot.submission.requestClass, at: now) { $0.note(fate) }
        history?.end(slot.number, fate, at: now)
    }

    // -- batches --------------------------------------------------------------------------------------------------

    private mutating func noteEnd(
        _ batch: BatchID, _ end: BatchEntry.End, _ times: MeasuredTimes?, at now: Instant
    ) {
        guard scheduler.state.batches.isLive(batch) else { return }
        if scheduler.state.batches[live: batch].phase != .copyingOut { noteLaneFree(batch, at: now) }
        history?.end(batch, end, times, at: now)
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
    fileprivate mutating func note(_ fate: RequestEntry.Fate) {
        switch fate {
        case .answered(let isLate): if isLate { late &+= 1 } else { met &+= 1 }
        case .shed(.hopelessOnArrival, _, _): hopelessOnArrival &+= 1
        case .shed(.hopelessInQueue, _, _): hopelessInQueue &+= 1
        case .shed(.queueFull, _, _): queueFull &+= 1
        case .shed(.modelQueueFull, _, _): modelQueueFull &+= 1
        case .shed(.modelUnloaded, _, _): unloaded &+= 1
        case .failed: failed &+= 1
        case .cancelled: cancelled &+= 1
        case .turnedAway: turnedAway &+= 1
        case .waiting, .running: break
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
