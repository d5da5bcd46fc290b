// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@testable import StraitEvaluation

@Suite struct StatisticsTests {
    /// A table of two variants whose misses share what the arrivals bring and differ by `effect` on average.
    private func table(seeds: Int, blocks: Int, effect: Int, spread: Int, seedSpread: Int, luck: UInt64) -> RecordTable
    {
        var random = SplitMix(seed: luck)
        var records: [RunRecord] = []
        for seed in 0..<seeds {
            let own = seedSpread > 0 ? random.below(2 * seedSpread + 1) - seedSpread : 0
            var first: [Int] = []
            var second: [Int] = []
            for _ in 0..<blocks {
                // Large and the same for both: what common random numbers take out.
                let common = 100 + random.below(400)
                first.append(common + effect + own + random.below(2 * spread + 1) - spread)
                second.append(common)
            }
            records.append(Made.run("one", seed: UInt64(seed), high: first, low: first))
            records.append(Made.run("other", seed: UInt64(seed), high: second, low: second))
        }
        return RecordTable(records)
    }

    @Test func pairingTakesOutWhatBothMet() throws {
        let table = table(seeds: 5, blocks: 22, effect: 20, spread: 30, seedSpread: 0, luck: 1)
        let alone = try #require(table.estimate(.violation(.high), of: "one", in: Cell()))
        let paired = try #require(
            table.difference(.violation(.high), of: "one", minus: "other", in: Cell()))
        #expect(abs(paired.value - 2) < paired.halfWidth * 2)
        #expect(paired.halfWidth * 4 < alone.halfWidth)
    }

    @Test(arguments: [0, 25]) func intervalsHoldTheTruthAsOftenAsTheySay(seedSpread: Int) throws {
        let trials = 200
        var held = 0
        for trial in 0..<trials {
            let table = table(
                seeds: 5, blocks: 22, effect: 20, spread: 30, seedSpread: seedSpread, luck: UInt64(trial) &* 977)
            let paired = try #require(
                table.difference(.violation(.low), of: "one", minus: "other", in: Cell()))
            if paired.lower <= 2, 2 <= paired.upper { held += 1 }
        }
        // With five seeds that differ much there is no more to be had from two hundred trials than this.
        #expect(Double(held) / Double(trials) > (seedSpread == 0 ? 0.92 : 0.82), "\(held) of \(trials)")
        #expect(Double(held) / Double(trials) < 0.995, "\(held) of \(trials)")
    }

    @Test func theSameRecordsGiveTheSameIntervals() throws {
        let one = table(seeds: 3, blocks: 10, effect: 5, spread: 50, seedSpread: 5, luck: 7)
        let other = RecordTable(one.records.reversed())
        #expect(
            one.difference(.violation(.low), of: "one", minus: "other", in: Cell())
                == other.difference(.violation(.low), of: "one", minus: "other", in: Cell()))
        #expect(one.estimate(.jain(.low), of: "one", in: Cell())?.value == 1)
    }

    @Test func whatWasNotRunHasNoEstimate() {
        let table = RecordTable([Made.run("one", high: [0], low: [0])])
        #expect(table.estimate(.violation(.high), of: "other", in: Cell()) == nil)
        #expect(table.difference(.violation(.high), of: "one", minus: "other", in: Cell()) == nil)
        #expect(table.estimate(.coverage95(.high), of: "one", in: Cell()) == nil)
        #expect(table.estimate(.violation(.high), of: "one", in: Cell()) == Estimate(value: 0, halfWidth: 0))
    }

    @Test func oneSeedDoesNotSayHowSeedsVary() throws {
        let one = RecordTable([Made.run("one", high: [0, 9], low: [0])])
        let waste = try #require(one.estimate(.waste, of: "one", in: Cell()))
        #expect(waste.value == 25 && waste.halfWidth == .infinity && waste.words == "25.00 ± unknown")
        #expect(Judgement("", waste, atMost: 30, margin: 5).verdict == .undecided)
        let two = RecordTable([1, 2].map { Made.run("one", seed: $0, high: [0], low: [0]) })
        #expect(two.estimate(.waste, of: "one", in: Cell())?.halfWidth == 0)
    }

    @Test func theWorstModelIsTakenRunByRun() throws {
        let classes = Made.requestClass([
            Made.model("a", arrivals: 100, missed: [10, 30]), Made.model("b", arrivals: 300, missed: [30, 0]),
        ])
        let run = RunRecord(
            axis: .core, cell: Cell(), variant: "strait", policy: "strait", lanes: 4, seed: 1, high: classes,
            low: classes)
        let table = RecordTable([run])
        let worst = try #require(table.estimate(.worstModel(.low), of: "strait", in: Cell()))
        #expect(abs(worst.value - 20) < 1e-9)
        let excess = try #require(table.estimate(.excess(.low), of: "strait", in: Cell()))
        #expect(abs(excess.value - (20 - 8.75)) < 1e-9)
        let second = try #require(table.estimate(.violation(.high, model: 1), of: "strait", in: Cell()))
        #expect(abs(second.value - 5) < 1e-9)
    }

    @Test func aLineReadsBackAsTheSameRecord() throws {
        let record = Made.run(
            "strait/no-gate", cell: Cell(scenario: "a \"name\"", load: 1.15, seconds: 7.5), high: [1, 2], low: [3, 4])
        let line = RecordLine(key: "abc", record: record)
        let text = Array(line.text.utf8)
        let read = try text.withUnsafeBufferPointer { try RecordLine($0) }
        #expect(read == line)
        #expect(read.text == line.text)
    }
}
