// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
package import StraitFormats
internal import VirtualAccelerator

/// The simulated counterpart of a recorded server: the same requests at the same instants, the same scheduler told the
/// same, and a device whose batches take what the profiles say, or what was measured.
package struct Twin: Sendable {
    /// Where the times of the simulated device are from.
    package enum Times: String, Sendable, Hashable, CaseIterable {
        /// The profiles that the server had, spread as its batches were.
        case profile
        /// The batches of another recording of the same models: their means and their spread.
        case calibrated
        /// The recorded batches: their means, the machine's speed over time, and what is left of their spread.
        case recorded
    }

    /// What is simulated.
    package let scenario: Scenario
    /// The recorded policy, with the recorded lanes and limits.
    package let setup: PolicySetup
    /// What makes the two less alike, for people; empty if nothing does.
    package private(set) var cautions: [String] = []

    /// The twin of a recording.
    ///
    /// - Parameter calibration: the other recording, for calibrated times.
    /// - Throws: `badPlan` for a recording of which none can be made, with the reason.
    package init(
        of recording: Recording, times: Times, calibration: Recording? = nil
    ) throws(SimulationError) {
        let head = recording.head
        func require(_ holds: Bool, _ reason: String) throws(SimulationError) {
            if !holds { throw SimulationError(.badPlan, "This recording has no counterpart: \(reason).") }
        }
        try require(!head.devices.contains { $0.copies }, "its devices copy, and how fast they do is not in it")
        try require(!head.devices.isEmpty && !recording.arrivals.isEmpty, "no request came")
        let buckets = Self.buckets(recording)
        var cautions: [String] = []
        for (model, counts) in zip(head.models, buckets) where !counts.isEmpty {
            try require(model.profile != nil, "the server had no profile of \(model.name)")
            if counts.count > 1 {
                cautions.append("\(model.name) had rows of \(counts.count) sizes; all are simulated as the commonest")
            }
        }
        let told = head.models.map {
            ModelDescription(maximumBatch: $0.maximumBatch, maximumQueued: $0.maximumQueued, profile: $0.profile)
        }
        let commonest = buckets.map { counts in counts.max { $0.value < $1.value }?.key ?? 0 }
        if times == .calibrated {
            try require(calibration != nil, "calibrated times need another recording")
            let others = calibration?.head.models.map { [$0.name, "\($0.maximumBatch)"] }
            try require(
                others == head.models.map { [$0.name, "\($0.maximumBatch)"] },
                "the recording that it is calibrated by is of other models")
        }
        let source = times == .calibrated ? calibration ?? recording : recording
        let recorded = RecordedTimes(source, profiled: Self.profiled(told, buckets: commonest))
        try self.init(of: recording, scenario: Self.scenario(of: recording, told, recorded, times), cautions)
    }

    /// The twin with given devices and models, to which the recorded requests come.
    init(of recording: Recording, scenario: Scenario, _ others: [String] = []) throws(SimulationError) {
        let head = recording.head
        func require(_ holds: Bool, _ reason: String) throws(SimulationError) {
            if !holds { throw SimulationError(.badPlan, "This recording has no counterpart: \(reason).") }
        }
        try require(Set(head.devices.map(\.lanes)).count == 1, "its devices have different numbers of lanes")
        try require(!recording.arrivals.isEmpty, "no request came")
        guard let policy = PolicyName(rawValue: head.policy) else {
            throw SimulationError(.unknownPolicy, "The recording's policy \(head.policy) is not known here.")
        }
        setup = PolicySetup(
            policy, lanes: head.devices[0].lanes, limits: SchedulerLimits(maximumWaiting: head.maximumWaiting))
        var scenario = scenario
        scenario.trace = recording.arrivals.map { arrival in
            var request = Arrival(
                at: arrival.at, model: arrival.model, arrival.requestClass, deadline: arrival.deadline - arrival.at,
                rows: arrival.rows)
            request.bucket = arrival.bucket
            request.shape = arrival.shape
            return request
        }
        scenario.warmUp = .zero
        scenario.duration = (recording.arrivals.last?.at ?? .zero) - .zero + Duration(nanoseconds: 1)
        scenario.changes += Self.losses(recording)
        if let flaw = scenario.outageFlaw {
            throw SimulationError(.badPlan, "This recording has no counterpart: \(flaw).")
        }
        self.scenario = scenario
        cautions = others
        if head.hasLearned {
            cautions.append("the server knew what an earlier one had learned; the simulated one does not")
        }
        let cancelled = recording.answers.count { $0.ending == .cancelled }
        if cancelled > 0 { cautions.append("\(cancelled) requests were cancelled; simulated clients wait") }
        if recording.dropped > 0 { cautions.append("\(recording.dropped) records are missing") }
        if recording.end == nil { cautions.append("the recording was cut off") }
        let failed = recording.batches.count { $0.end != .finished && $0.end != .withdrawn }
        if failed > 0 { cautions.append("\(failed) batches failed; simulated ones do not") }
    }

    /// When devices were out of service.
    private static func losses(_ recording: Recording) -> [ChangeEvent] {
        func moment(_ instant: Instant) -> Moment { .seconds((instant - .zero).seconds) }
        return recording.changes.indices.filter { !recording.changes[$0].serves }.map { index in
            let lost = recording.changes[index]
            let back = recording.changes[(index + 1)...].first { $0.device == lost.device && $0.serves }
            return .lost(lost.device, from: moment(lost.at), until: back.map { moment($0.at) })
        }
    }

    /// How many requests of each model had rows of each size.
    private static func buckets(_ recording: Recording) -> [[UInt8: Int]] {
        var counts = recording.head.models.map { _ in [UInt8: Int]() }
        for arrival in recording.arrivals { counts[arrival.model][arrival.bucket, default: 0] += 1 }
        return counts
    }

    /// Times as the scheduler reads them in the profiles, in nanoseconds, by model and rows − 1.
    private static func profiled(_ told: [ModelDescription], buckets: [UInt8]) -> [[Double]] {
        var scheduler = Scheduler(policy: .fifo)
        var actions = ActionList()
        scheduler.step(.deviceAdded(DeviceDescription(lanes: 1)), at: .zero, into: &actions)
        for model in told { scheduler.step(.modelAdded(model), at: .zero, into: &actions) }
        return told.indices.map { index in
            let work = WorkShape(model: ModelID(index: index), bucket: buckets[index])
            return (1...told[index].maximumBatch).map { Double(scheduler.expectedTime(work, rows: $0).nanoseconds) }
        }
    }

    private static func scenario(
        of recording: Recording, _ told: [ModelDescription], _ recorded: RecordedTimes, _ times: Times
    ) -> Scenario {
        let head = recording.head
        var noise = NoiseLevels.none
        var kernels = recorded.profiled
        var changes: [ChangeEvent] = []
        switch times {
        case .profile: noise.factors = recorded.spread
        case .calibrated:
            let measured = recorded.measured(followingSpeed: false)
            kernels = measured.times
            noise.factors = measured.factors
        case .recorded:
            let measured = recorded.measured(followingSpeed: true)
            kernels = measured.times
            noise.factors = measured.factors
            changes = measured.speeds.map {
                .clock(factor: $0.factor, at: .seconds(($0.from - .zero).seconds))
            }
        }
        let lanes = head.devices[0].lanes
        let models = head.models.indices.map { index in
            var model = SimulatedModel(
                KernelModel(
                    name: head.models[index].name, baseTime: 0, timePerRow: 1_000_000,
                    maximumRows: told[index].maximumBatch, bytesInPerRow: 0, bytesOutPerRow: 0,
                    // A core each: batches hardly get in each other's way.
                    demand: ResourceDemand(compute: 1 / Double(lanes), bandwidth: 0, cache: 0), cacheSensitivity: 0,
                    seed: UInt64(index)), referenceRows: 1)
            model.kernels.times = kernels[index].map { max(1, Int64($0)) }
            model.told = told[index]
            return model
        }
        var scenario = Scenario(name: head.origin, models: models)
        scenario.devices = head.devices.count
        scenario.copies = false
        scenario.streams = lanes
        // What batches cost each other is in the recorded times already.
        scenario.isShared = times == .profile
        // What a batch takes beside its kernels, half before and half after them.
        scenario.link.overhead = recorded.overhead / 2
        scenario.noise = noise
        scenario.changes = changes
        return scenario
    }

    /// Runs it.
    ///
    /// - Throws: as `Simulation.run` does.
    package func record(seed: UInt64) throws(SimulationError) -> Recording {
        try Simulation.record(scenario, setup, seed: seed).recording
    }
}
