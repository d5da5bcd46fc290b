// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// A seeded generator, so that a failing seed fails again (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// What truly becomes of a batch.
struct BatchFate {
    /// How long its phases take. A device that does not copy goes through the kernels alone.
    var times: MeasuredTimes
    /// The phase at whose end it fails; nil if it does not.
    var failsIn: BatchPhase?
    /// What its device says that its phases took; nil for the truth.
    var measured: MeasuredTimes?
}

/// A virtual machine around a scheduler: virtual time, lanes whose batches take the true times that the test sets, and
/// a watch over every action. What breaks first is recorded, and then nothing more happens.
struct Harness {
    var scheduler: Scheduler
    var now = Instant.zero
    /// How long a batch truly takes.
    var trueTime: (StagedBatch) -> Duration = { _ in .milliseconds(10) }
    /// Whether a batch fails.
    var fails: (StagedBatch) -> Bool = { _ in false }
    /// What becomes of a batch in all detail, instead of the two above.
    var fate: ((StagedBatch) -> BatchFate)?
    /// How late the timer comes.
    var timerDelay = Duration.zero
    /// What goes before every message, such as a seed.
    var label = ""

    private(set) var outcomes: [RequestID: Outcome] = [:]
    private(set) var answeredAt: [RequestID: Instant] = [:]
    /// Every batch in the order of dispatch, with when, and who was in it.
    private(set) var batches: [(at: Instant, batch: StagedBatch, members: [RequestID])] = []
    private(set) var requests: [RequestID: Request] = [:]
    /// What broke first.
    private(set) var broken: String?

    /// A batch on a device, with what is still to happen to it.
    private struct Running {
        var batch: StagedBatch
        var events: [(at: Instant, event: Event)]
        var holdsLane = true
        /// Whether its inputs are there.
        var hasStarted: Bool
        /// Since when it is paused, while it is.
        var pausedAt: Instant?
        var isBeingKilled = false
        /// Whether its device was removed; it is reported all the same, as late as it ends.
        var isTakenBack = false

        /// When something happens to it.
        var next: Instant { pausedAt == nil ? events[0].at : .never }
    }

    /// How long a kill takes.
    var killTime = Duration.microseconds(50)
    /// What became of batches that were stopped, to know that everything does somewhere.
    private(set) var stops: [(action: Action, at: Instant)] = []
    private(set) var killed: [BatchID] = []
    /// How many reports came of batches that were taken back.
    private(set) var lateReports = 0

    private var running: [Running] = []
    private var copies: [Bool] = []
    private var timer: Instant?
    private var freeSlots: [RequestID] = []
    private var slots: UInt32 = 0
    private var actions = ActionList()

    init(
        policy: PolicyName = .edfPriority, lanes: [Int] = [1], models: [ModelDescription] = [.init(maximumBatch: 8)],
        limits: SchedulerLimits = SchedulerLimits(), copies: Bool = false,
        options: SchedulerOptions = SchedulerOptions(), canStop: Bool = false
    ) {
        scheduler = Scheduler(policy: policy, limits: limits, options: options)
        for count in lanes { addDevice(lanes: count, copies: copies, canPause: canStop, canKill: canStop) }
        for model in models { step(.modelAdded(model)) }
    }

    mutating func addDevice(lanes: Int, copies isCopying: Bool, canPause: Bool = false, canKill: Bool = false) {
        copies.append(isCopying)
        let copying = isCopying ? CopyDescription(overhead: .microseconds(10), bytesPerSecond: 1e10) : nil
        step(.deviceAdded(DeviceDescription(lanes: lanes, copying: copying, canPause: canPause, canKill: canKill)))
    }

    /// Steps the scheduler and carries out its actions, checking each.
    ///
    /// - Parameter instant: what the scheduler is told that the time is; a driver's clock may go back.
    mutating func step(_ event: Event, at instant: Instant? = nil) {
        guard broken == nil else { return }
        if case .deviceRemoved(let device) = event { takeBack(device) }
        scheduler.step(event, at: instant ?? now, into: &actions)
        for action in actions.actions {
            switch action {
            case .setTimer(let instant): timer = instant + timerDelay
            case .answer(let id, let outcome):
                check(id, outcome)
                outcomes[id] = outcome
                answeredAt[id] = now
                freeSlots.append(RequestID(slot: id.slot, generation: id.generation + 1))
            case .stage(let batch):
                let members = Array(actions.members[batch.members])
                check(batch, members)
                batches.append((now, batch, members))
                running.append(
                    Running(batch: batch, events: course(of: batch), hasStarted: !copies[batch.device.index]))
            case .pause(let batch), .resume(let batch), .kill(let batch): stop(batch, action)
            }
        }
        // What was learned changes only when a batch has ended.
        var wrong = scheduler.brokenTable()
        if wrong == nil, case .finished = event { wrong = scheduler.brokenEstimate() }
        if let wrong { fail("\(wrong), after \(event)") }
    }

    /// A device is removed: what is on it still ends some time, but for what stands still.
    private mutating func takeBack(_ device: DeviceID) {
        running.removeAll { $0.batch.device == device && $0.pausedAt != nil }
        for index in running.indices where running[index].batch.device == device {
            running[index].holdsLane = false
            running[index].isTakenBack = true
        }
    }

    /// Stops a batch, lets it go on, or kills it.
    private mutating func stop(_ batch: BatchID, _ action: Action) {
        stops.append((action, now))
        guard let index = running.firstIndex(where: { $0.batch.batch == batch && $0.holdsLane }) else {
            return fail("\(action), but it is not on a lane")
        }
        let device = scheduler.state.devices[running[index].batch.device].description
        switch action {
        case .pause:
            guard running[index].pausedAt == nil, running[index].hasStarted, !running[index].isBeingKilled else {
                return fail("\(action), but it does not run")
            }
            if !device.canPause { fail("\(action), but its device cannot") }
            running[index].pausedAt = now
        case .resume:
            guard let since = running[index].pausedAt else { return fail("\(action), but it is not paused") }
            running[index].pausedAt = nil
            for event in running[index].events.indices {
                running[index].events[event].at = running[index].events[event].at + (now - since)
            }
        default:
            if running[index].isBeingKilled { fail("\(action), but it is being killed already") }
            if !device.canKill { fail("\(action), but its device cannot") }
            running[index].isBeingKilled = true
            let end = now + killTime
            // What leaves its lane before is not killed.
            let leaves = running[index].events.firstIndex {
                switch $0.event {
                case .copiedIn: false
                default: true
                }
            }
            if running[index].pausedAt == nil, let leaves, running[index].events[leaves].at <= end { return }
            let isPaused = running[index].pausedAt != nil
            running[index].events.removeAll { isPaused || $0.at > end }
            running[index].pausedAt = nil
            running[index].events.append((end, .killed(batch)))
        }
    }

    private mutating func fail(_ message: String) {
        guard broken == nil else { return }
        broken = message
        Issue.record("\(label)\(message), at \(now)")
    }

    private mutating func check(_ id: RequestID, _ outcome: Outcome) {
        guard let request = requests[id] else { return fail("\(id) was never asked") }
        if let before = outcomes[id] { fail("\(id) is answered twice: \(before), \(outcome)") }
        switch outcome {
        case .met: if now > request.deadline { fail("\(id) is met after its deadline") }
        case .late: if now <= request.deadline { fail("\(id) is late before its deadline") }
        case .shed(_, let predictedFinish): if predictedFinish < now { fail("\(id) is predicted in the past") }
        case .failed, .cancelled: break
        }
    }

    private mutating func check(_ batch: StagedBatch, _ members: [RequestID]) {
        if running.contains(where: { $0.holdsLane && $0.batch.device == batch.device && $0.batch.lane == batch.lane }) {
            fail("lane \(batch.lane) of \(batch.device) is booked twice")
        }
        if !scheduler.state.devices[batch.device].isServing {
            fail("\(batch) is staged on a device that hangs or is gone")
        }
        if scheduler.state.models[batch.model.index].stage != .served { fail("\(batch) is of a model that is removed") }
        if members.isEmpty || members.contains(where: { outcomes[$0] != nil }) { fail("\(batch) has dead members") }
        if members.reduce(0, { $0 + (requests[$1]?.rows ?? 0) }) != batch.rows { fail("\(batch) miscounts its rows") }
        if batch.predictedFinish < now { fail("\(batch) is predicted to finish in the past") }
    }

    /// What will happen to a batch that is staged now.
    private func course(of batch: StagedBatch) -> [(at: Instant, event: Event)] {
        let isCopying = copies[batch.device.index]
        let fate = fate?(batch) ?? plainFate(of: batch)
        let ends = isCopying ? [fate.times.copyIn, fate.times.kernels, fate.times.copyOut] : [fate.times.kernels]
        let measured =
            fate.measured
            ?? MeasuredTimes(
                copyIn: isCopying ? ends[0] : .zero, kernels: fate.times.kernels, copyOut: isCopying ? ends[2] : .zero)
        let phases: [(BatchPhase, Event)] =
            isCopying
            ? [
                (.copyingIn, .copiedIn(batch.batch)), (.running, .kernelsDone(batch.batch)),
                (.copyingOut, .finished(batch.batch, measured)),
            ]
            : [(.running, .finished(batch.batch, measured))]
        var events: [(at: Instant, event: Event)] = []
        var at = now
        for ((phase, event), time) in zip(phases, ends) {
            at = at + time
            let isLast = isCopying ? phase == fate.failsIn : fate.failsIn != nil
            events.append((at, isLast ? .failed(batch.batch) : event))
            if isLast { break }
        }
        return events
    }

    private func plainFate(of batch: StagedBatch) -> BatchFate {
        let time = trueTime(batch)
        let times = MeasuredTimes(copyIn: time * 0.2, kernels: time, copyOut: time * 0.2)
        return BatchFate(
            times: times, failsIn: fails(batch) ? copies[batch.device.index] ? .copyingOut : .running : nil)
    }

    /// A request arrives now; its deadline is given relative to now.
    @discardableResult
    mutating func arrive(
        _ requestClass: RequestClass, model: Int = 0, due deadline: Duration, rows: Int = 1, shape: UInt32 = 0,
        elements: Int = 1
    ) -> RequestID {
        let id = freeSlots.popLast() ?? RequestID(slot: slots, generation: 0)
        slots = max(slots, id.slot + 1)
        let request = Request(
            id: id, work: WorkShape(model: ModelID(index: model), elementsPerRow: elements),
            shape: ShapeID(number: shape), requestClass: requestClass, rows: rows, deadline: now + deadline)
        requests[id] = request
        step(.arrival(request))
        return id
    }

    /// Lets virtual time pass: batches end, the timer fires.
    mutating func advance(by duration: Duration) { advance(to: now + duration) }

    /// Lets virtual time pass until an instant.
    mutating func advance(to end: Instant) {
        while true {
            let index = running.indices.min { running[$0].next < running[$1].next }
            let nextEvent = index.map { running[$0].next } ?? .never
            let nextTimer = timer ?? .never
            guard min(nextEvent, nextTimer) <= end else { break }
            if nextTimer < nextEvent {
                now = max(now, nextTimer)
                timer = nil
                step(.timer)
            } else if let index {
                let (at, event) = running[index].events.removeFirst()
                now = max(now, at)
                if running[index].isTakenBack { lateReports += 1 }
                switch event {
                case .finished, .failed: running.remove(at: index)
                case .killed(let batch):
                    running.remove(at: index)
                    killed.append(batch)
                case .copiedIn: running[index].hasStarted = true
                case .kernelsDone: running[index].holdsLane = false
                default: break
                }
                step(event)
            }
        }
        now = max(now, end)
    }

    /// Runs until nothing waits or runs, or for an hour.
    mutating func drain() {
        let start = now
        while broken == nil, !running.isEmpty || scheduler.waiting(.high) + scheduler.waiting(.low) > 0 {
            advance(by: .seconds(1))
            guard now - start <= .seconds(3600) else { break }
        }
    }

    /// Teaches the scheduler a model's times at batch 1, with requests that are never in a hurry.
    mutating func teach(model: Int = 0, time: Duration, elements: Int = 1, completions: Int = 6) {
        let before = trueTime
        trueTime = { batch in batch.model.index == model ? time * Double(batch.rows) : before(batch) }
        for _ in 0..<completions {
            arrive(.high, model: model, due: .seconds(1000), elements: elements)
            advance(by: time * 2)
        }
        trueTime = before
    }
}
