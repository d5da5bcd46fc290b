// SPDX-License-Identifier: Apache-2.0

// StraitServing: the live engine. It drives the scheduler with a real clock and real devices, keeps the models, answers
// each request once, and drains. Both transports stand on it.

package import StraitCore
package import StraitDevices
internal import StraitFormats
internal import StraitPlatform
internal import StraitProtocol
internal import Synchronization

/// Drives the scheduler: takes requests in, hands batches to the lanes of its devices, gives answers back.
///
/// Whichever thread has an event, a network thread or a lane, steps the scheduler under the one lock and carries the
/// actions out after releasing it. An arrival that finds no free lane wakes nobody; a lane that finishes takes its next
/// batch itself; and a short batch may be run by the thread that brought its request (``InlineBudget``). What may take long, such as probing a device that failed, is done on a thread of its own.
package final class Engine: Sendable {
    let state: Mutex<State>
    /// The devices, by the scheduler's numbers.
    package let devices: [any Device]
    let clock: any EngineClock
    let policy: PolicyName
    let limits: SchedulerLimits
    let log: @Sendable (LogLine) -> Void
    let calendar = EngineCalendar()
    private let timer: any EngineTimer
    /// Calls for what may take long.
    let upkeep: any EngineTimer
    /// Accepted requests whose answer was not handed over yet. Raised under the lock, and never while draining.
    let unanswered = Atomic(0)
    /// Whether new requests are refused. Set under the lock.
    let isDraining = Atomic(false)

    struct State {
        var scheduler: Scheduler
        var actions = ActionList()
        var slots = RequestSlots()
        var shapes = ShapeNumbers()
        /// The models, by the scheduler's numbers.
        var models: [ModelEntry] = []
        /// Models that are gone but for a batch that hangs, and whose numbers others have.
        var leaving: [ModelEntry] = []
        var modelsAdded: UInt64 = 0
        var devices: [DeviceHealth]
        /// Who wants to know when all accepted requests are answered.
        var drains: [@Sendable () -> Void] = []
        var hasLearned = false
        /// What is recorded; nil where nobody wants a recording, which then costs nothing.
        var tape: RecordingTape?
        /// Requests that were given a number.
        var numbered: UInt64 = 0
        /// What is remembered so that it can be told why; nil where nothing is.
        var history: DecisionHistory?
        /// What happened in the last seconds.
        var window: TrafficWindow
        /// What is counted for the metrics; nil where nobody wants them, which then cost nothing.
        var meter: EngineMeter?
        /// Which batches are run by the threads that bring requests.
        var inline: InlineBudget
    }

    /// An engine for devices of one kind. Add models, then call ``start()``.
    ///
    /// - Parameters:
    ///   - interference: what co-runners' slow-downs are predicted with.
    ///   - devices: at least one; they share the models' profiles, so their ``DeviceIdentity/kind`` is the same.
    ///   - upkeep: calls when a device is to be probed or a model to be freed, on a thread that may be blocked.
    ///   - decisions: how many of the last requests are remembered so that it can be told what became of them; 0 for none.
    ///   - isMetered: whether it counts for ``metrics()``.
    ///   - inlineLimit: the longest batch, as expected, that may be run by the thread which submits the request, if it may
    ///     compute; zero for none.
    ///   - log: told when a device goes or comes back.
    package init(
        policy: PolicyName, interference: EstimatorName = .kalman, limits: SchedulerLimits = SchedulerLimits(),
        devices: [any Device], clock: any EngineClock = SystemClock(), timer: any EngineTimer = TimerThread(),
        upkeep: any EngineTimer = TimerThread(name: "upkeep"), decisions: Int = 0, isMetered: Bool = true,
        inlineLimit: Duration = .zero, log: @escaping @Sendable (LogLine) -> Void = { _ in }
    ) {
        precondition(!devices.isEmpty, "an engine has a device")
        var options = SchedulerOptions()
        options.estimator = interference
        options.explanations = DecisionHistory.decisions(for: decisions)
        var state = State(
            scheduler: Scheduler(policy: policy, limits: limits, options: options),
            devices: Array(repeating: DeviceHealth(), count: devices.count),
            history: decisions > 0 ? DecisionHistory(capacity: decisions) : nil,
            window: TrafficWindow(lanes: devices.map(\.laneCount), at: clock.now()),
            meter: isMetered ? EngineMeter(devices: devices.count) : nil,
            inline: InlineBudget(limit: inlineLimit, at: clock.now()))
        for device in devices {
            let description = DeviceDescription(lanes: device.laneCount, copying: device.copying)
            state.scheduler.step(.deviceAdded(description), at: clock.now(), into: &state.actions)
        }
        self.state = Mutex(state)
        self.devices = devices
        self.clock = clock
        self.timer = timer
        self.upkeep = upkeep
        self.policy = policy
        self.limits = limits
        self.log = log
    }

    /// An engine for one device.
    package convenience init(
        policy: PolicyName, interference: EstimatorName = .kalman, limits: SchedulerLimits = SchedulerLimits(),
        device: any Device, clock: any EngineClock = SystemClock(), timer: any EngineTimer = TimerThread()
    ) {
        self.init(
            policy: policy, interference: interference, limits: limits, devices: [device], clock: clock, timer: timer)
    }

    /// Starts the lanes and the timers.
    package func start() {
        for device in devices { device.start(driver: self) }
        timer.start { [weak self] in self?.step(.timer) }
        upkeep.start { [weak self] in self?.maintain() }
    }

    /// Ends the lanes and the timers. What is still waiting is never answered, so drain first. A device that still holds
    /// what was taken back from it is left alone: its lanes may hang, and nobody waits for what they do.
    package func stop() {
        upkeep.stop()
        timer.stop()
        let held = state.withLock { $0.devices.map(\.batches) }
        for (device, batches) in zip(devices, held) where batches == 0 { device.stop() }
    }

    /// The time, as the engine's deadlines count it.
    package func now() -> Instant { clock.now() }

    // -- requests -------------------------------------------------------------------------------------------------

    /// Lets a thread do something later.
    package typealias Later = (@escaping @Sendable () -> Void) -> Void

    /// Hands a request to the scheduler.
    ///
    /// - Parameters:
    ///   - later: given work by a thread that may compute, does it on that thread when it has taken in what else has come;
    ///     nil for a thread that is not to compute. The work may call completions.
    ///   - completion: called exactly once, on any thread, possibly before this returns. It must not block.
    /// - Returns: what to cancel the request by.
    @discardableResult
    package func submit(
        _ submission: Submission, later: Later? = nil, completion: @escaping @Sendable (Reply) -> Void
    ) -> RequestID? {
        var effects = Effects()
        var inline: DeviceBatch?
        let model = submission.model
        let accepted = state.withLock { state -> Result<RequestID, Refusal> in
            guard !isDraining.load(ordering: .relaxed) else {
                return .failure(Self.draining.naming(state.noteTurnedAway(submission, .draining, at: clock.now())))
            }
            guard state.models[model.id.index].takesRequests(of: model) else {
                let number = state.noteTurnedAway(submission, .unloading, at: clock.now())
                return .failure(Self.unloading(model).naming(number))
            }
            unanswered.add(1, ordering: .relaxed)
            state.models[model.id.index].unanswered += 1
            let id = state.slots.insert(submission, state.nextNumber(), completion)
            state.remember(submission, id)
            let request = Request(
                id: id, work: WorkShape(model: model.id, elementsPerRow: submission.elementsPerRow),
                shape: state.shapes.number(of: submission), requestClass: submission.requestClass,
                rows: submission.rows, deadline: submission.deadline)
            step(.arrival(request), &state, into: &effects)
            if later != nil { inline = state.takeInline(&effects, devices) }
            return .success(id)
        }
        carryOut(effects)
        if let inline, let later { later { [self] in devices[inline.device.index].runInline(inline) } }
        switch accepted {
        case .success(let id): return id
        case .failure(let refusal):
            completion(.refused(refusal))
            return nil
        }
    }

    private static let draining = Refusal(ProtocolError(.unavailable, "the server is draining; ask another one"))

    private static func unloading(_ model: ServedModel) -> Refusal {
        Refusal(ProtocolError(.unavailable, "model '\(model.specification.name)' is being unloaded"))
    }

    /// Takes a request back because its client went away. One that is answered already, or about to be, is left alone.
    package func cancel(_ id: RequestID) { step(.cancelled(id)) }

    // -- steps ----------------------------------------------------------------------------------------------------

    /// What is to be done after the lock is released.
    struct Effects {
        var replies: [(completion: @Sendable (Reply) -> Void, reply: Reply)] = []
        var starts: [DeviceBatch] = []
        var timer: Instant?
        /// When something is to be done that may take long; never for not at all.
        private(set) var upkeep = Instant.never
        var lines: [LogLine] = []

        /// Something is to be done that may take long.
        mutating func needUpkeep(at instant: Instant) { upkeep = min(upkeep, instant) }
    }

    /// The batch that an event is about, with its results.
    typealias Ended = (batch: DeviceBatch, result: Result<BatchResult, DeviceError>)

    func step(_ event: Event) {
        var effects = Effects()
        state.withLock { step(event, &$0, into: &effects) }
        carryOut(effects)
    }

    /// Steps the scheduler under the lock and turns its actions into effects. A device that is found to hang by it is
    /// taken out of service.
    ///
    /// - Parameter ended: the batch that the event is about.
    func step(_ event: Event, _ state: inout State, ended: Ended? = nil, into effects: inout Effects) {
        // Never goes back, whatever the clock does; and is read under the lock for the same reason.
        let now = max(state.scheduler.lastStep, clock.now())
        take(event, at: now, &state, ended: ended, into: &effects)
        while let device = state.hangingDevice {
            remove(device, .hung, &state, at: now, into: &effects)
        }
    }

    /// Steps the scheduler once.
    func take(_ event: Event, at now: Instant, _ state: inout State, ended: Ended? = nil, into effects: inout Effects) {
        if state.tape != nil { state.record(event, at: now) }
        state.noteEvent(event, at: now)
        decide(event, at: now, &state)
        state.noteStepped(event, at: now)
        for action in state.actions.actions {
            switch action {
            case .setTimer(let instant): effects.timer = instant
            case .stage(let staged):
                let requestClass = state.scheduler.state.batches[staged.batch]?.requestClass ?? .low
                if state.tape != nil { state.record(staged, requestClass, at: now) }
                state.note(staged, requestClass, at: now)
                effects.starts.append(makeBatch(staged, requestClass, &state, at: now))
            case .pause, .resume, .kill:
                preconditionFailure("no policy that a server runs preempts: PolicyName.live leaves those out")
            case .answer(let id, let outcome):
                state.tape?.answered(id, outcome, at: now)
                let slot = state.slots.remove(id)
                let reply = reply(to: slot, id, outcome, ended, at: now)
                state.noteAnswer(slot, id, outcome, reply, at: now)
                let model = slot.submission.model.id
                let row = state.models[model.index].row
                state.meter?.note(RequestEnd(outcome, reply), slot.submission, row: row, at: now)
                state.models[model.index].statistics.note(
                    reply, arrived: slot.submission.arrived, now: now,
                    calendarMilliseconds: MonotonicClock.calendarMilliseconds())
                state.models[model.index].unanswered -= 1
                if state.models[model.index].isUnloading { effects.needUpkeep(at: now) }
                effects.replies.append((slot.completion, reply))
            }
        }
        state.tape?.stepEnded()
    }

    private func makeBatch(
        _ staged: StagedBatch, _ requestClass: RequestClass, _ state: inout State, at now: Instant
    ) -> DeviceBatch {
        let parts = state.actions.members[staged.members].map { id in
            let submission = state.slots.stage(id, at: now, predictedFinish: staged.predictedFinish)
            return DeviceBatch.Part(request: id, rows: submission.rows, inputs: submission.inputs)
        }
        state.devices[staged.device.index].batches += 1
        state.models[staged.model.index].batches += 1
        state.meter?.noteStaged(rows: staged.rows, row: state.models[staged.model.index].row)
        let model = state.models[staged.model.index].model
        return DeviceBatch(
            batch: staged.batch, device: staged.device, lane: staged.lane, modelID: staged.model,
            model: model.onDevices[staged.device.index], isBatchable: model.specification.maxBatchSize > 0,
            requestClass: requestClass, parts: parts)
    }

    func carryOut(_ effects: consuming Effects) {
        // Lanes first: they have the most to do.
        for batch in effects.starts { devices[batch.device.index].run(batch, on: batch.lane) }
        if let instant = effects.timer { timer.set(instant) }
        if effects.upkeep < .never { upkeep.set(effects.upkeep) }
        for (completion, reply) in effects.replies { completion(reply) }
        if !effects.replies.isEmpty { noteAnswered(effects.replies.count) }
        for line in effects.lines { log(line) }
    }
}
