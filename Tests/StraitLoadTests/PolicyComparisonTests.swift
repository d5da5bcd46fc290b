// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import StraitLoad
internal import Testing

@Suite struct PolicyComparisonTests {
    /// A report with so many high and low requests in time, of 100 each.
    private func report(high: Int, low: Int) throws -> LoadReport {
        var measured = Measurement(targetCount: 1)
        for (index, inTime) in [high, low].enumerated() {
            for request in 0..<100 {
                measured.tallies[index].noteScheduled()
                measured.tallies[index].noteEnd(
                    request < inTime ? .inTime : .late, latency: 1_000_000, serverLatency: 1_000_000)
            }
        }
        let plan = LoadPlan(
            server: ServerAddress(host: "h", port: 1), targets: [LoadTarget(model: "m")],
            pace: .openLoop(requestsPerSecond: 20))
        return try LoadReport(plan: plan, measured: measured)
    }

    private func comparison(_ second: LoadReport) throws -> PolicyComparison {
        PolicyComparison(
            basis: [.init(model: "m", soloP50: 8, soloP99: 10, highDeadline: 60, lowDeadline: 160)], capacity: 15,
            rate: 20, runs: [("fifo", try report(high: 40, low: 60)), ("edf-priority", second)])
    }

    @Test func deadlinesAreMultiplesOfTheModelsOwnTimePlusTheLongest() {
        let deadlines = DeadlineRule.deadlines(soloP99: [10, 20])
        #expect(deadlines.map(\.high) == [70, 120])
        #expect(deadlines.map(\.low) == [170, 320])
    }

    @Test(arguments: [
        (99, 1, "goal of 99 % is met", "not fewer: met"), (98, 70, "goal of 99 % is MISSED", "not fewer: met"),
        (100, -1, "goal of 99 % is met", "fewer: MISSED"),
    ])
    func theVerdictSaysWhatWasMet(high: Int, low: Int, highText: String, totalText: String) throws {
        // Low −1 stands for none at all: 100 in time in all would equal fifo's, so the high class loses one too.
        let second = low < 0 ? try report(high: 99, low: 0) : try report(high: high, low: low)
        let verdict = try comparison(second).verdict
        #expect(verdict.contains(highText))
        #expect(verdict.contains("(" + totalText))
    }

    @Test func theTableHasEveryPolicyClassAndModel() throws {
        let lines = try comparison(try report(high: 100, low: 50)).table.split(separator: "\n")
        #expect(lines.count == 1 + 2 * 5)
        #expect(lines[1].hasPrefix("fifo          high   m       100       40   40.00    60"))
        #expect(lines.last?.hasPrefix("edf-priority  both   all     200      150   75.00") == true)
    }

    @Test func jsonHoldsCapacityBasisAndRowsOfEveryPolicy() throws {
        struct Output: Decodable {
            struct Row: Decodable {
                let policy: String
                let `class`: String
                let model: String
                let in_time: Int
            }
            struct Model: Decodable { let deadline_high_ms: Double }
            let capacity_per_second: Double
            let models: [Model]
            let rows: [Row]
        }
        let json = try comparison(try report(high: 100, low: 50)).json
        let output = try JSONDecoder().decode(Output.self, from: Data(json.utf8))
        #expect(output.capacity_per_second == 15)
        #expect(output.models.map(\.deadline_high_ms) == [60])
        #expect(output.rows.count == 10)
        #expect(output.rows.filter { $0.policy == "edf-priority" }.map(\.in_time) == [100, 50, 100, 50, 150])
    }
}
