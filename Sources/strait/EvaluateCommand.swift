// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import StraitCore
internal import StraitEvaluation
internal import StraitLoad
internal import StraitPlatform
internal import StraitSimulation

/// `strait evaluate`: every rival over the whole matrix of scenarios, the table of targets, and the report.
struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Run every rival over the whole matrix of simulated scenarios, and say which targets are met.",
        discussion: """
            The matrix has five parts. core: six loads by four ways in which requests come, under every policy. \
            ablations: strait without single parts of it. axes: everything else that scenarios vary, one at a time. \
            pareto: strait's weights of the classes against the rivals. physics: a second law of how batches slow each \
            other down. Beside it, estimators: all estimators of interference on the same traces.

            Each run is added to runs.jsonl in the folder as it ends. What is there already is not run again, so an \
            evaluation can be stopped at any time and goes on where it was. A run is made again when its scenario, its \
            policy, or what the code does under that policy has changed; --code names a version beside that. In the end \
            the folder has report.html with all figures, each of them in figures as well, its tables as results.md, \
            targets.json, targets.txt and core.txt.

            Everything follows from the seeds, whatever the threads. A run that breaks a rule stops the evaluation with \
            the scenario, the policy, the seed and the last events; the runs so far are kept. docs/evaluation.md tells \
            the method.

            EXAMPLE
              strait evaluate --smoke           a few cells with tuning seeds, minutes
              strait evaluate --out results     everything, an hour or so; again goes on
              strait evaluate --only core --policies strait,fifo --seeds 0-4 --out mine
            """)

    @Flag(help: "Few cells, two tuning seeds, 15 s each: what no change should break.")
    var smoke = false

    @Option(
        help: ArgumentHelp(
            "Only these parts, separated by commas: \(MatrixPlan.Part.allCases.map(\.rawValue).joined(separator: ", ")).",
            valueName: "parts"))
    var only: String?

    @Option(help: "Only these policies, and what was changed about them, separated by commas.")
    var policies: String?

    @Option(help: "Seeds instead of the usual ones: numbers and ranges, separated by commas.")
    var seeds: String?

    @Option(help: "How long requests arrive in each run instead of 60 s; the first of them do not count.")
    var seconds: Double?

    @OptionGroup var threads: ThreadOptions

    @Option(help: "The folder for runs and results; made if it is not there.")
    var out: String?

    @Option(help: "What you call this version of the code; another name runs everything again.")
    var code = ""

    @Option(
        help: ArgumentHelp(
            "What strait fidelity wrote, for the report; docs/fidelity.json if that is there.", valueName: "file"))
    var fidelity: String?

    @Flag(help: "Forget the runs that the folder has.")
    var fresh = false

    @Flag(help: "Say what would be run, and end.")
    var dryRun = false

    @Flag(help: "Run nothing: write results.md again, of the runs and targets that the folder has.")
    var resultsOnly = false

    @Flag(help: "No progress line.")
    var quiet = false

    func run() throws {
        do {
            try evaluate()
        } catch let error as EvaluationError {
            throw Console.failure(
                "evaluate", error.message, code: error.code == .badPlan ? .validationFailure : .failure)
        } catch let error as SimulationError {
            throw Console.failure("evaluate", error.message)
        } catch let error as LoadError {
            throw Console.failure("evaluate", error.message)
        }
    }

    private var folder: String { out ?? (smoke ? "evaluation-smoke" : "evaluation") }

    private func evaluate() throws {
        let plan = try MatrixPlan(request())
        if dryRun { return print(Self.words(plan)) }
        if resultsOnly { return try writeRecordedResults(plan) }
        guard mkdir(folder, 0o755) == 0 || errno == EEXIST else {
            throw EvaluationError(.badFile, "The folder \(folder) cannot be made: \(String(cString: strerror(errno))).")
        }
        let fidelity = try ReportMaker.fidelity(self.fidelity)
        let table = RecordTable(try makeRuns(plan))
        let trials = makeTrials(plan)
        let targets = TargetTable(table, estimators: trials).rows
        try writeText(TargetFile.json(targets), to: "\(folder)/targets.json")
        try writeText(TargetFile.text(targets), to: "\(folder)/targets.txt")
        let core = CoreTable.text(table)
        try writeText(core, to: "\(folder)/core.txt")
        if !core.isEmpty { print("V high / V low / worst low model, %\n\n\(core)") }
        print(TargetFile.text(targets))
        let report = try ReportMaker(plan, folder: folder, threads: threads.count).make(
            table, targets: targets, estimators: trials, fidelity: fidelity, arguments: CommandLine.arguments)
        try writeText(ResultsPage(table, targets: targets).text, to: "\(folder)/results.md")
        print(
            "runs.jsonl, targets.json, targets.txt, core.txt and results.md are in \(folder), the report is \(report).")
    }

    private func writeRecordedResults(_ plan: MatrixPlan) throws {
        let store = Evaluation(plan, store: "\(folder)/runs.jsonl", options: Evaluation.Options())
        let table = RecordTable(try store.recorded())
        let targets = try TargetFile.rows(path: "\(folder)/targets.json")
        try writeText(ResultsPage(table, targets: targets).text, to: "\(folder)/results.md")
        print("\(folder)/results.md is of the runs that the folder has.")
    }

    private func request() throws -> MatrixPlan.Request {
        var request = MatrixPlan.Request()
        request.size = smoke ? .smoke : .full
        request.seconds = seconds
        request.seeds = try seeds.map { text throws(SimulationError) in try Sweep.seeds(text) }
        if let only {
            request.parts = try set(only, "--only", MatrixPlan.Part.self)
        }
        request.policies = try policies.map { try set($0, "--policies", PolicyName.self) }
        return request
    }

    private func set<Name: RawRepresentable & CaseIterable & Hashable>(
        _ text: String, _ option: String, _ type: Name.Type
    ) throws(EvaluationError) -> Set<Name> where Name.RawValue == String {
        var names: Set<Name> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let name = Name(rawValue: String(part)) else {
                let known = Name.allCases.map(\.rawValue).joined(separator: ", ")
                throw EvaluationError(.badPlan, "\(option) '\(text)': '\(part)' is none of \(known).")
            }
            names.insert(name)
        }
        return names
    }

    private func makeRuns(_ plan: MatrixPlan) throws -> [RunRecord] {
        var options = Evaluation.Options()
        options.threads = threads.count
        options.code = code
        options.fresh = fresh
        let line = StatusLine(quiet: quiet)
        let last = Latest<EvaluationProgress>()
        let evaluation = Evaluation(plan, store: "\(folder)/runs.jsonl", options: options)
        let records = try evaluation.run { progress in
            if last.replace(with: progress) == nil {
                line.note("\(plan.runs.count) runs; \(Self.beginning(progress)).")
            } else {
                line.show(Self.words(progress))
            }
        }
        line.clear()
        for (policy, speed) in last.value?.speeds ?? [] {
            line.note("\(policy.rawValue): \(decimal(speed, 0)) requests a second and thread")
        }
        return records
    }

    private func makeTrials(_ plan: MatrixPlan) -> [EstimatorRow] {
        let line = StatusLine(quiet: quiet)
        defer { line.clear() }
        return EstimatorTrials.kernelRows(seeds: plan.trialSeeds, threads: threads.count) { done, total in
            line.show("\(done) of \(total) trials of the estimators")
        }
    }

    // -- words ----------------------------------------------------------------------------------------------------

    private static func words(_ plan: MatrixPlan) -> String {
        let seeds = Set(plan.runs.map(\.seed)).sorted()
        let seconds = Set(plan.runs.map { $0.scenario.duration.seconds }).sorted()
        return "\(plan.runs.count) runs: \(Set(plan.runs.map(\.setup.name)).count) policies and variants in "
            + "\(Set(plan.runs.map { Cell($0.scenario) }).count) cells, seeds \(seeds.first ?? 0) to \(seeds.last ?? 0), "
            + "\(seconds.map { decimal($0, 0) }.joined(separator: " or ")) s each"
    }

    private static func beginning(_ progress: EvaluationProgress) -> String {
        guard progress.done < progress.total else { return "all of them are there" }
        return
            "\(progress.done) are there, the others have \(decimal(progress.requestsLeft / 1e6, 1)) million requests, "
            + "about \(time(progress.secondsLeft))"
    }

    private static func words(_ progress: EvaluationProgress) -> String {
        "\(progress.done) of \(progress.total) runs, about \(time(progress.secondsLeft)) left"
    }

    private static func time(_ seconds: Double) -> String {
        guard seconds >= 90 else { return "\(decimal(seconds, 0)) s" }
        let minutes = (seconds / 60).rounded(.up)
        return minutes < 120 ? "\(decimal(minutes, 0)) min" : "\(decimal(minutes / 60, 1)) h"
    }
}
