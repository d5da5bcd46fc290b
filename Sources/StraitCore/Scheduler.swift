// SPDX-License-Identifier: Apache-2.0

/// Decides what runs where and when, and what is refused.
///
/// A value: the same events at the same times give the same actions, on every machine. It is not thread-safe; whoever
/// has an event steps it under a lock and carries the actions out after releasing the lock.
public struct Scheduler: Sendable {
    package private(set) var state: SchedulerState
    private var policy: any Policy
    private let shedsHopeless: Bool
    private let order: QueueOrder
    private var lastStep = Instant(nanoseconds: .min)
    private var sheddingClock = SheddingClock()

    /// A scheduler without devices and models; they are added by events.
    public init(policy: PolicyName, limits: SchedulerLimits = SchedulerLimits()) {
        let policy = policy.policy
        self.policy = policy
        self.shedsHopeless = type(of: policy).shedsHopeless
        self.order = type(of: policy).order
        self.state = SchedulerState(limits: limits)
    }

    /// The totals of a class.
    public func counters(of requestClass: RequestClass) -> ClassCounters { state.counters[requestClass.rawValue] }

    /// Requests that wait, of one class.
    public func waiting(_ requestClass: RequestClass) -> Int { state.queues.waiting[requestClass.rawValue] }

    /// The expected device time of a batch alone on a device, as learned so far.
    public func expectedTime(_ work: WorkShape, rows: Int) -> Duration {
        state.estimator.expectedTime(work, rows: rows)
    }

    /// Takes note of an event and decides what follows from it.
    ///
    /// - Parameters:
    ///   - event: what happened.
    ///   - now: when; a time before the previous step's counts as that step's.
    ///   - actions: emptied first; then holds what to do, in order.
    /// - Complexity: O(log waiting) for an arrival that finds no lane free; with a free lane O(queues in which something
    ///   waits) for each batch dispatched. No allocation once tables have grown to their working size.
    public mutating func step(_ event: Event, at now: Instant, into actions: inout ActionList) {
        actions.removeAll()
        lastStep = max(lastStep, now)
        let now = lastStep
        switch event {
        case .deviceAdded(let description): state.devices.add(description)
        case .modelAdded(let description):
            precondition(description.maximumBatch > 0, "a model takes at least one row")
            state.models.append(ModelRecord(description: description, lastCompletion: now))
        case .arrival(let request): admit(request, at: now, into: &actions)
        case .cancelled(let request): cancel(request, into: &actions)
        case .copiedIn(let batch): copiedIn(batch)
        case .kernelsDone(let batch): kernelsDone(batch)
        case .finished(let batch, let times): finish(batch, times, at: now, into: &actions)
        case .failed(let batch): fail(batch, at: now, into: &actions)
        case .timer:
            sheddingClock.armed = .never
            shedHopeless(at: now, into: &actions)
        }
        dispatch(at: now, into: &actions)
        if let instant = sheddingClock.rearm() { actions.append(.setTimer(instant)) }
    }

    // -- arrivals and departures ----------------------------------------------------------------------------------

    private mutating func admit(_ request: Request, at now: Instant, into actions: inout ActionList) {
        precondition(
            request.work.model.index < state.models.count, "a request names a model that was added")
        let model = request.work.model.index
        precondition(
            request.rows > 0 && request.rows <= state.models[model].description.maximumBatch,
            "a request has between one row and its model's largest batch")
        state.arrivals += 1
        state.counters[request.requestClass.rawValue].arrived += 1
        if let reason = state.reasonForNoRoom(request) {
            return refuse(request, reason, predictedFinish: state.leastFinish(of: request, at: now), into: &actions)
        }
        if shedsHopeless {
            let finish = state.leastFinish(of: request, at: now)
            if finish > request.deadline {
                guard state.mayProbe(request, at: now) else {
                    return refuse(request, .hopelessOnArrival, predictedFinish: finish, into: &actions)
                }
                state.requests.insert(request, state: .probing)
                state.pendingProbe = request.id
                return
            }
        }
        enqueue(request, at: now)
    }

    private mutating func refuse(
        _ request: Request, _ reason: ShedReason, predictedFinish: Instant, into actions: inout ActionList
    ) {
        state.counters[request.requestClass.rawValue].shed += 1
        state.noteShed(of: request.work.model)
        actions.append(.answer(request.id, .shed(reason, predictedFinish: predictedFinish)))
    }

    private mutating func enqueue(_ request: Request, at now: Instant) {
        let entry = QueueEntry(
            key: order == .deadline ? request.deadline : now, sequence: state.arrivals, request: request.id,
            rows: Int32(request.rows))
        let key = QueueKey(model: request.work.model, shape: request.shape, requestClass: request.requestClass)
        let (queue, position) = state.queues.insert(entry, key: key, work: request.work)
        state.requests.insert(
            request, state: .waiting(queue: queue, key: entry.key, sequence: entry.sequence))
        state.models[request.work.model.index].waiting += 1
        queueChanged(queue, headChanged: position == 0)
    }

    private mutating func cancel(_ id: RequestID, into actions: inout ActionList) {
        // A cancellation that crosses the answer finds nothing here, and that is fine.
        guard let record = state.requests[id] else { return }
        switch record.state {
        case .free: return
        case .probing: state.pendingProbe = nil
        case .running(let batch): state.batches.modify(batch) { $0.members.removeAll { $0 == id } }
        case .waiting(let queue, let key, let sequence):
            let position = state.queues.remove(from: queue, key: key, sequence: sequence)
            state.models[record.request.work.model.index].waiting -= 1
            queueChanged(queue, headChanged: position == 0)
        }
        end(record.request, as: \.cancelled)
        actions.append(.answer(id, .cancelled))
    }

    // -- batches --------------------------------------------------------------------------------------------------

    private mutating func dispatch(at now: Instant, into actions: inout ActionList) {
        while state.devices.eligibleCount > 0 {
            if let probe = state.pendingProbe {
                stageProbe(probe, at: now, into: &actions)
                continue
            }
            guard state.queues.waitingInAll > 0 else { return }
            switch policy.decide(state, at: now) {
            case .wait: return
            case .shedFirst(let queue): shedFirst(of: queue, at: now, into: &actions)
            case .dispatch(let queue, let count, let device, let lane):
                let batch = open(state.queues[queue].work, on: device, lane: lane, at: now)
                let firstMember = actions.members.count
                for _ in 0..<count {
                    let entry = takeFirst(of: queue)
                    state.requests.setState(.running(batch), of: entry.request)
                    state.batches.modify(batch) {
                        $0.members.append(entry.request)
                        $0.rows += Int(entry.rows)
                    }
                    actions.appendMember(entry.request)
                }
                stage(batch, members: firstMember..<actions.members.count, at: now, into: &actions)
            }
        }
    }

    private mutating func open(_ work: WorkShape, on device: DeviceID, lane: LaneID, at now: Instant) -> BatchID {
        let copies = state.devices[device].description.copying != nil
        return state.batches.open(
            device: device, lane: lane, work: work, phase: copies ? .copyingIn : .running, at: now)
    }

    private mutating func stageProbe(_ id: RequestID, at now: Instant, into actions: inout ActionList) {
        state.pendingProbe = nil
        guard let record = state.requests[id], let device = state.devices.freestDevice,
            let lane = state.devices[device].freeLane
        else { preconditionFailure("a pending probe is a live request, and it is staged only on a free lane") }
        let batch = open(record.request.work, on: device, lane: lane, at: now)
        state.requests.setState(.running(batch), of: id)
        state.batches.modify(batch) {
            $0.members.append(id)
            $0.rows = record.request.rows
            $0.isProbe = true
        }
        actions.appendMember(id)
        stage(batch, members: actions.members.count - 1..<actions.members.count, at: now, into: &actions)
    }

    private mutating func stage(
        _ batch: BatchID, members: Range<Int>, at now: Instant, into actions: inout ActionList
    ) {
        guard let record = state.batches[batch] else { preconditionFailure("a batch is staged right after it opens") }
        let finish = now + state.estimator.expectedTime(record.work, rows: record.rows)
        state.batches.modify(batch) { $0.predictedFinish = finish }
        state.devices.occupy(record.device, lane: record.lane, with: batch)
        actions.append(
            .stage(
                StagedBatch(
                    batch: batch, device: record.device, lane: record.lane, model: record.work.model,
                    rows: record.rows, members: members, predictedFinish: finish)))
    }

    private mutating func copiedIn(_ batch: BatchID) {
        guard let record = state.batches[batch], record.phase == .copyingIn else {
            preconditionFailure("only a batch that is copying in can have been copied in")
        }
        state.devices.leaveCopyStage(record.device, batch)
        state.batches.modify(batch) { $0.phase = .running }
    }

    private mutating func kernelsDone(_ batch: BatchID) {
        guard let record = state.batches[batch], record.phase == .running else {
            preconditionFailure("only a running batch's kernels can be done")
        }
        state.devices.leaveLane(record.device, lane: record.lane)
        state.batches.modify(batch) { $0.phase = .copyingOut }
    }

    private mutating func finish(
        _ batch: BatchID, _ times: MeasuredTimes, at now: Instant, into actions: inout ActionList
    ) {
        guard let record = state.batches[batch] else {
            preconditionFailure("only a staged batch can finish, and only once")
        }
        state.estimator.learn(
            record.work, rows: record.rows, time: times.total, on: record.device, replacing: record.isProbe)
        release(record, at: now)
        for id in record.members {
            guard let member = state.requests[id] else { continue }
            let inTime = now <= member.request.deadline
            end(member.request, as: inTime ? \.met : \.late)
            actions.append(.answer(id, inTime ? .met : .late))
        }
    }

    private mutating func fail(_ batch: BatchID, at now: Instant, into actions: inout ActionList) {
        guard let record = state.batches[batch] else {
            preconditionFailure("only a staged batch can fail, and only once")
        }
        release(record, at: now)
        for id in record.members {
            guard let member = state.requests[id] else { continue }
            end(member.request, as: \.failed)
            actions.append(.answer(id, .failed))
        }
    }

    private mutating func release(_ record: BatchRecord, at now: Instant) {
        if record.phase != .copyingOut { state.devices.leaveLane(record.device, lane: record.lane) }
        state.devices.leave(record.device, record.id)
        state.batches.close(record.id)
        state.noteCompletion(of: record.work.model, wasProbe: record.isProbe, at: now)
    }

    // -- shedding -------------------------------------------------------------------------------------------------

    private mutating func shedHopeless(at now: Instant, into actions: inout ActionList) {
        guard shedsHopeless else { return }
        sheddingClock.earliest = .never
        // Backwards, because a queue that empties gives its place to the last one.
        for position in state.queues.active.indices.reversed() {
            let queue = state.queues.active[position]
            while let first = state.queues[queue].first,
                state.hopelessInstant(of: first, work: state.queues[queue].work) <= now
            {
                shedFirst(of: queue, at: now, into: &actions)
            }
            if let first = state.queues[queue].first {
                sheddingClock.note(state.hopelessInstant(of: first, work: state.queues[queue].work))
            }
        }
    }

    private mutating func shedFirst(of queue: Int, at now: Instant, into actions: inout ActionList) {
        let entry = takeFirst(of: queue)
        guard let record = state.requests[entry.request] else {
            preconditionFailure("what stands in a queue is a live request")
        }
        let finish = max(
            now + state.estimator.expectedTime(record.request.work, rows: record.request.rows),
            record.request.deadline)
        state.requests.remove(entry.request)
        refuse(record.request, .hopelessInQueue, predictedFinish: finish, into: &actions)
    }

    // -- bookkeeping ----------------------------------------------------------------------------------------------

    private mutating func takeFirst(of queue: Int) -> QueueEntry {
        let entry = state.queues.removeFirst(of: queue)
        state.models[state.queues[queue].work.model.index].waiting -= 1
        queueChanged(queue, headChanged: true)
        return entry
    }

    private mutating func queueChanged(_ queue: Int, headChanged: Bool) {
        let work = state.queues[queue].work
        state.queues.setQueuedTime(state.timeInBatches(work, rows: state.queues[queue].rows), of: queue)
        if shedsHopeless, headChanged, let first = state.queues[queue].first {
            sheddingClock.note(state.hopelessInstant(of: first, work: work))
        }
    }

    private mutating func end(_ request: Request, as counter: WritableKeyPath<ClassCounters, Int>) {
        state.counters[request.requestClass.rawValue][keyPath: counter] += 1
        state.requests.remove(request.id)
    }
}
