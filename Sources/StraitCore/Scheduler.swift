// SPDX-License-Identifier: Apache-2.0

/// Decides what runs where and when, and what is refused.
///
/// A value: the same events at the same times give the same actions, on every machine. It is not thread-safe; whoever
/// has an event steps it under a lock and carries the actions out after releasing the lock.
public struct Scheduler: Sendable {
    package internal(set) var state: SchedulerState
    var policy: any Policy
    let shedding: Shedding
    let order: QueueOrder
    let soloLearning: SoloLearning
    let preempts: Bool
    /// The time of the last step, which the next cannot be before.
    package private(set) var lastStep = Instant(nanoseconds: .min)
    var timer = CoreTimer()
    var predictor = Predictor()
    /// About the longest solo time of the batches of late, nanoseconds: no opportunity is further away than that.
    var longestSolo = 0.0

    /// A scheduler without devices and models; they are added by events.
    public init(
        policy: PolicyName, limits: SchedulerLimits = SchedulerLimits(), options: SchedulerOptions = SchedulerOptions()
    ) {
        let policy = policy.policy(options)
        self.policy = policy
        self.shedding = policy.shedding
        self.order = policy.order
        self.soloLearning = policy.soloLearning
        self.preempts = policy.preemption != .none
        self.state = SchedulerState(limits: limits, options: options)
        state.highTakesLanes = policy.preemption == .kill
        if options.explanations > 0 { decisions = DecisionLog(capacity: options.explanations) }
    }

    /// The last decisions with what was known when they were made; nil unless explanations were asked for.
    package internal(set) var decisions: DecisionLog?
    /// What the last arrival was told by the test on arrival, whether it failed it or not; nil where it was put to none, or
    /// explanations were not asked for.
    package internal(set) var lastArrival: ArrivalTest?

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
        state.traffic.advance(to: now)
        if timer.nextHang <= now { noteHangs(at: now, into: &actions) }
        // What a device still reports of batches that were taken back with it is of no consequence.
        if event.batch.map(state.batches.isTakenBack) != true { carryOut(event, at: now, into: &actions) }
        timer.policyWake = .never
        dispatch(at: now, into: &actions)
        state.traffic.noteWaiting(state.queues.waitingInAll > 0)
        if let instant = timer.rearm() { actions.append(.setTimer(instant)) }
    }

    private mutating func carryOut(_ event: Event, at now: Instant, into actions: inout ActionList) {
        switch event {
        case .deviceAdded(let description): add(description, at: now)
        case .deviceRemoved(let device): remove(device, at: now, into: &actions)
        case .deviceReturned(let device): bringBack(device, at: now)
        case .modelAdded(let description): add(description, at: now)
        case .modelRemoved(let model): remove(model, at: now, into: &actions)
        case .arrival(let request): admit(request, at: now, into: &actions)
        case .cancelled(let request): cancel(request, into: &actions)
        case .copiedIn(let batch): copiedIn(batch, at: now)
        case .kernelsDone(let batch): kernelsDone(batch, at: now)
        case .finished(let batch, let times): finish(batch, times, at: now, into: &actions)
        case .failed(let batch): fail(batch, at: now, into: &actions)
        case .killed(let batch): killed(batch, at: now, into: &actions)
        case .timer:
            timer.armed = .never
            shedHopeless(at: now, into: &actions)
        }
    }

    mutating func add(_ device: DeviceDescription, at now: Instant) {
        state.devices.add(device)
        state.speeds.add()
        state.transfers.append(device.copying.map { (TransferModel($0), TransferModel($0)) })
        state.devices.modify(DeviceID(index: state.devices.all.count - 1)) { $0.accountedUntil = now }
    }

    mutating func add(_ model: ModelDescription, at now: Instant) {
        precondition(model.maximumBatch > 0, "a model takes at least one row")
        let id = nextModel
        let record = ModelRecord(description: model, lastCompletion: now)
        if state.freeModels.popLast() != nil {
            state.models[id.index] = record
            state.profiles.replace(id, by: model.profile, maximumBatch: model.maximumBatch)
        } else {
            state.models.append(record)
            state.profiles.add(model.profile, maximumBatch: model.maximumBatch)
            state.traffic.addModel()
        }
        for curve in state.profiles.profile(of: id)?.curves ?? [] {
            for point in curve.points {
                let bytes = state.profiles.bytes(id, rows: point.rows)
                let transfer = state.transfers.compactMap(\.self).first
                let copies =
                    (transfer?.copyIn.expectedTime(bytes: bytes.copyIn, model: id) ?? .zero)
                    + (transfer?.copyOut.expectedTime(bytes: bytes.copyOut, model: id) ?? .zero)
                state.estimator.seed(
                    WorkShape(model: id, bucket: curve.bucket), rows: point.rows, time: point.kernelTime + copies)
            }
        }
    }
}
