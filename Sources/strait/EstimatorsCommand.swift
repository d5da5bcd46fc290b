// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import StraitCore
internal import StraitLoad
internal import StraitSimulation
internal import VirtualAccelerator

/// `strait estimators`: how well each estimator predicts kernel times on simulated devices, and how well bounds hold.
struct EstimatorsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "estimators",
        abstract: "Compare estimators of interference on simulated devices, and check the bounds of predictions.",
        discussion: """
            The first table is about kernel times given the real overlap, on traces of random batches that run one to \
            four at a time; each is predicted before it is learned from. Errors are means of |predicted / actual - 1|: \
            while nothing changes, from 2 s after the clock fell by 30 %, and from 2 s after one model became 1.4 times \
            slower, for all models and for that one. Then the shares of batches within their 95 % and 99 % bounds, the \
            width of the first, and the models whose bounds hold least and most often.

            The second is about the ends of batches as predicted when they are staged, in runs of the scenario centre \
            under the policy strait. Everything follows from the seeds. --json writes one object a line for each physics, \
            seed, estimator, stage and model.

            EXAMPLE
              strait estimators --physics threshold --seeds 0-4 --json estimators.jsonl
            """)

    @Option(help: "How co-runners slow each other down; both if not given.")
    var physics: Physics?

    @Option(help: "Seeds: numbers and ranges, separated by commas.")
    var seeds = "0-4"

    @Option(help: "Write all results to this file, - for standard output.")
    var json: String?

    @Flag(help: "No progress line.")
    var quiet = false

    func run() throws {
        do {
            try OutputFile.check(json)
            let rows = try makeRows()
            let summaries = EstimatorSummary.summaries(of: rows)
            let tables = Self.kernelTable(summaries) + "\n" + Self.finishTable(summaries)
            // Where the JSON goes to standard output, nothing else does.
            if json == "-" { writeToStandardError(tables) } else { print(tables, terminator: "") }
            if let json { try writeText(rows.map(\.jsonLine).joined(), to: json) }
        } catch let error as SimulationError {
            throw Console.failure("estimators", error.message)
        } catch let error as LoadError {
            throw Console.failure("estimators", error.message)
        }
    }

    private func makeRows() throws(SimulationError) -> [EstimatorRow] {
        let seeds = try Sweep.seeds(seeds)
        let trials = (physics.map { [$0] } ?? Physics.allCases).flatMap { physics in
            seeds.map { EstimatorTrial(physics: physics, seed: $0) }
        }
        let line = StatusLine(quiet: quiet)
        defer { line.clear() }
        var rows: [EstimatorRow] = []
        for (done, trial) in trials.enumerated() {
            line.show("\(done) of \(trials.count) trials")
            rows += trial.kernelRows()
            rows += try trial.finishRows()
        }
        return rows
    }

    private static func kernelTable(_ summaries: [EstimatorSummary]) -> String {
        var table = TextTable(
            ["physics", "estimator", "steady %", "clock %", "model %", "that model %"] + coverageHeadings,
            leftColumns: 2)
        for summary in summaries {
            table.append(
                [
                    summary.physics.rawValue, summary.estimator.rawValue, percent(summary.score([.steady]).error),
                    percent(summary.score([.clock]).error), percent(summary.score([.model]).error),
                    percent(summary.score([.model], changedOnly: true).error),
                ]
                    + coverageCells(
                        summary.score(EstimatorRow.Stage.kernels).coverage,
                        summary.modelCoverage(EstimatorRow.Stage.kernels)))
        }
        return table.text
    }

    private static func finishTable(_ summaries: [EstimatorSummary]) -> String {
        var table = TextTable(["physics", "class", "error %", "bias %"] + coverageHeadings, leftColumns: 2)
        for summary in summaries {
            for requestClass in RequestClass.allCases {
                let score = summary.score([.finish], requestClass)
                // Whole runs are made with one of the estimators only.
                guard score.batches > 0 else { continue }
                table.append(
                    [summary.physics.rawValue, requestClass.name, percent(score.error), percent(score.bias)]
                        + coverageCells(score.coverage, summary.modelCoverage([.finish], requestClass)))
            }
        }
        return table.text
    }

    private static let coverageHeadings = ["p95 %", "p99 %", "q95/q50", "least %", "most %"]

    private static func coverageCells(
        _ coverage: Coverage, _ models: (least: Double, greatest: Double)?
    ) -> [String] {
        [
            percent(coverage.p95), percent(coverage.p99), decimal(coverage.width, 3), percent(models?.least),
            percent(models?.greatest),
        ]
    }

    private static func percent(_ share: Double?) -> String { decimal(share.map { $0 * 100 }, 1) }
}
