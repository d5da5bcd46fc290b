// SPDX-License-Identifier: Apache-2.0

// StraitServing: the live engine. It drives the scheduler with a real clock and real devices, keeps the models, answers
// each request once, and drains. Both transports stand on it.

package import StraitCore
package import StraitDevices
package import StraitFormats
internal import StraitPlatform
package import StraitProtocol
internal import Synchronization

/// Drives the scheduler: takes requests in, hands batches to lanes, gives answers back.
///
/// Whichever thread has an event, a network thread or a lane, steps the scheduler under the one lock and carries the
/// actions out after releasing it. An arrival that finds no free lane wakes nobody; a lane that finishes takes its next
/// batch itself.
package final class Engine: Sendable {
    let state: Mutex<State>
    let device: any Device
    let clock: any EngineClock
    let policy: PolicyName
    let limits: SchedulerLimits
    private let timer: any EngineTimer
    /// Accepted requests whose answer was not handed over yet. Raised under the lock, and never while draining.
    let unanswered = Atomic(0)
    /// Whether new requests are refused. Set under the lock.
    let isDraining = Atomic(false)

    struct State {
        var scheduler: Scheduler
        var actions = ActionList()
        var slots = RequestSlots()
        var shapes = ShapeNumbers()
        var models: [ServedModel] = []
        /// By the numbers of the models, as the two around it.
        var service: [ModelService] = []
        /// How many models were ever added.
        var modelsAdded: UInt64 = 0
        var statistics: [ModelStatistics] = []
        /// Who wants to know when all accepted requests are answered.
        var drains: [@Sendable () -> Void] = []
        var hasLearned = false
        /// What is recorded; nil where nobody wants a recording, which then costs nothing.
        var tape: RecordingTape?
    }

    /// An engine for one device. Add models, then call ``start()``.
    ///
    /// - Parameter interference: what co-runners' slow-downs are predicted with.
    package init(
        policy: PolicyName, interference: EstimatorName = .kalman, limits: SchedulerLimits = SchedulerLimits(),
        device: any Device, clock: any EngineClock = SystemClock(), timer: any EngineTimer = TimerThread()
    ) {
        var options = SchedulerOptions()
        options.estimator = interference
        var state = State(scheduler: Scheduler(policy: policy, limits: limits, options: options))
        let description = DeviceDescription(lanes: device.laneCount, copying: device.copying)
        state.scheduler.step(.deviceAdded(description), at: clock.now(), into: &state.actions)
        self.state = Mutex(state)
        self.device = device
        self.clock = clock
        self.timer = timer
        self.policy = policy
        self.limits = limits
    }

    /// Starts the lanes and the timer.
    package func start() {
        device.start(driver: self)
        timer.start { [weak self] in self?.step(.timer) }
    }

    /// Ends the lanes and the timer. What is still waiting is never answered, so drain first.
    package func stop() {
        timer.stop()
        device.stop()
    }

    /// The time, as the engine's deadlines count it.
    package func now() -> Instant { clock.now() }

    // -- models ---------------------------------------------------------------------------------------------------

    /// Takes a loaded model into service.
    ///
    /// - Parameters:
    ///   - key: by what it is known from one run to the next.
    ///   - profile: what was measured of it beforehand.
    package func add(
        _ specification: ModelSpecification, loaded: LoadedModel, key: ModelKey? = nil, profile: ModelProfile? = nil
    ) -> ServedModel {
        let (model, effects) = state.withLock { state -> (ServedModel, Effects) in
            state.modelsAdded += 1
            let model = ServedModel(
                id: state.scheduler.nextModel, serial: state.modelsAdded, specification: specification,
                loaded: loaded, key: key, profile: profile)
            state.enter(model)
            let description = ModelDescription(
                maximumBatch: max(1, specification.maxBatchSize), maximumQueued: specification.maxQueueSize,
                profile: profile)
            // As any event: a lane may be found to hang just now, and what waits may be given up.
            return (model, step(.modelAdded(description), at: now(after: state.scheduler.lastStep), &state))
        }
        carryOut(effects)
        return model
    }

    /// What has been counted for a model.
    package func statistics(of model: ServedModel) -> ModelStatistics {
        state.withLock { state in
            guard state.models[model.id.index].serial == model.serial else {
                return ModelStatistics(name: model.specification.name, version: model.specification.version)
            }
            return state.statistics[model.id.index]
        }
    }

    /// What has been counted for a class.
    package func counters(of requestClass: RequestClass) -> ClassCounters {
        state.withLock { $0.scheduler.counters(of: requestClass) }
    }

    /// All that was learned while serving, to be kept.
    ///
    /// - Complexity: O(models), under the engine's lock: some microseconds.
    package func learned() -> LearnedState { state.withLock { $0.scheduler.learned } }

    /// All that was learned while serving, and by its numbers the models; nil where nothing is left of one.
    package func learnedOfModels() -> (learned: LearnedState, models: [ServedModel?]) {
        state.withLock { state in
            let models = state.models.indices.map { index -> ServedModel? in
                state.service[index].isServing ? state.models[index] : nil
            }
            return (state.scheduler.learned, models)
        }
    }

    /// Takes up what was learned before, with the models in the order in which they were added here.
    ///
    /// - Throws: what the scheduler finds wrong with it; then nothing has changed.
    package func restore(_ learned: LearnedState) throws(LearnedState.Refusal) {
        try state.withLock { (state) throws(LearnedState.Refusal) in
            try state.scheduler.restore(learned)
            state.hasLearned = true
        }
    }

    // -- requests -------------------------------------------------------------------------------------------------

    /// Hands a request to the scheduler.
    ///
    /// - Parameter completion: called exactly once, on any thread, possibly before this returns. It must not block.
    /// - Returns: what to cancel the request by.
    @discardableResult
    package func submit(_ submission: Submission, completion: @escaping @Sendable (Reply) -> Void) -> RequestID? {
        let accepted = state.withLock { state -> (id: RequestID, effects: Effects)? in
            guard !isDraining.load(ordering: .relaxed), state.begin(submission.model) else { return nil }
            unanswered.add(1, ordering: .relaxed)
            let id = state.slots.insert(submission, completion)
            let model = submission.model.id
            let request = Request(
                id: id, work: WorkShape(model: model, elementsPerRow: submission.elementsPerRow),
                shape: state.shapes.number(of: submission), requestClass: submission.requestClass,
                rows: submission.rows, deadline: submission.deadline)
            return (id, step(.arrival(request), at: now(after: state.scheduler.lastStep), &state))
        }
        guard let accepted else {
            let reason =
                isDraining.load(ordering: .relaxed)
                ? "the server is draining; ask another one"
                : "model '\(submission.model.specification.name)' was unloaded meanwhile"
            completion(.refused(Refusal(ProtocolError(.unavailable, reason))))
            return nil
        }
        carryOut(accepted.effects)
        return accepted.id
    }

    /// Takes a request back because its client went away. One that is answered already, or about to be, is left alone.
    package func cancel(_ id: RequestID) { step(.cancelled(id)) }

    // -- the scheduler's actions ----------------------------------------------------------------------------------

    /// What is to be done after the lock is released.
    struct Effects {
        var replies: [(completion: @Sendable (Reply) -> Void, reply: Reply)] = []
        var starts: [DeviceBatch] = []
        var timer: Instant?
        /// Models that were to be retired and of which nothing is left.
        var retired: [ServedModel] = []
    }

    /// The time for a step, which never goes back, whatever the clock does. Read under the lock for the same reason.
    func now(after lastStep: Instant) -> Instant { max(lastStep, clock.now()) }

    private func step(_ event: Event) {
        let effects = state.withLock { step(event, at: now(after: $0.scheduler.lastStep), &$0) }
        carryOut(effects)
    }

    /// Steps the scheduler under the lock and turns its actions into effects.
    ///
    /// - Parameter ended: the batch that the event is about, with its results.
    func step(
        _ event: Event, at now: Instant, _ state: inout State,
        ended: (batch: DeviceBatch, result: Result<BatchResult, DeviceError>)? = nil
    ) -> Effects {
        var effects = Effects()
        if state.tape != nil { state.record(event, at: now) }
        state.scheduler.step(event, at: now, into: &state.actions)
        for action in state.actions.actions {
            switch action {
            case .setTimer(let instant): effects.timer = instant
            case .stage(let staged):
                if state.tape != nil { state.record(staged, at: now) }
                effects.starts.append(makeBatch(staged, &state, at: now))
            case .pause, .resume, .kill:
                preconditionFailure("no policy that a server runs preempts: PolicyName.live leaves those out")
            case .answer(let id, let outcome):
                state.tape?.answered(id, outcome, at: now)
                let slot = state.slots.remove(id)
                let reply = reply(to: slot, id, outcome, ended, at: now)
                state.statistics[slot.submission.model.id.index].note(
                    reply, arrived: slot.submission.arrived, now: now,
                    calendarMilliseconds: MonotonicClock.calendarMilliseconds())
                effects.replies.append((slot.completion, reply))
                if state.endRequest(of: slot.submission.model.id) { effects.retired.append(slot.submission.model) }
            }
        }
        if let batch = ended?.batch, state.endBatch(of: batch.modelID) {
            effects.retired.append(state.models[batch.modelID.index])
        }
        state.tape?.stepEnded()
        return effects
    }

    private func makeBatch(_ staged: StagedBatch, _ state: inout State, at now: Instant) -> DeviceBatch {
        let parts = state.actions.members[staged.members].map { id in
            let submission = state.slots.stage(id, at: now, predictedFinish: staged.predictedFinish)
            return DeviceBatch.Part(request: id, rows: submission.rows, inputs: submission.inputs)
        }
        let model = state.models[staged.model.index]
        state.service[staged.model.index].openBatches += 1
        return DeviceBatch(
            batch: staged.batch, device: staged.device, lane: staged.lane, modelID: staged.model, model: model.loaded,
            isBatchable: model.specification.maxBatchSize > 0,
            requestClass: state.scheduler.state.batches[staged.batch]?.requestClass ?? .low, parts: parts)
    }

    private func reply(
        to slot: RequestSlots.Slot, _ id: RequestID, _ outcome: Outcome,
        _ ended: (batch: DeviceBatch, result: Result<BatchResult, DeviceError>)?, at now: Instant
    ) -> Reply {
        let submission = slot.submission
        switch outcome {
        case .met, .late, .failed:
            guard let ended, let part = ended.batch.parts.firstIndex(where: { $0.request == id }) else {
                preconditionFailure("only the end of a batch ends a request so, and only its own")
            }
            do {
                let result = try ended.result.get()
                let timing = Timing(
                    queue: slot.stagedAt - submission.arrived, copy: result.times.copyIn + result.times.copyOut,
                    compute: result.times.kernels, predicted: slot.predictedFinish - submission.arrived)
                // Of a batch that was split the scheduler knows only that it failed; this request may have results.
                let outputs = try result.outputs[part].get()
                return .answered(
                    Answer(
                        outputs: outputs, isLate: now > submission.deadline, timing: timing,
                        isSynthetic: device.isSynthetic))
            } catch {
                return .refused(Refusal(ProtocolError(.failedInternally, error.message)))
            }
        case .cancelled:
            return .refused(Refusal(ProtocolError(.cancelled, "the client went away")))
        case .shed(let reason, let finish):
            return .refused(
                Refusal(
                    reason, arrived: submission.arrived, deadline: submission.deadline, predictedFinish: finish,
                    now: now))
        }
    }

    func carryOut(_ effects: consuming Effects) {
        // Lanes first: they have the most to do.
        for batch in effects.starts { device.run(batch, on: batch.lane) }
        if let instant = effects.timer { timer.set(instant) }
        for (completion, reply) in effects.replies { completion(reply) }
        if !effects.replies.isEmpty { noteAnswered(effects.replies.count) }
        for model in effects.retired { endRetirement(of: model) }
    }
}

extension Engine: LaneDriver {
    package func copiedIn(_ batch: DeviceBatch) { step(.copiedIn(batch.batch)) }

    package func kernelsDone(_ batch: DeviceBatch) { step(.kernelsDone(batch.batch)) }

    /// The device is given no more batches once it hangs or fails; what it holds it reports.
    package func deviceLost(_ device: any Device, _ reason: DeviceError) {}

    package func laneFinished(_ batch: DeviceBatch, _ result: Result<BatchResult, DeviceError>) -> DeviceBatch? {
        var effects = state.withLock { state in
            let now = now(after: state.scheduler.lastStep)
            switch result {
            case .success(let success) where success.wasSplit:
                // Nothing is learned from its times. To the scheduler all of it has failed; replies tell the truth.
                return step(.failed(batch.batch), at: now, &state, ended: (batch, result))
            case .success(let success):
                // Nothing a device measures takes longer than the batch was gone, and answers are told it, too.
                let stagedAt = state.scheduler.state.batches[batch.batch]?.stagedAt ?? now
                let times = success.times.believed(within: now - stagedAt)
                state.statistics[batch.modelID.index].note(batch, times)
                let result = BatchResult(outputs: success.outputs, times: times)
                return step(.finished(batch.batch, times), at: now, &state, ended: (batch, .success(result)))
            case .failure:
                return step(.failed(batch.batch), at: now, &state, ended: (batch, result))
            }
        }
        // A device that copies has given the lane away when the kernels were done.
        let takesOwn = device.copying == nil
        let own = effects.starts.firstIndex { takesOwn && $0.lane == batch.lane }.map { effects.starts.remove(at: $0) }
        carryOut(effects)
        return own
    }
}
