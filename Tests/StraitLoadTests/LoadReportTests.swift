// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import StraitLoad
internal import Testing

@Suite struct LoadReportTests {
    private func plan(highShare: Double = 0.5) -> LoadPlan {
        var fast = LoadTarget(model: "fast")
        fast.highDeadline = .milliseconds(50)
        fast.lowDeadline = .milliseconds(150)
        var plan = LoadPlan(
            server: ServerAddress(host: "127.0.0.1", port: 1), targets: [fast, LoadTarget(model: "slow")],
            pace: .openLoop(requestsPerSecond: 100))
        plan.highShare = highShare
        return plan
    }

    /// One request of each outcome for every class and model, each answered after 20 ms, plus `lag` at the client.
    private func measured(lag: Int64 = 0) -> Measurement {
        var measured = Measurement(targetCount: 2)
        for index in measured.tallies.indices {
            for outcome in [Outcome.inTime, .late, .refused, .failed] {
                measured.tallies[index].noteScheduled()
                measured.tallies[index].noteLag(lag)
                measured.tallies[index].noteEnd(outcome, latency: 20_000_000 + lag, serverLatency: 20_000_000)
            }
        }
        measured.answeredInWindow = 8
        return measured
    }

    @Test func rowsComeByClassThenModelAndTotalsAddUp() throws {
        let report = try LoadReport(plan: plan(), measured: measured())
        #expect(report.rows.map(\.model) == ["fast", "slow", "fast", "slow"])
        #expect(report.rows.map(\.requestClass) == [.high, .high, .low, .low])
        #expect(report.classTotals.map(\.sent) == [8, 8])
        #expect(report.total.sent == 16)
        #expect(report.total.inTime == 4)
        #expect(report.total.inTimeShare == 0.25)
        #expect(report.total.latency.p50 == 20)
        #expect(report.answeredPerSecond == 0.8)
    }

    @Test func aClassThatIsNotSentHasNoRows() throws {
        var measured = Measurement(targetCount: 2)
        measured.tallies[1].noteScheduled()
        measured.tallies[1].noteEnd(.inTime, latency: 1, serverLatency: 1)
        let report = try LoadReport(plan: plan(highShare: 0), measured: measured)
        #expect(report.rows.map(\.requestClass) == [.low, .low])
        #expect(report.classTotals.count == 1)
    }

    @Test func anUnbalancedTallyIsRefused() {
        var measured = measured()
        measured.tallies[2].noteScheduled()
        #expect(throws: LoadError.self) { try LoadReport(plan: plan(), measured: measured) }
    }

    @Test func jsonHasTheAgreedKeysForEachClassAndModel() throws {
        struct Row: Decodable {
            let `class`: String
            let model: String
            let sent, in_time, late, refused, failed: Int
            let p50_ms, p95_ms, p99_ms: Double?
            let client_lag_p99_ms: Double?
            let offered_seconds: Double
            let deadline_ms: Double?
        }
        var empty = measured()
        empty.tallies[3] = Tally()
        let report = try LoadReport(plan: plan(), measured: empty)
        let rows = try JSONDecoder().decode([Row].self, from: Data(report.json.utf8))
        #expect(rows.map(\.class) == ["high", "high", "low", "low"])
        #expect(rows.map(\.model) == ["fast", "slow", "fast", "slow"])
        #expect(rows.map(\.sent) == [4, 4, 4, 0])
        #expect(rows.allSatisfy { $0.sent == $0.in_time + $0.late + $0.refused + $0.failed })
        #expect(rows.map(\.p99_ms) == [20, 20, 20, nil])
        #expect(rows.map(\.deadline_ms) == [50, nil, 150, nil])
        #expect(rows[0].offered_seconds == 10)
    }

    @Test func aSlowClientIsNamedAndAQuickOneIsNot() throws {
        #expect(try LoadReport(plan: plan(), measured: measured(lag: 1_900_000)).warnings.isEmpty)
        let slow = try LoadReport(plan: plan(), measured: measured(lag: 2_100_000)).warnings
        #expect(slow.count == 1)
        #expect(slow.first?.hasPrefix("The client was slow") == true)
        var tight = plan()
        tight.targets[0].highDeadline = .milliseconds(10)
        let warnings = try LoadReport(plan: tight, measured: measured(lag: 1_100_000)).warnings
        #expect(warnings.first?.contains("10 % of the smallest deadline") == true)
    }

    @Test func requestsThatWaitedForAConnectionAreNamed() throws {
        var measured = measured()
        measured.waitedForConnection = 3
        let warnings = try LoadReport(plan: plan(), measured: measured).warnings
        #expect(warnings.first?.hasPrefix("3 requests waited for a free connection (at most 256)") == true)
    }

    @Test func theTextHoldsEveryRowTheTotalsAndTheWarnings() throws {
        var measured = measured(lag: 3_000_000)
        measured.noteFailure("fast: status 500")
        let text = try LoadReport(plan: plan(), measured: measured).text
        let lines = text.split(separator: "\n")
        #expect(lines[0].hasPrefix("class  model  deadline  sent  in time      %  late  refused  failed"))
        #expect(
            lines[1].hasPrefix(
                "high   fast       50.0     4        1  25.00     1        1       1   23.00   23.00   23.00        3.00"
            ))
        #expect(lines.count { $0.contains(" all ") } == 3)
        #expect(text.contains("Failed 1 ×: fast: status 500"))
        #expect(text.contains("WARNING: The client was slow"))
    }

    @Test(arguments: [
        (0.0, 2, "0.00"), (1.005, 1, "1.0"), (99.999, 2, "100.00"), (-0.004, 2, "0.00"), (-1.25, 1, "-1.3"),
        (12.0, 0, "12"), (1234.5678, 3, "1234.568"),
    ])
    func decimalsAreRounded(value: Double, places: Int, expected: String) {
        #expect(decimal(value, places) == expected)
    }

    @Test func aPercentageSaysHundredOnlyForAll() {
        #expect(percentage(1) == "100.00")
        #expect(percentage(0.99999) == "99.99")
        #expect(percentage(nil) == "–")
    }
}
