// SPDX-License-Identifier: Apache-2.0

package import OnnxRuntime
internal import StraitCore
internal import StraitPlatform
package import StraitTensor
internal import Synchronization
internal import VirtualAccelerator

/// Virtual accelerators that were asked for together: simulated devices, one value behind one lock, and one thread that
/// sleeps until the next thing happens on any of them and tells it.
package final class VirtualGroup: Sendable {
    /// What was asked for.
    package let spec: VirtualSpec
    /// Its place among all groups of a server; what its devices call the uplink that they share.
    package let number: Int
    private let environment: Environment?
    let answers: SyntheticAnswers
    private let log: @Sendable (String) -> Void
    private let clock: @Sendable () -> Int64
    private let isThreaded: Bool
    private let state: Mutex<State>
    private let wakeup = Wakeup()

    private struct State {
        var accelerator: PacedAccelerator
        /// Loaded models, by their numbers.
        var models: [VirtualModel] = []
        /// What runs and on which of the devices, by their numbers for it.
        var jobs: [(batch: DeviceBatch, device: Int)?] = []
        var free: [Int] = []
        /// How many batches were ever given, which is what the luck of each depends on.
        var given: UInt64 = 0
        /// Whom each device tells, and what it calls itself.
        var drivers: [(driver: any LaneDriver, device: VirtualDevice)?]
        var users = 0
        var thread: SystemThread?
        /// Whether the thread is telling something, and will look again before it sleeps.
        var isTelling = false
        var errors = PacingErrors()
        var reportedAt: Int64
    }

    /// How often the log is told of pacing errors while there is something to tell.
    private static let reportInterval: Int64 = 60_000_000_000

    /// A group.
    ///
    /// - Parameters:
    ///   - environment: reads models' files where their configuration does not say their inputs and outputs; nil where
    ///     there is no ONNX Runtime.
    ///   - pool: where answers are.
    ///   - clock: the host's time in nanoseconds.
    ///   - isThreaded: whether it has a thread that calls ``look()`` in time; who says no does that himself.
    ///   - log: told of models' guessed times, and of pacing errors each minute.
    package init(
        _ spec: VirtualSpec, number: Int = 0, environment: Environment?, pool: SlabPool,
        clock: @escaping @Sendable () -> Int64 = { MonotonicClock.nanoseconds() }, isThreaded: Bool = true,
        log: @escaping @Sendable (String) -> Void
    ) {
        self.spec = spec
        self.number = number
        self.environment = environment
        self.log = log
        self.clock = clock
        self.isThreaded = isThreaded
        answers = SyntheticAnswers(pool: pool)
        let now = clock()
        let physics = VirtualAccelerator(spec.drilled, models: [], seed: spec.seed)
        state = Mutex(
            State(
                accelerator: PacedAccelerator(physics, speed: spec.speed, epoch: now),
                drivers: Array(repeating: nil, count: spec.count), reportedAt: now))
    }

    /// The devices.
    package func devices() -> [VirtualDevice] { (0..<spec.count).map { VirtualDevice(group: self, index: $0) } }

    /// How late the host has been so far.
    package var pacingErrors: PacingErrors { state.withLock { $0.errors } }

    // -- models ---------------------------------------------------------------------------------------------------

    /// Loads a model, once for all devices.
    func load(_ source: ModelSource) throws(DeviceError) -> LoadedModel {
        if let known = state.withLock({ $0.models.firstIndex { $0.source == source } }) { return loaded(known) }
        let model = try VirtualModel(source, on: spec, environment: environment)
        if !model.guesses.isEmpty { log("\(source.name): virtual times: \(model.guesses)") }
        return loaded(
            state.withLock { state in
                state.models.append(model)
                return state.accelerator.add(model.kernels)
            })
    }

    private func loaded(_ number: Int) -> LoadedModel {
        let model = state.withLock { $0.models[number] }
        return LoadedModel(
            number: number, inputs: model.interface.inputs, outputs: model.interface.outputs, metadata: model.metadata)
    }

    /// What a scheduler is told of a model.
    func profile(of model: LoadedModel) -> ModelProfile {
        state.withLock { $0.models[model.number] }.profile(hostSpan: spec.hostSpan)
    }

    /// How long a batch takes alone: computed, not waited for.
    func rehearse(_ batch: DeviceBatch) -> MeasuredTimes {
        let (model, made) = state.withLock { state in
            (state.models[batch.model.number].kernels, makeJob(0, batch, on: 0, &state))
        }
        var job = made
        job.model = 0
        var alone = VirtualAccelerator(spec.description, models: [model], seed: spec.seed)
        alone.submit(job, at: 0)
        var events: [AcceleratorEvent] = []
        while let next = alone.nextEvent { alone.advance(to: next, into: &events) }
        for event in events {
            if case .finished(let times) = event.kind { return measured(times) }
        }
        preconditionFailure("a job ends")
    }

    private func measured(_ times: ServiceTimes) -> MeasuredTimes {
        func span(_ span: Int64) -> Duration { Duration(nanoseconds: spec.hostSpan(span)) }
        return MeasuredTimes(
            copyIn: span(times.copyIn), kernels: span(times.kernels), copyOut: span(times.copyOut))
    }

    // -- batches --------------------------------------------------------------------------------------------------

    /// Takes a batch for one of the devices.
    func run(_ batch: DeviceBatch, on device: Int) {
        let isAsleep = state.withLock { state in
            let slot = state.free.popLast() ?? state.jobs.count
            if slot == state.jobs.count { state.jobs.append(nil) }
            state.jobs[slot] = (batch, device)
            let job = makeJob(slot, batch, on: device, &state)
            state.accelerator.submit(job, at: clock())
            return !state.isTelling
        }
        if isAsleep { wakeup.signal() }
    }

    private func makeJob(_ id: Int, _ batch: DeviceBatch, on device: Int, _ state: inout State) -> Job {
        defer { state.given &+= 1 }
        let rows = batch.isBatchable ? batch.rows : 1
        let source = state.models[batch.model.number].source
        var job = Job(
            id: id, device: device, model: batch.model.number, rows: rows, noiseKey: state.given,
            isHigh: batch.requestClass == .high)
        // What is on the wire, unless the model is declared to be larger.
        if spec.gpuClass != nil, source.virtualCosts.inputBytes == nil {
            job.bytesIn = batch.parts.reduce(0) { $0 + $1.inputs.reduce(0) { $0 + $1.range.count } }
        }
        return job
    }

    // -- the thread -----------------------------------------------------------------------------------------------

    /// Starts the devices' time and the thread with the first device.
    func start(_ device: Int, as itself: VirtualDevice, driver: any LaneDriver) {
        state.withLock { state in
            if state.users == 0 { state.accelerator.begin(at: clock()) }
            state.users += 1
            state.drivers[device] = (driver, itself)
            guard isThreaded, state.thread == nil else { return }
            state.thread = SystemThread(name: "virtual") { [self] in
                SystemThread.wakeOnTime()
                pace()
            }
        }
    }

    /// Ends the thread with the last device, when all that runs is done.
    func stop() {
        let (isLast, thread) = state.withLock { state in
            state.users -= 1
            guard state.users == 0 else { return (false, SystemThread?.none) }
            defer { state.thread = nil }
            return (true, state.thread)
        }
        guard isLast else { return }
        if let thread {
            wakeup.signal()
            thread.join()
        }
        // Who is told owns the devices, which own this.
        state.withLock { state in for device in state.drivers.indices { state.drivers[device] = nil } }
        answers.stop()
    }

    private func pace() {
        while true {
            let next = look()
            // A loss that is to come is nothing to wait for.
            if state.withLock({ $0.users == 0 && $0.accelerator.liveJobs == 0 }) { return }
            if let next { sleep(until: next) } else { wakeup.wait() }
        }
    }

    /// Tells all that has happened until now.
    ///
    /// - Returns: when to look again if nothing else is given until then; nil for not at all.
    package func look() -> Int64? {
        var due: [PacedAccelerator.Due] = []
        while true {
            let wake = state.withLock { state -> Int64? in
                state.accelerator.step(to: clock(), into: &due)
                state.isTelling = !due.isEmpty
                return due.isEmpty ? state.accelerator.nextWake : nil
            }
            guard !due.isEmpty else { return wake }
            for event in due { tell(event) }
            due.removeAll(keepingCapacity: true)
            report()
        }
    }

    private func sleep(until instant: Int64) {
        // Asked to look again: something may happen earlier.
        guard !wakeup.wait(untilNanoseconds: instant - spec.spin) else { return }
        while spec.spin > 0, clock() < instant {}
    }

    /// Tells what happened.
    private func tell(_ due: PacedAccelerator.Due) {
        switch due.event.kind {
        case .deviceLost(let device): return tellLoss(of: device, due)
        // The engine finds out when it probes.
        case .deviceReturned: return
        default: break
        }
        let (driver, job) = state.withLock { state in
            state.errors.note(clock() - due.at)
            let job = state.jobs[due.event.job]
            switch due.event.kind {
            case .finished, .dropped:
                state.jobs[due.event.job] = nil
                state.free.append(due.event.job)
            default: break
            }
            return (job.flatMap { state.drivers[$0.device]?.driver }, job)
        }
        guard let driver, let job else { preconditionFailure("what happens, happens to a batch that was given") }
        switch due.event.kind {
        case .copiedIn: if isCopying { driver.copiedIn(job.batch) }
        case .kernelsDone: if isCopying { driver.kernelsDone(job.batch) }
        case .finished(let times):
            let result = BatchResult(outputs: answers.answers(to: job.batch), times: measured(times))
            let next = driver.laneFinished(job.batch, .success(result))
            if let next { run(next, on: job.device) }
        case .dropped:
            let next = driver.laneFinished(job.batch, .failure(Self.lost))
            if let next { run(next, on: job.device) }
        case .killed: preconditionFailure("nobody kills batches here")
        case .deviceLost, .deviceReturned: break
        }
    }

    // -- losses ---------------------------------------------------------------------------------------------------

    private static let lost = DeviceError(.deviceLost, "lost, as its option lost has it")

    private func tellLoss(of device: Int, _ due: PacedAccelerator.Due) {
        let told = state.withLock { state in
            state.errors.note(clock() - due.at)
            return state.drivers[device]
        }
        // One that was not started yet is found out by its first batch.
        if let told { told.driver.deviceLost(told.device, Self.lost) }
    }

    /// - Throws: `deviceLost` while a device is gone.
    func probe(_ device: Int) throws(DeviceError) {
        guard !state.withLock({ $0.accelerator.isAway(device, at: clock()) }) else {
            throw DeviceError(.deviceLost, "it is not back yet")
        }
    }

    /// Whether they copy: those of fixed times do not.
    var isCopying: Bool { spec.gpuClass != nil }

    private func report() {
        let errors = state.withLock { state -> PacingErrors? in
            let now = clock()
            guard now - state.reportedAt >= Self.reportInterval else { return nil }
            state.reportedAt = now
            return state.errors
        }
        if let errors { log("\(spec.canonicalName): \(errors.words)") }
    }
}
