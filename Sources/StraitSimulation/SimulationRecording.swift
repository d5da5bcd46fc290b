// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitFormats
internal import VirtualAccelerator

extension Simulation {
    /// The most arrivals, batches and answers of a recording: 1.5 GB while it is made.
    private static let mostRecords = 10_000_000

    /// Runs a scenario to its end and records part of it, or all.
    ///
    /// - Parameter window: requests that come within are recorded with their answers, and batches that are on a device
    ///   within.
    /// - Throws: as `run` does.
    package static func record(
        _ scenario: Scenario, _ setup: PolicySetup, seed: UInt64, window: Range<Instant> = .zero ..< .never
    ) throws(SimulationError) -> (result: RunResult, recording: Recording) {
        try scenario.validate()
        var simulation = Simulation(scenario, setup, seed: seed)
        simulation.tape = RecordingTape(capacity: mostRecords, window: window)
        try simulation.run()
        var recording = Recording(scenario.recordingHead(setup, seed: seed, start: window.lowerBound))
        for record in simulation.tape?.records ?? [] { recording.append(record) }
        recording.dropped = simulation.tape?.dropped ?? 0
        recording.end = simulation.now
        return (simulation.result, recording)
    }
}

extension Scenario {
    /// Who records a run of it.
    func recordingHead(_ setup: PolicySetup, seed: UInt64, start: Instant) -> Recording.Head {
        let models = models.indices.map { index in
            let told = modelDescription(index, seed: seed)
            return Recording.Model(
                name: self.models[index].kernels.name, maximumBatch: told.maximumBatch,
                maximumQueued: told.maximumQueued, profile: told.profile)
        }
        let copies = deviceDescription(lanes: setup.lanes).copying != nil
        return Recording.Head(
            source: .simulated, policy: setup.name, origin: name, seed: seed, start: start,
            maximumWaiting: setup.limits.maximumWaiting,
            devices: (0..<devices).map { Recording.Device(name: "device \($0)", lanes: setup.lanes, copies: copies) },
            models: models)
    }
}
