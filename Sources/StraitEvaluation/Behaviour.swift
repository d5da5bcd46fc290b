// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitSimulation
internal import VirtualAccelerator

/// What the code does, as a digest: what came of two short runs. It changes with any change to the simulator, the devices
/// or a policy that shows in them, and not with others: so a store survives a new version of everything that does not
/// matter to a run, and no longer.
enum Behaviour {
    /// The behaviour under a setup.
    ///
    /// - Throws: what the short runs broke.
    static func digest(of setup: PolicySetup) throws(SimulationError) -> String {
        var text = ""
        for scenario in scenarios {
            let record = RunRecord(try Simulation.run(scenario, setup, seed: 0), axis: .core)
            text += RecordLine(key: "", record: record).text + "\n"
        }
        return FileDigest.sha256(text: text)
    }

    /// Between them they have all that a policy meets: bursts and quiet, a change, both laws of slow-downs, one device and
    /// several.
    private static let scenarios: [Scenario] = {
        var overloaded = ScenarioLibrary.centre
        overloaded.load = 1.2
        overloaded.arrivals = .bursts
        overloaded.change = .clock
        var shared = ScenarioLibrary.centre
        shared.load = 0.95
        shared.arrivals = .azure
        shared.physics = .threshold
        shared.devices = 2
        shared.uplink = 24e9
        return [overloaded, shared].map { scenario in
            var short = scenario
            short.warmUp = .seconds(0.2)
            short.duration = .seconds(1.4)
            return short
        }
    }()
}

/// What a run is stored under: a digest of all that decides it.
struct RunKeys: Sendable {
    private var scenarios: [Scenario: String] = [:]
    private let setups: [PolicySetup: String]

    /// The keys for setups whose behaviour is known.
    ///
    /// - Parameter code: what the user calls this version of the code; empty if nothing.
    init(behaviours: [PolicySetup: String], code: String) {
        // Descriptions name all stored properties with exact numbers; none of them is a set or a dictionary, whose order
        // would be another one every time.
        setups = Dictionary(
            uniqueKeysWithValues: behaviours.map { setup, behaviour in
                (setup, FileDigest.sha256(text: "\(setup)\n\(behaviour)\n\(code)"))
            })
    }

    /// The key of a run.
    mutating func key(of run: PlannedRun) -> String {
        let scenario = scenarios[run.scenario] ?? FileDigest.sha256(text: Self.description(of: run.scenario))
        scenarios[run.scenario] = scenario
        // Half of the digest tells any number of runs apart.
        return String(FileDigest.sha256(text: "\(scenario)\n\(setups[run.setup] ?? "")\n\(run.seed)").prefix(32))
    }

    /// A scenario in words, without what it could not say before and does not use: runs made then are still good.
    private static func description(of scenario: Scenario) -> String {
        laterAdditions.reduce(into: "\(scenario)") { text, unused in
            guard let place = text.firstRange(of: unused) else { return }
            text.removeSubrange(place)
        }
    }

    /// Properties that scenarios came to have after the first evaluation, as descriptions tell that one is not used.
    private static let laterAdditions = [", leakage: nil"]
}
