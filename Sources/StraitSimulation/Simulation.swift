// SPDX-License-Identifier: Apache-2.0

// StraitSimulation: drives the scheduler with virtual time against simulated devices: scenarios, arrivals, the checks
// that every run has to pass, and what comes of a run in figures.

package import StraitCore
internal import StraitFormats
internal import VirtualAccelerator

/// One run of a scenario under a policy. The same scenario, policy and seed give the same result, byte for byte.
package struct Simulation: Sendable {
    private let scenario: Scenario
    private let setup: PolicySetup
    private let seed: UInt64
    private let arrivals: [Arrival]
    private var clients: Clients
    var scheduler: Scheduler
    private var accelerator: VirtualAccelerator
    var checker: RunChecker
    private var metrics: Metrics
    private var actions = ActionList()
    private var deviceEvents: [AcceleratorEvent] = []
    private var batches: [BatchInFlight] = []
    private var freeSlots: [RequestID] = []
    private var slots: UInt32 = 0
    private var timer = Instant.never
    /// For each request slot its last request's place among all arrivals.
    private var arrivalOfSlot: [Truth.Origin] = []
    private(set) var now = Instant.zero
    private var steps = 0
    private let stepsBetweenInspections: Int
    /// Sees each step of the run: when, what happened, what the scheduler did about it. Returns a rule that is broken, or
    /// nil.
    package typealias Watch = @Sendable (Instant, Event, ActionList) -> String?
    private let watch: Watch?
    /// What it is recorded on; nil where nobody wants a recording.
    var tape: RecordingTape?

    /// Steps between two inspections of the scheduler's tables, which cost as much as many thousand steps.
    package static let usualInspection = 50_000

    /// Runs a scenario to its end.
    ///
    /// - Parameters:
    ///   - stepsBetweenInspections: how often all of the scheduler's tables are checked; 1 for after each step.
    ///   - watch: a rule beside those that every run is checked for.
    /// - Throws: `brokenRule` if the scheduler or the device breaks a rule, with the last events; `badPlan` if the
    ///   scenario makes no sense.
    package static func run(
        _ scenario: Scenario, _ setup: PolicySetup, seed: UInt64, stepsBetweenInspections: Int = usualInspection,
        watch: Watch? = nil
    ) throws(SimulationError) -> RunResult {
        try scenario.validate()
        var simulation = Simulation(
            scenario, setup, seed: seed, stepsBetweenInspections: stepsBetweenInspections, watch: watch)
        try simulation.run()
        return simulation.result
    }

    /// What has come of the run.
    var result: RunResult { metrics.result(of: scenario, setup, seed: seed) }

    init(
        _ scenario: Scenario, _ setup: PolicySetup, seed: UInt64, stepsBetweenInspections: Int = usualInspection,
        watch: Watch? = nil
    ) {
        self.scenario = scenario
        self.setup = setup
        self.seed = seed
        self.stepsBetweenInspections = stepsBetweenInspections
        self.watch = watch
        arrivals = scenario.arrivals(seed: seed)
        clients = Clients(scenario, seed: seed)
        scheduler = setup.makeScheduler(for: scenario, seed: seed)
        accelerator = scenario.accelerator(seed: seed)
        checker = RunChecker(devices: scenario.devices, lanes: setup.lanes)
        metrics = Metrics(scenario)
    }

    mutating func run() throws(SimulationError) {
        for _ in 0..<scenario.devices {
            try step(.deviceAdded(scenario.deviceDescription(lanes: setup.lanes)), as: .added)
        }
        let joins = scenario.models.map { $0.joins.instant(in: scenario.duration) }
        var joined = 0
        var position = 0
        while true {
            let drawnAt = position < arrivals.count ? arrivals[position].at : .never
            let arrivalAt = min(drawnAt, clients.next, joined < joins.count ? joins[joined] : .never)
            let deviceAt = accelerator.nextEvent.map { Instant(nanoseconds: $0) } ?? .never
            let next = min(arrivalAt, deviceAt, timer)
            // Once nothing comes and nothing runs, a timer for those that still wait is all that can happen.
            guard next < .never, arrivalAt < .never || checker.live > 0 else { break }
            // A policy that asks to be woken but never decides would go on for ever.
            if next > .zero + scenario.duration + Self.patience { break }
            now = max(now, next)
            while joined < joins.count, joins[joined] <= now {
                try step(.modelAdded(scenario.modelDescription(joined, seed: seed)), as: .added)
                joined += 1
            }
            if deviceAt <= next {
                try advanceDevices()
            } else if timer <= next {
                timer = .never
                try step(.timer, as: .timer)
            } else if drawnAt <= next {
                try arrive(arrivals[position], index: position)
                position += 1
            } else if clients.next <= next, let sent = clients.take() {
                try arrive(sent.arrival, index: sent.index, group: sent.group)
            }
        }
        if let rule = checker.brokenAtEnd(scheduler, jobs: accelerator.liveJobs) ?? scheduler.brokenInvariant() {
            throw broken(rule)
        }
    }

    /// How long after the last arrival a run may go on. Ten thousand waiting batches of 30 ms are done by then.
    private static let patience = Duration.seconds(600)

    private mutating func arrive(
        _ arrival: Arrival, index: Int, group: Int? = nil
    ) throws(SimulationError) {
        let id: RequestID
        if let free = freeSlots.popLast() {
            id = free
        } else {
            id = RequestID(slot: slots, generation: 0)
            slots += 1
        }
        let deadline = now + arrival.deadline
        let live = LiveRequest(
            id: id, index: index, model: arrival.model, requestClass: arrival.requestClass, rows: arrival.rows,
            group: group, arrivedAt: now, deadline: deadline)
        checker.arrived(live)
        metrics.arrived(live)
        let request = Request(
            id: id, work: WorkShape(model: ModelID(index: arrival.model), bucket: arrival.bucket),
            shape: ShapeID(number: arrival.shape), requestClass: arrival.requestClass, rows: arrival.rows,
            deadline: deadline)
        tape?.arrived(request, at: now)
        let origin = Truth.Origin(arrival: index, isHigh: arrival.requestClass == .high)
        while arrivalOfSlot.count <= Int(id.slot) { arrivalOfSlot.append(origin) }
        arrivalOfSlot[Int(id.slot)] = origin
        try step(.arrival(request), as: .arrival(id.slot))
    }

    private mutating func advanceDevices() throws(SimulationError) {
        deviceEvents.removeAll(keepingCapacity: true)
        accelerator.advance(to: now.nanoseconds, into: &deviceEvents)
        for event in deviceEvents {
            if try changePresence(event.kind) { continue }
            let batch = batches[event.job].batch
            switch event.kind {
            case .copiedIn:
                tape?.copiedIn(batch, at: now)
                guard scenario.copies else { continue }
                try step(.copiedIn(batch), as: .copiedIn(batch.slot))
            case .kernelsDone:
                tape?.kernelsDone(batch, at: now)
                guard scenario.copies else { continue }
                checker.leaveLane(device: batches[event.job].device, lane: batches[event.job].lane)
                try step(.kernelsDone(batch), as: .kernelsDone(batch.slot))
            case .finished(let times):
                let measured = MeasuredTimes(
                    copyIn: Duration(nanoseconds: times.copyIn), kernels: Duration(nanoseconds: times.kernels),
                    copyOut: Duration(nanoseconds: times.copyOut))
                if !scenario.copies {
                    checker.leaveLane(device: batches[event.job].device, lane: batches[event.job].lane)
                }
                metrics.finished(batches[event.job], measured, at: now)
                tape?.ended(batch, .finished, at: now)
                try step(.finished(batch, measured), as: .finished(batch.slot))
            case .killed(let times):
                if let rule = checker.killed(batch.slot) { throw broken(rule) }
                checker.leaveLane(device: batches[event.job].device, lane: batches[event.job].lane)
                metrics.killed(batches[event.job], after: Duration(nanoseconds: times.kernels))
                tape?.ended(batch, .killed, at: now)
                try step(.killed(batch), as: .killed(batch.slot))
            case .dropped, .deviceLost, .deviceReturned: break
            }
        }
    }

    mutating func step(_ event: Event, as note: RunChecker.Note) throws(SimulationError) {
        checker.note(note, at: now)
        if setup.policy == .oracle { scheduler.foresee(Truth(accelerator, arrivals: arrivalOfSlot, at: now)) }
        scheduler.step(event, at: now, into: &actions)
        if setup.policy == .oracle { scheduler.foresee(nil) }
        if let rule = watch?(now, event, actions) { throw broken(rule) }
        for action in actions.actions {
            switch action {
            case .setTimer(let instant): timer = instant
            case .answer(let id, let outcome):
                checker.note(.answer(id.slot), at: now)
                guard let live = checker.live(id) else {
                    throw broken("request \(id.slot) is answered, but nobody waits for it")
                }
                if let rule = checker.answered(live, outcome, at: now) { throw broken(rule) }
                metrics.answered(live, outcome, at: now)
                tape?.answered(id, outcome, at: now)
                freeSlots.append(RequestID(slot: id.slot, generation: id.generation &+ 1))
                if let group = live.group { clients.answered(group: group, isServed: live.isRunning, at: now) }
            case .stage(let staged): try stage(staged)
            case .pause(let batch), .resume(let batch), .kill(let batch): try stop(batch, action)
            }
        }
        tape?.stepEnded()
        steps += 1
        if steps % stepsBetweenInspections == 0, let rule = scheduler.brokenInvariant() { throw broken(rule) }
    }

    private mutating func stage(_ staged: StagedBatch) throws(SimulationError) {
        checker.note(.stage(staged.batch.slot), at: now)
        let members = actions.members[staged.members]
        if let rule = checker.staged(staged, members: members, at: now) { throw broken(rule) }
        guard let first = members.first, let leader = checker.live(first) else {
            throw broken("batch \(staged.batch.slot) has no members")
        }
        let slot = Int(staged.batch.slot)
        let requestClass = scheduler.state.batches[staged.batch]?.requestClass ?? leader.requestClass
        let batch = BatchInFlight(
            batch: staged.batch, device: staged.device.index, lane: staged.lane.index, rows: staged.rows,
            model: staged.model.index, requestClass: requestClass, stagedAt: now,
            predictedFinish: staged.predictedFinish,
            calibration: scheduler.state.calibrations[requestClass.rawValue])
        while batches.count <= slot { batches.append(batch) }
        batches[slot] = batch
        tape?.staged(staged, requestClass, batch.calibration, at: now)
        accelerator.submit(
            Job(
                id: slot, device: staged.device.index, model: staged.model.index, rows: staged.rows,
                noiseKey: UInt64(leader.index), isHigh: requestClass == .high),
            at: now.nanoseconds)
    }

    /// Stops a batch, lets it go on, or kills it.
    private mutating func stop(_ batch: BatchID, _ action: Action) throws(SimulationError) {
        checker.note(.stop(action), at: now)
        if let rule = checker.stopped(action) { throw broken(rule) }
        let job = Int(batch.slot)
        switch action {
        case .pause: accelerator.pause(job: job, at: now.nanoseconds)
        case .resume: accelerator.resume(job: job, at: now.nanoseconds)
        case .kill: accelerator.kill(job: job, at: now.nanoseconds)
        case .stage, .answer, .setTimer: break
        }
    }

    private func broken(_ what: String) -> SimulationError {
        SimulationError(
            .brokenRule,
            "\(what), at \(now.nanoseconds) ns in scenario \(scenario.name) (load \(scenario.offeredLoad), "
                + "\(scenario.arrivalsName), \(scenario.physics.rawValue)), policy \(setup.name), seed \(seed). "
                + "The last events:\n\(checker.history)To see more of them:\n  "
                + Replay(scenario, setup, seed: seed, until: now).command)
    }
}

/// A batch between its staging and its end.
struct BatchInFlight: Sendable {
    var batch: BatchID
    var device: Int
    var lane: Int
    var rows: Int
    var model: Int
    var requestClass: RequestClass
    var stagedAt: Instant
    var predictedFinish: Instant
    /// What its bounds followed from when it was staged.
    var calibration: Calibration
}
