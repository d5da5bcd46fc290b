// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitSimulation
internal import Testing
internal import VirtualAccelerator

@testable import StraitEvaluation

@Suite struct TargetTests {
    /// What is missed in each thousand, in the same blocks for all seeds and policies but for a little luck.
    private func runs(
        _ variant: String, high: Int, low: Int, cell: Cell = Cell(), axis: Axis = .core, seeds: Int = 5, luck: Int = 2
    ) -> [RunRecord] {
        (0..<seeds).map { seed in
            var random = SplitMix(seed: UInt64(seed))
            func blocks(_ missed: Int) -> [Int] {
                (0..<22).map { _ in min(1000, max(0, missed + random.below(2 * luck + 1) - luck)) }
            }
            return Made.run(
                variant, seed: UInt64(1000 + seed), axis: axis, cell: cell, high: blocks(high), low: blocks(low))
        }
    }

    private func row(_ name: String, _ records: [RunRecord], estimators: [EstimatorRow] = []) throws -> TargetRow {
        try #require(TargetTable(RecordTable(records), estimators: estimators).rows.first { $0.name == name })
    }

    @Test func withoutRunsNothingIsMeasured() {
        let rows = TargetTable(RecordTable([])).rows
        #expect(rows.allSatisfy { $0.verdict == .unmeasured })
        #expect(Set(rows.map(\.name)).count == rows.count)
    }

    @Test func aBoundIsDecidedByTheIntervalOrByItsWidth() {
        func verdict(_ value: Double, _ half: Double) -> TargetRow.Verdict {
            Judgement("", Estimate(value: value, halfWidth: half), atMost: -3, margin: 3).verdict
        }
        #expect(verdict(-5, 1.9) == .met)
        #expect(verdict(-5, 2.1) == .undecided)
        #expect(verdict(-3.1, 1.5) == .met)
        #expect(verdict(-2.9, 1.5) == .missed)
        #expect(verdict(1, 2) == .missed || verdict(1, 2) == .undecided)
        #expect(verdict(1, 3.9) == .missed)
        #expect(verdict(1, 4.1) == .undecided)
    }

    @Test func onlyRivalsThatServeLowRequestsAreUsable() throws {
        // The rival without misses refuses most low requests, so it does not count.
        let records =
            runs("strait", high: 10, low: 100) + runs("orion", high: 0, low: 700)
            + runs("edf-priority", high: 20, low: 300)
        let row = try row("high-against-usable", records)
        #expect(row.verdict == .met)
        #expect(row.worstCell == "poisson, load 1.0, edf-priority")
        #expect(abs((row.worst?.value ?? 0) + 1) < 0.05)
        let beaten = try self.row("high-against-usable", records + runs("clockwork", high: 5, low: 400))
        #expect(beaten.verdict == .missed)
        #expect(beaten.worstCell == "poisson, load 1.0, clockwork")
    }

    @Test func theOracleAndChangedPoliciesAreNoRivals() throws {
        let records =
            runs("strait", high: 10, low: 100) + runs("oracle", high: 0, low: 0)
            + runs("strait/no-gate", high: 0, low: 0) + runs("edf-priority", high: 20, low: 300)
        #expect(try row("high-against-usable", records).verdict == .met)
        #expect(try row("low-lowest", records).verdict == .met)
        #expect(try row("high-gap-to-oracle", records).verdict == .missed)
        #expect(try row("low-gap-to-oracle", records).detail == "holds in 0 of 1, fails in 1")
    }

    @Test func theLeadIsAskedForWhereRivalsSuffer() throws {
        let close = runs("strait", high: 40, low: 100) + runs("edf-priority", high: 60, low: 300)
        #expect(try row("high-lead-over-usable", close).verdict == .missed)
        let well = runs("strait", high: 20, low: 100) + runs("edf-priority", high: 60, low: 300)
        #expect(try row("high-lead-over-usable", well).verdict == .met)
        let none = runs("strait", high: 20, low: 100) + runs("edf-priority", high: 40, low: 300)
        #expect(try row("high-lead-over-usable", none).verdict == .unmeasured)
    }

    @Test func lowestLowNeedsFiveCellsOfSix() throws {
        let cells = (0..<6).map { Cell(load: 0.5 + Double($0) / 10) }
        func records(lost: Int) -> [RunRecord] {
            cells.enumerated().flatMap { index, cell in
                runs("strait", high: 10, low: index < lost ? 310 : 100, cell: cell)
                    + runs("edf-priority", high: 12, low: 300, cell: cell)
                    + runs("gpulet-priority", high: 200, low: 10, cell: cell)
            }
        }
        #expect(try row("low-lowest", records(lost: 0)).verdict == .met)
        #expect(try row("low-lowest", records(lost: 1)).verdict == .met)
        #expect(try row("low-lowest", records(lost: 2)).verdict == .missed)
    }

    @Test func preemptionMayCostAThirdInLow() throws {
        let rival = runs("preempt-reset", high: 5, low: 600)
        #expect(try row("low-against-preemption", runs("strait", high: 5, low: 180) + rival).verdict == .met)
        #expect(try row("low-against-preemption", runs("strait", high: 5, low: 220) + rival).verdict == .missed)
        let idle = Cell(load: 0.6)
        let light = runs("strait", high: 5, low: 220, cell: idle) + runs("preempt-reset", high: 5, low: 600, cell: idle)
        #expect(try row("low-against-preemption", light).verdict == .unmeasured)
    }

    @Test func wideIntervalsDecideNothing() throws {
        let records = runs("strait", high: 60, low: 100, luck: 60) + runs("edf-priority", high: 61, low: 300, luck: 0)
        #expect(try row("high-against-usable", records).verdict == .undecided)
    }

    @Test func effectsAreShownWhateverTheyAre() throws {
        let records =
            runs("strait", high: 10, low: 100, axis: .ablations)
            + runs("strait/no-gate", high: 11, low: 150, axis: .ablations)
        let row = try row("effect-gate", records)
        #expect(row.verdict == .shown)
        #expect(row.worstCell == "poisson, load 1.0, V_low")
        #expect(row.detail.hasPrefix("poisson, load 1.0: V_high +0."))
    }

    @Test func anotherPhysicsMustNotTurnRanksRound() throws {
        let threshold = Cell(physics: "threshold")
        func records(_ other: Int) -> [RunRecord] {
            runs("strait", high: 10, low: 100) + runs("triton", high: 50, low: 300)
                + runs("strait", high: 10, low: 100, cell: threshold, axis: .physics)
                + runs("triton", high: 50, low: other, cell: threshold, axis: .physics)
        }
        #expect(try row("physics-rank", records(200)).verdict == .met)
        let turned = try row("physics-rank", records(50))
        #expect(turned.verdict == .missed)
        #expect(turned.detail == "1 of 2 comparisons turn round over 1 cells")
    }

    @Test func kernelErrorsComeFromTrials() throws {
        var rows: [EstimatorRow] = []
        for seed in [UInt64(1), 2] {
            rows += EstimatorTrial(physics: .waterfill, seed: seed).kernelRows()
        }
        let row = try row("kernel-error", [], estimators: rows)
        #expect(row.verdict != .unmeasured)
        #expect(row.worstCell == "waterfill, steady")
        #expect((row.worst?.value ?? 0) > 0.5)
    }

    @Test func rowsAreWrittenForProgramsAndPeople() {
        let rows = [
            TargetRow(
                name: "a", target: "a \"bound\"", verdict: .met, worst: Estimate(value: -0.125, halfWidth: 0.5),
                unit: "pp",
                worstCell: "there", detail: "all"),
            TargetRow(name: "b", target: "another", verdict: .unmeasured),
        ]
        #expect(
            TargetFile.json(rows) == """
                [
                 {"name":"a","target":"a \\"bound\\"","verdict":"met","worst":-0.125,"half_width":0.5,"unit":"pp",\
                "worst_cell":"there","detail":"all"},
                 {"name":"b","target":"another","verdict":"unmeasured","worst":null,"half_width":null,"unit":"",\
                "worst_cell":"","detail":""}
                ]

                """)
        #expect(
            TargetFile.text(rows) == """
                met         a "bound"
                            -0.13 ± 0.50 pp in there
                            all
                unmeasured  another

                """)
    }
}
