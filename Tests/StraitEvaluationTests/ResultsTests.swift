// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitCore
internal import StraitFormats
internal import StraitSimulation
internal import Testing

@testable import StraitEvaluation

/// The page of results: the report's numbers in Markdown.
@Suite struct ResultsTests {
    /// Two seeds of some policies in cells of several axes; of a thousand requests a block, misses in each.
    private var records: [RunRecord] {
        var all: [RunRecord] = []
        for (axis, cell) in [
            (Axis.core, Cell(load: 1.3, arrivals: "gamma")), (.core, Cell()), (.core, Cell(load: 0.6)),
            (.ablations, Cell()), (.change, Cell(scenario: "clock")), (.devices, Cell(scenario: "a|b")),
            (.physics, Cell(physics: "threshold")), (.pareto, Cell()),
        ] {
            for (variant, high, low) in [
                ("strait", [4, 6], [30, 50]), ("edf", [0, 2], [100, 120]), ("strait/no-gate", [14, 16], [130, 150]),
            ] {
                for seed in 0..<2 as Range<UInt64> {
                    all.append(Made.run(variant, seed: seed, axis: axis, cell: cell, high: high, low: low))
                }
            }
        }
        return all
    }

    private func page() -> String {
        let table = RecordTable(records)
        return ResultsPage(table, targets: TargetTable(table).rows).text
    }

    /// The rows of a section's table, head and rule left out.
    private func rows(_ section: String) -> [String] {
        let text = page().split(separator: "## \(section)\n").dropFirst().first?.split(separator: "\n## ").first ?? ""
        return text.split(separator: "\n").filter { $0.hasPrefix("|") }.dropFirst(2).map(String.init)
    }

    @Test func theTablesHaveTheRecordsNumbers() {
        // Misses of ten in two thousand are 0.5 %; one of the columns ran, the others are dashes.
        let entries = "| 0.50 / 4.0 / 4.0 |" + String(repeating: " – |", count: 7) + " 0.10 / 11 / 11 | – | – |"
        #expect(
            rows("Core cells") == [
                "| gamma | 1.3 \(entries)", "| poisson | 0.6 \(entries)", "| poisson | 1 \(entries)",
            ])
        let axes = "| poisson 1 | 0.50 / 4.0 / 4.0 |" + String(repeating: " – |", count: 6)
        #expect(rows("Other axes") == ["| a\\|b \(axes)", "| clock \(axes)"])
        #expect(rows("What each part is worth") == ["| `no-gate` | +1.00 ± 0.00 · +10.00 ± 0.00 |"])
        #expect(page().contains("| changed | poisson 1: ΔV_high · ΔV_low |"))
    }

    @Test func itSaysWhatTheReportSays() throws {
        let table = RecordTable(records)
        var input = ReportInput(table)
        input.targets = TargetTable(table).rows
        let html = Report(input).html
        #expect(rows("Targets").count == input.targets.count)
        for row in input.targets {
            #expect(page().contains("| \(row.verdict.rawValue) | \(row.target) | \(row.measured) |"))
            #expect(html.contains(Markup.escaped(row.measured)))
        }
        let losses = rows("Where we lose")
        #expect(losses.count == 6 && losses[0].contains("| V high | 0.50 | edf | +0.40 ± "))
        #expect(page().contains(Losses(table).rule) && html.contains(Losses(table).rule))
        // Each run once, whatever it is part of: six cells but for one that three axes have.
        #expect(page().contains("from 36 runs"))
    }

    @Test func theSameRecordsGiveTheSameBytesAndNoneGiveNoTables() {
        #expect(page() == page())
        let empty = ResultsPage(RecordTable([]), targets: []).text
        #expect(empty.contains("from 0 runs") && !empty.contains("|") && empty.contains("None."))
    }

    // -- again from what a folder has ------------------------------------------------------------------------------

    @Test func targetsReadBack() throws {
        let path = "/tmp/strait-targets-\(getpid()).json"
        defer { unlink(path) }
        let table = RecordTable(records)
        var rows = TargetTable(table).rows
        rows.append(
            TargetRow(
                name: "long", target: "a \"bound\"", verdict: .undecided,
                worst: Estimate(value: 2, halfWidth: .infinity), detail: String(repeating: "é", count: 2000)))
        try write(TargetFile.json(rows), to: path)
        for index in rows.indices { rows[index].room = nil }
        #expect(try TargetFile.rows(path: path) == rows)
        for (text, words) in [
            ("{}", "target 0 is not"), ("[{\"name\":1}]", "target"), ("[", "malformed"),
            (TargetFile.json(rows).replacing("\"undecided\"", with: "\"perhaps\""), "target \(rows.count - 1) is not"),
        ] {
            try write(text, to: path)
            let error = #expect(throws: EvaluationError.self) { try TargetFile.rows(path: path) }
            #expect(error?.code == .badFile && error?.message.hasPrefix(path) == true, "\(words)")
        }
    }

    @Test func recordsAreFoundWhateverCodeMadeThem() throws {
        let path = "/tmp/strait-store-\(getpid()).jsonl"
        defer { unlink(path) }
        var scenario = ScenarioLibrary.centre
        scenario.warmUp = .seconds(0.1)
        scenario.duration = .seconds(0.3)
        let plan = MatrixPlan(
            runs: [UInt64(7), 8].map {
                PlannedRun(scenario, PolicySetup(.triton), seed: $0, axes: [.core, .pareto])
            })
        var options = Evaluation.Options()
        options.code = "old"
        let made = try Evaluation(plan, store: path, options: options).run { _ in }
        let found = try Evaluation(plan, store: path, options: Evaluation.Options()).recorded()
        #expect(found == made && made.count == 4)
        #expect(throws: EvaluationError.self) {
            try Evaluation(plan, store: path + ".none", options: Evaluation.Options()).recorded()
        }
    }

    private func write(_ text: String, to path: String) throws {
        let file = creat(path, 0o644)
        try #require(file >= 0)
        var text = text
        _ = text.withUTF8 { Glibc.write(file, $0.baseAddress, $0.count) }
        close(file)
    }
}
