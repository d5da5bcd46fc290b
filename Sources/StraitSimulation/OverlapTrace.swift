// SPDX-License-Identifier: Apache-2.0

package import StraitCore
internal import VirtualAccelerator

/// Batches that ran beside each other on one simulated device, each with what it can teach an interference model: what
/// estimators are measured on, without a scheduler that chooses the company.
///
/// One to four batches run at a time; how many changes every tenth of a second, and models and sizes are drawn at
/// random, so overlaps are of every length. The features are integrated by the scheduler's own ``KernelRun``.
package struct OverlapTrace: Sendable {
    /// A batch whose kernels are done.
    package struct Batch: Sendable, Hashable {
        /// The model's position.
        package let model: Int
        /// Rows in it.
        package let rows: Int
        /// When its kernels were done.
        package let doneAt: Instant
        /// W: what its kernels take alone by the profile, in nanoseconds.
        package let soloWork: Double
        /// How long they took, in nanoseconds.
        package let duration: Double
        /// x = (1/W) ∫ φ dt over its run.
        package let overlap: SIMD8<Double>

        /// y = D/W − 1.
        package var label: Double { duration / soloWork - 1 }
    }

    /// What happens to the device on the way.
    package enum Change: Sendable, Hashable {
        /// Nothing.
        case none
        /// Its clock falls by 30 %, for every batch in the middle of its run.
        case clock
        /// Batches of one model that start from then on take 1.4 times as long.
        case model(Int)
    }

    /// The batches in the order in which their kernels were done.
    package let batches: [Batch]

    /// The clock after it fell, relative to before.
    private static let slowClock = 0.7
    /// The time of a model that became slower, relative to before.
    private static let slowModel = 1.4

    /// Runs random batches of a scenario's models on one device.
    ///
    /// - Parameters:
    ///   - scenario: for its models, link, physics, noise and errors of profiles; load and policy play no part.
    ///   - seed: decides how far the profiles are off.
    ///   - luck: decides which batches run and what noise they meet.
    ///   - duration: until when batches are begun.
    ///   - change: what happens at `changeAt`.
    package init(
        _ scenario: Scenario, seed: UInt64, luck: UInt64, duration: Duration, change: Change = .none,
        at changeAt: Instant = .zero
    ) {
        var bench = Bench(Self.accelerator(scenario, luck: luck, change, at: changeAt), scenario, seed, luck)
        bench.run(until: .zero + duration)
        batches = bench.batches
    }

    private static func accelerator(
        _ scenario: Scenario, luck: UInt64, _ change: Change, at changeAt: Instant
    ) -> VirtualAccelerator {
        var steady = scenario
        steady.change = .none
        steady.changes = []
        steady.devices = 1
        steady.uplink = nil
        var description = steady.accelerator(seed: luck).description
        switch change {
        case .none: break
        case .clock: description.devices[0].clock = [ClockChange(at: changeAt.nanoseconds, factor: slowClock)]
        case .model(let model):
            description.modelChanges = [ModelChange(at: changeAt.nanoseconds, model: model, factor: slowModel)]
        }
        return VirtualAccelerator(description, models: scenario.models.map(\.kernels), seed: luck)
    }
}

/// The device with what runs on it, and the scheduler's view of both.
private struct Bench {
    private struct Resident {
        let job: Int
        let model: Int
        let rows: Int
        var startedAt = Instant.zero
        var isRunning = false
        var run = KernelRun()
    }

    private(set) var batches: [OverlapTrace.Batch] = []

    private var accelerator: VirtualAccelerator
    private let scenario: Scenario
    /// Asked for what it makes of the profiles; it never schedules anything.
    private var scheduler = Scheduler(policy: .fifo)
    private var choices: RandomStream
    private var residents: [Resident] = []
    private var jobs = 0
    private var accountedUntil = Instant.zero

    /// Batches at a time.
    private static let levels = 1...4
    /// How long their number stays the same: some ten batches.
    private static let levelTime = Duration.milliseconds(100)
    /// A part of the seed that neither profiles nor arrivals use.
    private static let part = UInt64.max - 1

    init(_ accelerator: VirtualAccelerator, _ scenario: Scenario, _ seed: UInt64, _ luck: UInt64) {
        self.accelerator = accelerator
        self.scenario = scenario
        choices = RandomStream(seed: luck, part: Self.part)
        var actions = ActionList()
        scheduler.step(
            .deviceAdded(scenario.deviceDescription(lanes: Self.levels.upperBound)), at: .zero, into: &actions)
        for index in scenario.models.indices {
            scheduler.step(.modelAdded(scenario.modelDescription(index, seed: seed)), at: .zero, into: &actions)
        }
    }

    mutating func run(until end: Instant) {
        var events: [AcceleratorEvent] = []
        var levelEnds = Instant.zero
        var level = 0
        var now = Instant.zero
        while now < end {
            if now >= levelEnds {
                level = Self.levels.lowerBound + Int(choices.next() % UInt64(Self.levels.count))
                levelEnds = now + Self.levelTime
            }
            while residents.count < level { begin(at: now) }
            now = min(accelerator.nextEvent.map { Instant(nanoseconds: $0) } ?? levelEnds, levelEnds)
            events.removeAll(keepingCapacity: true)
            accelerator.advance(to: now.nanoseconds, into: &events)
            for event in events { handle(event) }
        }
    }

    private mutating func begin(at now: Instant) {
        let model = Int(choices.next() % UInt64(scenario.models.count))
        let kernels = scenario.models[model].kernels
        // A power of two first, then a size from there to the next, so that small batches are as common as large ones.
        var sizes = 1
        while 1 << sizes <= kernels.maximumRows { sizes += 1 }
        let least = 1 << Int(choices.next() % UInt64(sizes))
        let rows = min(kernels.maximumRows, least + Int(choices.next() % UInt64(least)))
        var resident = Resident(job: jobs, model: model, rows: rows)
        let work = WorkShape(model: ModelID(index: model), elementsPerRow: 1)
        let device = DeviceID(index: 0)
        resident.run.soloWork = scheduler.state.soloWork(work, rows: rows, on: device)
        resident.run.demand = scheduler.state.profiles.demand(
            work, rows: rows, on: scheduler.state.devices[device].description)
        residents.append(resident)
        accelerator.submit(
            Job(id: jobs, device: 0, model: model, rows: rows, noiseKey: UInt64(jobs)), at: now.nanoseconds)
        jobs += 1
    }

    private mutating func handle(_ event: AcceleratorEvent) {
        guard let index = residents.firstIndex(where: { $0.job == event.job }) else { return }
        let now = Instant(nanoseconds: event.time)
        let elapsed = Double((now - accountedUntil).nanoseconds)
        accountedUntil = now
        for index in residents.indices where residents[index].isRunning { residents[index].run.pass(elapsed) }
        switch event.kind {
        case .copiedIn:
            residents[index].isRunning = true
            residents[index].startedAt = now
        case .kernelsDone: end(residents.remove(at: index), at: now)
        case .finished, .killed, .dropped, .deviceLost, .deviceReturned: break
        }
        meetAnew()
    }

    private mutating func end(_ resident: Resident, at now: Instant) {
        let duration = Double((now - resident.startedAt).nanoseconds)
        guard let lesson = resident.run.lesson(took: duration) else { return }
        batches.append(
            OverlapTrace.Batch(
                model: resident.model, rows: resident.rows, doneAt: now, soloWork: resident.run.soloWork,
                duration: duration, overlap: lesson.overlap))
    }

    /// Gives everybody the features of the present company. Speeds follow from what is believed before anything was
    /// learned, under which four batches are never at the limit: each estimator learns from every batch.
    private mutating func meetAnew() {
        let demands = residents.filter(\.isRunning).map(\.run.demand)
        var position = 0
        for index in residents.indices where residents[index].isRunning {
            let features = InterferenceFeatures.of(position, in: demands.span)
            residents[index].run.goOn(beside: features, theta: InterferenceState.priorTheta)
            position += 1
        }
    }
}
