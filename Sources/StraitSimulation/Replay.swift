// SPDX-License-Identifier: Apache-2.0

package import StraitCore
internal import VirtualAccelerator

/// A run made again to see what led to a moment: the same scenario, policy and seed give the same events.
package struct Replay: Sendable {
    /// What is run.
    package let scenario: Scenario
    /// Under which policy.
    package let setup: PolicySetup
    /// With which luck.
    package let seed: UInt64
    /// The moment. All events up to it are told, from a while before.
    package let until: Instant

    /// A run to see up to a moment.
    package init(_ scenario: Scenario, _ setup: PolicySetup, seed: UInt64, until: Instant) {
        self.scenario = scenario
        self.setup = setup
        self.seed = seed
        self.until = until
    }

    /// How long before the moment events are told: what went wrong began some batches earlier.
    package static let before = Duration.milliseconds(20)

    /// Makes the run and tells each event with what the scheduler did about it, a line each. After the moment it goes on
    /// in silence.
    ///
    /// - Throws: what `Simulation.run` throws; a broken rule is what one replays for.
    package func run(tell: @escaping @Sendable (String) -> Void) throws(SimulationError) {
        try run(watch: nil, tell: tell)
    }

    func run(watch rule: Simulation.Watch?, tell: @escaping @Sendable (String) -> Void) throws(SimulationError) {
        let names = scenario.models.map(\.kernels.name)
        let span = until - Self.before...until
        _ = try Simulation.run(scenario, setup, seed: seed) { now, event, actions in
            if span.contains(now) {
                for line in Self.lines(event, actions, at: now, names) { tell(line) }
            }
            return rule?(now, event, actions)
        }
    }

    // -- words ----------------------------------------------------------------------------------------------------

    private static func lines(
        _ event: Event, _ actions: ActionList, at now: Instant, _ names: [String]
    ) -> [String] {
        ["\(time(now)): \(words(event, names))"]
            + actions.actions.map { "  → \(words($0, actions.members, names))" }
    }

    private static func words(_ event: Event, _ names: [String]) -> String {
        switch event {
        case .arrival(let request):
            "request \(request.id.slot) comes: \(names[request.work.model.index]), \(request.requestClass.name), "
                + "\(request.rows) row\(request.rows == 1 ? "" : "s"), due at \(time(request.deadline))"
        case .copiedIn(let batch): "batch \(batch.slot) is copied in"
        case .kernelsDone(let batch): "batch \(batch.slot) has run its kernels"
        case .finished(let batch, let times):
            "batch \(batch.slot) is done: copied in in \(span(times.copyIn)), ran for \(span(times.kernels)), "
                + "copied out in \(span(times.copyOut))"
        case .killed(let batch): "batch \(batch.slot) was killed; its requests wait again"
        case .deviceAdded(let device): "a device of \(device.lanes) lanes joins"
        case .modelAdded(let model): "a model of at most \(model.maximumBatch) rows joins"
        case .timer: "the timer"
        case .deviceRemoved(let device): "device \(device.index) is lost; the requests on it wait again"
        case .deviceReturned(let device): "device \(device.index) is back"
        default: "\(event)"
        }
    }

    private static func words(_ action: Action, _ members: [RequestID], _ names: [String]) -> String {
        if case .stage(let batch) = action {
            return "stage batch \(batch.batch.slot) on device \(batch.device.index), lane \(batch.lane.index): "
                + "\(names[batch.model.index]), \(batch.rows) row\(batch.rows == 1 ? "" : "s"), predicted for "
                + "\(time(batch.predictedFinish)), requests "
                + members[batch.members].map { "\($0.slot)" }.joined(separator: " ")
        }
        if case .answer(let request, .shed(let reason, let finish)) = action {
            return "refuse request \(request.slot), \(reason), predicted for \(time(finish))"
        }
        if case .answer(let request, let outcome) = action { return "answer request \(request.slot): \(outcome)" }
        if case .pause(let batch) = action { return "pause batch \(batch.slot)" }
        if case .resume(let batch) = action { return "let batch \(batch.slot) go on" }
        if case .kill(let batch) = action { return "kill batch \(batch.slot)" }
        if case .setTimer(let instant) = action { return "timer at \(time(instant))" }
        return "\(action)"
    }

    private static func time(_ instant: Instant) -> String {
        instant == .never ? "never" : "\(instant.nanoseconds) ns"
    }

    private static func span(_ duration: Duration) -> String { "\(duration.nanoseconds) ns" }
}

extension Replay {
    /// The command that makes this replay.
    package var command: String {
        let source = scenario.source ?? scenario.name
        var words = ["strait simulate \(source)"]
        var caution = ""
        // What the command line makes of the scenario's name, brought to what it is step by step.
        if var base = try? ScenarioLibrary.scenario(nameOrPath: source) {
            base.source = scenario.source
            func differs<Value: Equatable>(_ member: WritableKeyPath<Scenario, Value>) -> Bool {
                guard base[keyPath: member] != scenario[keyPath: member] else { return false }
                base[keyPath: member] = scenario[keyPath: member]
                return true
            }
            if differs(\.load) { words.append("--loads \(scenario.load)") }
            if differs(\.arrivals) { words.append("--arrivals \(scenario.arrivals.rawValue)") }
            if differs(\.physics) { words.append("--physics \(scenario.physics.rawValue)") }
            if differs(\.change) { words.append("--change \(scenario.change.rawValue)") }
            if differs(\.devices) { words.append("--devices \(scenario.devices)") }
            if differs(\.duration) { words.append("--seconds \(scenario.duration.seconds)") }
            if base != scenario { caution = "\n(but the scenario was changed beyond what options can say)" }
        }
        // What has a name of its own is found by it.
        if setup.name == setup.policy.rawValue {
            var plain = PolicySetup(setup.policy)
            if plain.lanes != setup.lanes { words.append("--lanes \(setup.lanes)") }
            plain.lanes = setup.lanes
            if plain.options.estimator != setup.options.estimator {
                words.append("--estimator \(setup.options.estimator.rawValue)")
            }
            plain.options.estimator = setup.options.estimator
            if plain != setup { caution += "\n(but the policy was changed beyond what options can say)" }
        }
        words.append("--replay \(setup.name):\(seed) --until \(until.nanoseconds)")
        return words.joined(separator: " ") + caution
    }

    /// A replay as it is asked for on the command line: a policy and a seed, such as `strait:7`.
    ///
    /// - Parameter setup: finds the policy of a name.
    /// - Throws: `badPlan` for anything else, and what `setup` throws.
    package static func named(
        _ text: String, _ setup: (String) throws(SimulationError) -> PolicySetup
    ) throws(SimulationError) -> (setup: PolicySetup, seed: UInt64) {
        let sides = text.split(separator: ":", omittingEmptySubsequences: false)
        guard sides.count == 2, let seed = UInt64(sides[1]) else {
            throw SimulationError(.badPlan, "--replay '\(text)': expected a policy and a seed, such as strait:7.")
        }
        return (try setup(String(sides[0])), seed)
    }
}
