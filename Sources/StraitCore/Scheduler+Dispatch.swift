// SPDX-License-Identifier: Apache-2.0

// Batches: what the policy decides, carried out.

extension Scheduler {
    mutating func dispatch(at now: Instant, into actions: inout ActionList) {
        while state.devices.eligibleCount > 0 || (preempts && state.batches.liveCount > 0) {
            if let probe = state.pendingProbe, state.devices.eligibleCount > 0 {
                stageProbe(probe, at: now, into: &actions)
                continue
            }
            guard state.queues.waitingInAll > 0 || (preempts && state.batches.liveCount > 0) else { return }
            let decision = policy.decide(state, at: now)
            takeWeighing(at: now)
            switch decision {
            case .wait(let instant):
                explainWait(at: now)
                timer.policyWake = instant
                return
            case .pause(let batch): pause(batch, at: now, into: &actions)
            case .resume(let batch): resume(batch, at: now, into: &actions)
            case .kill(let batch): kill(batch, into: &actions)
            case .shedFirst(let queue): shedFirst(of: queue, at: now, into: &actions)
            case .dispatch(let dispatch):
                stage(dispatch, at: now, into: &actions)
            }
        }
    }

    mutating func stage(_ dispatch: Dispatch, at now: Instant, into actions: inout ActionList) {
        let test = ShedTest.passedOver(decisions?.chosenPrediction)
        for _ in 0..<dispatch.skipped { shedFirst(of: dispatch.queue, failing: test, at: now, into: &actions) }
        let work = state.queues[dispatch.queue].work
        let batch = open(work, on: dispatch.device, lane: dispatch.lane, at: now)
        let firstMember = actions.members.count
        join(batch, dispatch.count, from: dispatch.queue, into: &actions)
        if let filler = dispatch.filler {
            for _ in 0..<dispatch.fillerSkipped { shedFirst(of: filler, failing: test, at: now, into: &actions) }
            join(batch, dispatch.fillerCount, from: filler, into: &actions)
        }
        let members = firstMember..<actions.members.count
        stage(batch, members: members, dispatch.isOwed ? .floor : .policy, at: now, into: &actions)
    }

    /// Moves the first requests of a queue into a batch.
    mutating func join(_ batch: BatchID, _ count: Int, from queue: Int, into actions: inout ActionList) {
        let isHigh = state.queues[queue].key.requestClass == .high
        for _ in 0..<count {
            let entry = takeFirst(of: queue)
            state.requests.setState(.running(batch), of: entry.request)
            state.batches.modify(batch) {
                $0.members.append(entry.request)
                $0.rows += Int(entry.rows)
                if isHigh { $0.requestClass = .high }
            }
            actions.appendMember(entry.request)
        }
        // Once for all of them: what it works out is worth nothing in between.
        queueChanged(queue, headChanged: true)
    }

    mutating func open(_ work: WorkShape, on device: DeviceID, lane: LaneID, at now: Instant) -> BatchID {
        let copies = state.devices[device].description.copying != nil
        return state.batches.open(
            device: device, lane: lane, work: work, phase: copies ? .copyingIn : .running, at: now)
    }

    mutating func stageProbe(_ id: RequestID, at now: Instant, into actions: inout ActionList) {
        state.pendingProbe = nil
        guard let record = state.requests[id], let device = state.devices.freestDevice,
            let lane = state.devices[device].freeLane
        else { preconditionFailure("a pending probe is a live request, and it is staged only on a free lane") }
        let batch = open(record.request.work, on: device, lane: lane, at: now)
        state.requests.setState(.running(batch), of: id)
        state.batches.modify(batch) {
            $0.members.append(id)
            $0.rows = record.request.rows
            $0.requestClass = record.request.requestClass
            $0.isProbe = true
        }
        actions.appendMember(id)
        // Nobody was asked.
        decisions?.beginWeighing()
        stage(batch, members: actions.members.count - 1..<actions.members.count, .probe, at: now, into: &actions)
    }

    mutating func stage(
        _ batch: BatchID, members: Range<Int>, _ cause: StagedDecision.Cause, at now: Instant,
        into actions: inout ActionList
    ) {
        guard let record = state.batches[batch] else { preconditionFailure("a batch is staged right after it opens") }
        let device = record.device
        let solo = state.soloWork(record.work, rows: record.rows, on: device)
        let demand = state.profiles.demand(record.work, rows: record.rows, on: state.devices[device].description)
        state.batches.modify(batch) {
            $0.run.soloWork = solo
            $0.run.demand = demand
        }
        state.account(device, until: now)
        state.devices.occupy(device, lane: record.lane, with: batch)
        if record.phase == .running { state.refreshSpeeds(device) }
        if state.foresight != nil, let first = record.members.first {
            state.foresight?.stage(
                batch, ForeseenBatch(device: device, model: record.work.model, rows: record.rows, first: first))
        }
        let time = predictedTime(of: batch, on: device, at: now)
        let finish = now + time
        let hangsFrom = state.hangsFrom(time, record)
        state.batches.modify(batch) {
            $0.predictedFinish = finish
            $0.hangsFrom = hangsFrom
        }
        timer.noteHang(hangsFrom)
        explainStaging(record, time: time, cause, at: now)
        longestSolo = max(longestSolo * Self.longestFades, solo)
        state.traffic.noteDispatch(at: now, longest: longestSolo)
        actions.append(
            .stage(
                StagedBatch(
                    batch: batch, device: device, lane: record.lane, model: record.work.model, rows: record.rows,
                    members: members, predictedFinish: finish)))
    }

    /// How fast the longest batch is forgotten: by half within 700 batches.
    private static let longestFades = 0.999

    /// How long a batch that was just staged is expected to take, beside what is on its device.
    mutating func predictedTime(of batch: BatchID, on device: DeviceID, at now: Instant) -> Duration {
        predictor.load(state, device, at: now)
        return Duration(clamping: max(1, predictor.alone.last ?? 1))
    }
}
