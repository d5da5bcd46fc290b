// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitSimulation
internal import VirtualAccelerator

/// A run to make, and the axes that it is part of.
package struct PlannedRun: Sendable, Hashable {
    /// What to run.
    package let scenario: Scenario
    /// Under which policy.
    package let setup: PolicySetup
    /// With which luck.
    package let seed: UInt64
    /// What it is part of.
    package fileprivate(set) var axes: [Axis]

    /// A run.
    init(_ scenario: Scenario, _ setup: PolicySetup, seed: UInt64, axes: [Axis]) {
        self.scenario = scenario
        self.setup = setup
        self.seed = seed
        self.axes = axes
    }
}

/// Which runs an evaluation makes: lists of cells, each under some variants with some seeds.
package struct MatrixPlan: Sendable {
    /// The parts that can be asked for by name.
    package enum Part: String, Sendable, Hashable, CaseIterable {
        /// Six loads by four ways in which requests come, under all policies.
        case core
        /// Strait without single parts of it.
        case ablations
        /// Everything else that scenarios vary, one at a time.
        case axes
        /// Strait's weights of the classes against the rivals.
        case pareto
        /// A second law of how batches slow each other down.
        case physics
        /// All estimators of interference on the same traces. It has no runs of its own: see ``EstimatorTrials``.
        case estimators
    }

    /// How much.
    package enum Size: Sendable, Hashable {
        /// What a change to the code should not break: few cells, two tuning seeds, seconds.
        case smoke
        /// Everything, on evaluation seeds.
        case full
    }

    /// Its runs, each once, the most telling first.
    package private(set) var runs: [PlannedRun] = []
    private var places: [RunIdentity: Int] = [:]

    private struct RunIdentity: Hashable {
        var scenario: Scenario
        var setup: PolicySetup
        var seed: UInt64
    }

    /// What is asked for.
    package struct Request: Sendable {
        /// How much.
        package var size = Size.full
        /// The parts.
        package var parts = Set(Part.allCases)
        /// Only variants of these policies; nil for all.
        package var policies: Set<PolicyName>?
        /// The seeds; nil for the size's own.
        package var seeds: [UInt64]?
        /// How long requests come in each run; nil for the size's own.
        package var seconds: Double?

        /// Everything.
        package init() {}
    }

    /// The seeds of a full evaluation, on which nothing is ever tuned.
    private static let evaluationSeeds: [UInt64] = Array(1000...1004)
    /// Two of the seeds on which things are tuned.
    private static let smokeSeeds: [UInt64] = [0, 1]
    private static let smokeSeconds = 15.0
    /// A core cell of a full evaluation has at least so many high requests over its seeds; seeds are added for that.
    private static let fewestHighRequests = 100_000.0
    private static let mostSeeds = 8

    private let request: Request

    /// The seeds of trials of the estimators; empty if they were not asked for.
    package var trialSeeds: [UInt64] {
        guard request.parts.contains(.estimators) else { return [] }
        return request.seeds ?? (isSmoke ? Array(Self.smokeSeeds.prefix(1)) : Self.evaluationSeeds)
    }

    /// The plan for a request.
    ///
    /// - Throws: `badPlan` for seconds that do not exceed the warm-up.
    package init(_ request: Request) throws(EvaluationError) {
        self.request = request
        if let seconds = request.seconds {
            let warmUp = ScenarioLibrary.centre.warmUp.seconds
            guard seconds > warmUp, seconds <= 100_000 else {
                throw EvaluationError(
                    .badPlan,
                    "\(seconds) seconds: expected more than \(warmUp), which are the warm-up, and at most 100000.")
            }
        }
        if let large = request.seeds?.first(where: { $0 > UInt64(Int64.max) }) {
            throw EvaluationError(.badPlan, "The seed \(large) is larger than \(Int64.max), the largest.")
        }
        for part in Part.allCases where request.parts.contains(part) {
            switch part {
            case .core: addCore()
            case .ablations: addAblations()
            case .axes: addAxes()
            case .pareto: addPareto()
            case .physics: addPhysics()
            case .estimators: break
            }
        }
    }

    /// A plan of runs chosen one by one.
    init(runs: [PlannedRun]) {
        request = Request()
        self.runs = runs
    }

    private var isSmoke: Bool { request.size == .smoke }

    private static let everyone = PolicyName.allCases.map(Variants.plain)

    // -- the parts ------------------------------------------------------------------------------------------------

    private mutating func addCore() {
        let loads = isSmoke ? [1.0, 1.3] : [1.0, 1.3, 0.8, 1.15, 0.9, 0.6]
        for load in loads {
            let cells = (isSmoke ? [ArrivalKind.poisson, .bursts] : ArrivalKind.allCases).map { kind in
                centre(load: load, kind)
            }
            add(.core, cells, Self.everyone, growing: true)
        }
    }

    private mutating func addAblations() {
        let changed = isSmoke ? Variants.ablations.filter { Self.smokeAblations.contains($0.name) } : Variants.ablations
        for load in isSmoke ? [1.0] : [1.0, 1.3] {
            let cells = (isSmoke ? [ArrivalKind.poisson] : [.poisson, .gamma]).map { centre(load: load, $0) }
            add(.ablations, cells, [Variants.plain(.strait)] + changed + (isSmoke ? [] : Variants.sweeps))
        }
    }

    private mutating func addPareto() {
        let sweeps = isSmoke ? Array(Variants.sweeps.prefix(2)) : Variants.sweeps
        for load in isSmoke ? [1.0] : [1.0, 1.3] {
            let cells = (isSmoke ? [ArrivalKind.poisson] : [.poisson, .gamma]).map { centre(load: load, $0) }
            add(.pareto, cells, sweeps + Self.everyone)
        }
    }

    private mutating func addPhysics() {
        for load in isSmoke ? [1.0] : [1.0, 1.3, 0.8] {
            let cells = (isSmoke ? [ArrivalKind.poisson] : ArrivalKind.allCases).map { kind in
                var cell = centre(load: load, kind)
                cell.physics = .threshold
                return cell
            }
            add(.physics, cells, Self.everyone)
        }
    }

    private mutating func addAxes() {
        for (axis, name) in Self.axes where !isSmoke || Self.smokeAxes.contains(name) {
            // Scenarios that this version does not have yet are left out.
            guard ScenarioLibrary.names.contains(name), var cell = try? ScenarioLibrary.scenario(named: name) else {
                continue
            }
            shorten(&cell)
            // The oracle lets a copy of all devices run on for each question: with eight of them a run takes minutes, and what
            // it has to say was said with one.
            let setups =
                axis == .devices
                ? Self.everyone.filter { $0.policy != .oracle } : Variants.serious.map(Variants.plain)
            add(axis, [cell], setups)
        }
    }

    /// The library's scenarios, one at a time from the centre.
    private static let axes: [(axis: Axis, name: String)] =
        [
            (.devices, "devices-2"), (.devices, "devices-4"), (.devices, "devices-8"), (.change, "clock"),
            (.change, "model-drift"), (.change, "neighbour"), (.change, "unseen-model"), (.change, "cold-start"),
            (.deadlines, "deadline-2"), (.deadlines, "deadline-5"), (.deadlines, "deadline-2-6"),
            (.deadlines, "deadline-random"), (.highShare, "high-10"), (.highShare, "high-50"),
            (.mix, "small-high"), (.mix, "large-high"), (.mix, "sixteen"),
        ]
        + ["a", "b", "c", "d", "e"].map { (.mix, "disb-\($0)") }
        + [(.transfers, "slow-bus"), (.transfers, "large-inputs"), (.hardware, "a100"), (.hardware, "stream-priority")]

    /// Those that the table of targets shows.
    private static let smokeAblations: Set<String> = [
        "strait/no-gate", "strait/no-calibration", "strait/no-harm", "strait/solo-estimator", "strait/no-transfers",
    ]
    private static let smokeAxes: Set<String> = ["devices-2", "model-drift"]

    // -- adding ---------------------------------------------------------------------------------------------------

    private func centre(load: Double, _ arrivals: ArrivalKind) -> Scenario {
        var scenario = ScenarioLibrary.centre
        scenario.load = load
        scenario.arrivals = arrivals
        shorten(&scenario)
        return scenario
    }

    private func shorten(_ scenario: inout Scenario) {
        if let seconds = request.seconds ?? (isSmoke ? Self.smokeSeconds : nil) {
            scenario.duration = .seconds(seconds)
        }
    }

    /// Adds cells under setups. The seeds vary slowest, so that half of the runs are a whole table already.
    private mutating func add(_ axis: Axis, _ cells: [Scenario], _ setups: [PolicySetup], growing: Bool = false) {
        let setups = setups.filter { request.policies?.contains($0.policy) ?? true }
        let seeds = cells.map { self.seeds(for: $0, growing: growing) }
        for round in 0..<(seeds.map(\.count).max() ?? 0) {
            for (scenario, seeds) in zip(cells, seeds) where round < seeds.count {
                // It misses everything, and takes its time over it.
                for setup in setups where setup.policy != .fifo || round == 0 {
                    add(PlannedRun(scenario, setup, seed: seeds[round], axes: [axis]))
                }
            }
        }
    }

    private mutating func add(_ run: PlannedRun) {
        let identity = RunIdentity(scenario: run.scenario, setup: run.setup, seed: run.seed)
        if let place = places[identity] {
            if !runs[place].axes.contains(run.axes[0]) { runs[place].axes += run.axes }
        } else {
            places[identity] = runs.count
            runs.append(run)
        }
    }

    private func seeds(for scenario: Scenario, growing: Bool) -> [UInt64] {
        if let seeds = request.seeds { return seeds }
        guard !isSmoke, growing, request.seconds == nil else { return isSmoke ? Self.smokeSeeds : Self.evaluationSeeds }
        let rate = scenario.arrivalRates(weights: scenario.models.map { _ in 1 }).reduce(0, +) * scenario.highShare
        let needed = Self.fewestHighRequests / (rate * (scenario.duration - scenario.warmUp).seconds)
        var seeds = Self.evaluationSeeds
        while Double(seeds.count) < needed, seeds.count < Self.mostSeeds { seeds.append(seeds[seeds.count - 1] + 1) }
        return seeds
    }
}
