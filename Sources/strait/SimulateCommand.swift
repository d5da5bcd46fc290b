// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import StraitCore
internal import StraitEvaluation
internal import StraitLoad
internal import StraitPlatform
internal import StraitSimulation
internal import VirtualAccelerator

/// `strait simulate`: runs the scheduler against simulated devices in virtual time and prints what became of requests.
struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Compare policies on simulated devices: the same scheduler, virtual time, the same arrivals for all.",
        discussion: """
            SCENARIO is a YAML file, told by a / in its path or by its ending .yaml or .yml, or one of the names below. \
            Options that are given change one thing about it. Everything follows from the seeds: two runs give the same \
            bytes. docs/simulator.md tells the keys of files and results, docs/scenarios.md the library.

            The table shows V, the share of requests that were not answered in time, as means over the seeds. --json writes \
            one object a line for each scenario, policy, seed and class.

            EXAMPLE
              strait simulate centre --policies strait,edf-priority,fifo \\
                --seeds 0-4 --loads 0.8,1.0,1.3 --json results.jsonl

            SCENARIOS
            \(Self.library)
            """)

    @Argument(help: "The scenario: a YAML file, or a name of the library.")
    var scenario: String?

    @Flag(help: "List the scenarios of the library, and run nothing.")
    var list = false

    @Option(
        help: "Policies, separated by commas; all of them if not given. Also changed ones, such as strait/no-gate.")
    var policies = PolicyName.allCases.map(\.rawValue).joined(separator: ",")

    @Option(
        help: "Seeds: numbers and ranges, separated by commas. 0 to 99 are for tuning; strait evaluate has its own.")
    var seeds = "0-4"

    @Option(help: "Loads, separated by commas; 1 is what a device does one reference batch after the other.")
    var loads: String?

    @Option(
        help: ArgumentHelp(
            "How requests come, separated by commas: \(ArrivalKind.names).", valueName: "kinds"))
    var arrivals: String?

    @Option(help: "How co-runners slow each other down: \(Physics.names).")
    var physics: Physics?

    @Option(help: "What changes on the way: \(Change.names).")
    var change: Change?

    @Option(help: "Devices, all alike; the load grows with them.")
    var devices: Int?

    @Option(help: "Batches at the same time on a device, instead of each policy's own choice.")
    var lanes: Int?

    @Option(help: "What the policies predict interference with: \(EstimatorName.names).")
    var estimator: String?

    @Option(help: "How long requests arrive, in seconds; the first of them (five, if not said otherwise) do not count.")
    var seconds: Double?

    @Option(help: "Write all results to this file, - for standard output.")
    var json: String?

    @OptionGroup var threads: ThreadOptions

    @Flag(help: "No progress line.")
    var quiet = false

    @Option(
        help: ArgumentHelp(
            "Write the models as a repository for virtual devices into this folder, and simulate nothing.",
            discussion: "Prints for each load, as JSON, the requests that the scenario has. docs/virtual-devices.md.",
            valueName: "folder"))
    var writeRepository: String?

    @OptionGroup(title: "One run") var single: SingleRun

    func validate() throws {
        // Not the parser's business, because --list needs none.
        if scenario == nil, !list { throw ValidationError("Missing expected argument '<scenario>'; --list has names.") }
    }

    func run() throws {
        if list { return print(Self.library) }
        do {
            try OutputFile.check(json)
            try OutputFile.check(single.record)
            let sweep = try makeSweep()
            if let writeRepository { return try RepositoryWriter(folder: writeRepository).write(sweep.scenarios) }
            if try single.make(sweep) { return }
            let results = try SweepRunner(sweep, threads: threads.count, quiet: quiet).run()
            // Where the JSON goes to standard output, nothing else does.
            let table = Self.table(sweep.summaries(of: results))
            if json == "-" { writeToStandardError(table) } else { print(table, terminator: "") }
            if let json { try writeText(results.map(\.jsonLines).joined(), to: json) }
        } catch let error as SimulationError {
            let isAskedWrongly = [.badPlan, .unknownPolicy, .unknownScenario].contains(error.code)
            throw Console.failure("simulate", error.message, code: isAskedWrongly ? .validationFailure : .failure)
        } catch let error as LoadError {
            throw Console.failure("simulate", error.message)
        }
    }

    /// The scenarios that have names, one a line with what it is.
    private static var library: String {
        let names = ScenarioLibrary.names
        let width = names.map(\.count).max() ?? 0
        return names.map { name in
            let gap = String(repeating: " ", count: width - name.count + 2)
            return "  " + name + gap + (ScenarioLibrary.description(of: name) ?? "")
        }.joined(separator: "\n")
    }

    private func makeSweep() throws(SimulationError) -> Sweep {
        var base = try ScenarioLibrary.scenario(nameOrPath: scenario ?? "")
        base.source = scenario
        base.physics = physics ?? base.physics
        base.change = change ?? base.change
        base.devices = devices ?? base.devices
        if let seconds {
            guard seconds > base.warmUp.seconds, seconds <= 100_000 else {
                throw SimulationError(
                    .badPlan,
                    "--seconds \(seconds): expected a number above \(base.warmUp.seconds), which is the warm-up, and up "
                        + "to 100000.")
            }
            base.duration = .seconds(seconds)
        }
        if arrivals != nil { base.trace = nil }
        guard loads == nil || base.trace == nil else {
            throw SimulationError(
                .badPlan, "--loads: the scenario's trace has a load of its own; give --arrivals, too.")
        }
        var scenarios: [Scenario] = []
        for kind in try elements(of: arrivals, "--arrivals", ArrivalKind.names, ArrivalKind.init(rawValue:)) ?? [
            base.arrivals
        ] {
            for load in try elements(of: loads, "--loads", "numbers", { Double($0) }) ?? [base.load] {
                var scenario = base
                scenario.arrivals = kind
                scenario.load = load
                scenarios.append(scenario)
            }
        }
        if let replay = single.replay {
            let (setup, seed) = try Replay.named(replay, setup)
            return Sweep(scenarios: scenarios, setups: [setup], seeds: [seed])
        }
        var setups: [PolicySetup] = []
        for name in policies.split(separator: ",", omittingEmptySubsequences: false) {
            guard !setups.contains(where: { $0.name == name }) else {
                throw SimulationError(.badPlan, "--policies '\(policies)' names \(name) twice.")
            }
            setups.append(try setup(String(name)))
        }
        return Sweep(scenarios: scenarios, setups: setups, seeds: try Sweep.seeds(seeds))
    }

    /// The policy of a name, with the lanes and the estimator that options ask for.
    private func setup(_ name: String) throws(SimulationError) -> PolicySetup {
        if let changed = Variants.changed(name) {
            guard lanes == nil, estimator == nil else {
                throw SimulationError(
                    .badPlan, "\(name) says itself what is changed; it takes neither --lanes nor --estimator.")
            }
            return changed
        }
        var options = SchedulerOptions()
        if let estimator {
            guard let name = EstimatorName(rawValue: estimator) else {
                throw SimulationError(.badPlan, "--estimator \(estimator) is none of \(EstimatorName.names).")
            }
            options.estimator = name
        }
        return try PolicySetup(named: name, lanes: lanes, options: options)
    }

    private func elements<Element>(
        of text: String?, _ option: String, _ expected: String, _ parse: (String) -> Element?
    ) throws(SimulationError) -> [Element]? {
        guard let text else { return nil }
        var elements: [Element] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let element = parse(String(part)) else {
                throw SimulationError(.badPlan, "\(option) '\(text)': expected \(expected), found '\(part)'.")
            }
            elements.append(element)
        }
        return elements
    }

    private static func table(_ summaries: [Sweep.Summary]) -> String {
        var table = TextTable(
            [
                "arrivals", "load", "policy", "lanes", "V high %", "V low %", "worst low %", "high requests",
                "rows a batch", "error %",
            ], leftColumns: 3)
        for summary in summaries {
            table.append([
                summary.scenario.arrivalsName, decimal(summary.scenario.offeredLoad, 2), summary.setup.name,
                "\(summary.setup.lanes)", decimal(summary.high * 100, 2), decimal(summary.low * 100, 2),
                decimal(summary.worstLow * 100, 2), "\(summary.highArrivals)", decimal(summary.meanBatch, 1),
                decimal(summary.predictionError.map { $0 * 100 }, 1),
            ])
        }
        return table.text
    }
}

extension Physics: ExpressibleByArgument {}
extension Change: ExpressibleByArgument {}

extension CaseIterable where Self: RawRepresentable, RawValue == String {
    fileprivate static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}
