// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitSimulation
internal import Testing

@testable import StraitEvaluation

@Suite struct ReportTests {
    /// Records of all axes under Strait, two rivals and changed ones.
    private var records: [RunRecord] {
        let variants = ["strait", "edf-priority-ewma-gate", "<&>", "strait/no-gate", "strait/high-weight-10"]
        let axes: [(Axis, Cell)] = [
            (.core, Cell()), (.core, Cell(load: 1.3)), (.pareto, Cell()), (.ablations, Cell()),
            (.devices, Cell(scenario: "devices-2", devices: 2)), (.change, Cell(scenario: "clock", change: "clock")),
            (.physics, Cell(physics: "threshold")),
        ]
        return axes.flatMap { axis, cell in
            variants.enumerated().flatMap { place, variant in
                [UInt64(0), 1].map { seed in
                    Made.run(
                        variant, seed: seed, axis: axis, cell: cell, high: [place, 2 * place], low: [50 - place, 20])
                }
            }
        }
    }

    private func input() throws -> ReportInput {
        let table = RecordTable(records)
        var input = ReportInput(table)
        input.targets = TargetTable(table).rows
        input.facts = [("command", "strait evaluate --out \"<&>\"")]
        var scenario = ScenarioLibrary.centre
        scenario.warmUp = .seconds(0.1)
        scenario.duration = .seconds(0.6)
        scenario.change = .clock
        input.timelines = [try Simulation.record(scenario, PolicySetup(.strait), seed: 1).recording]
        input.drifts = input.timelines
        let figures = FidelityFile.Figures(inTime: 0.9, p50: 10, p95: 20)
        input.fidelity = FidelityFile(rows: [
            FidelityFile.Row(
                recording: "<&>", policy: "strait", times: "profile", requestClass: .high, model: nil, requests: 100,
                live: figures, simulated: figures, lowest: figures, highest: figures)
        ])
        return input
    }

    @Test func everyFigureIsThereAndSound() throws {
        let report = Report(try input())
        #expect(
            report.files.map(\.name) == [
                "violations.svg", "pareto.svg", "equity.svg", "timeline.svg", "timeline-zoom.svg", "ablations.svg",
                "waste.svg", "drift.svg", "coverage.svg", "devices.svg", "axis-change.svg", "violations-physics.svg",
                "fidelity.svg",
            ])
        for file in report.files {
            #expect(isWellFormed(file.content), "\(file.name)")
            let words = Set(file.content.split { !$0.isLetter }.map { $0.lowercased() })
            #expect(words.isDisjoint(with: ["nan", "inf", "infinity"]), "\(file.name)")
        }
    }

    @Test func thePageNeedsNothingElseAndEscapesWhatItIsGiven() throws {
        let html = Report(try input()).html
        #expect(isWellFormed(String(html.dropFirst("<!DOCTYPE html>\n".count))))
        #expect(!html.contains("<script") && !html.contains("<img") && !html.contains("url("))
        // No addresses but the name of SVG's name space.
        #expect(html.split(separator: "http").dropFirst().allSatisfy { $0.hasPrefix("://www.w3.org/2000/svg\"") })
        #expect(!html.contains("<&>"))
        #expect(html.contains("strait evaluate --out &quot;&lt;&amp;&gt;&quot;"))
        #expect(!html.contains("No figure of violations"))
        #expect(html.contains("No figure of errors of estimators: it needs the part estimators."))
    }

    @Test func theSameInputGivesTheSameBytes() throws {
        let (one, two) = (Report(try input()), Report(try input()))
        #expect(one.html == two.html)
        #expect(one.files.map(\.content) == two.files.map(\.content))
    }

    @Test func withoutRecordsItSaysWhatIsMissing() {
        let report = Report(ReportInput(RecordTable([])))
        #expect(report.files.isEmpty)
        #expect(isWellFormed(String(report.html.dropFirst("<!DOCTYPE html>\n".count))))
        #expect(report.html.contains("No figure of violations against load: it needs the part core of the plan."))
    }

    @Test func whereWeLoseIsWhereAUsableRivalIsAhead() {
        let runs = [
            // Far below in high: lost. Ahead of it in low.
            Made.run("strait", high: [20, 22], low: [100, 120]), Made.run("ahead", high: [1, 2], low: [200, 190]),
            // Nearly as good in high and better in low: lost.
            Made.run("lower", high: [22, 23], low: [50, 55]),
            // Better in low, but for 5 points of high.
            Made.run("bought", high: [70, 71], low: [10, 9]),
            // Better in high, but not usable; and one that knows the future.
            Made.run("useless", high: [0, 0], low: [600, 610]), Made.run("oracle", high: [0, 0], low: [0, 0]),
            // A changed one is no rival.
            Made.run("strait/no-gate", high: [0, 0], low: [0, 0]),
        ].map { run in
            var run = run
            if run.variant == "strait/no-gate" { run.policy = "strait" }
            return run
        }
        let losses = Losses(RecordTable(runs)).all.map { "\($0.rival), \($0.metric)" }
        #expect(losses == ["lower, V low", "ahead, V high"])
        #expect(Losses(RecordTable(Array(runs.prefix(1)))).html.contains("None."))
    }
}
