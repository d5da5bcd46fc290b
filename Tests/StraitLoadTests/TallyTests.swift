// SPDX-License-Identifier: Apache-2.0

internal import StraitLoad
internal import Testing

@Suite struct TallyTests {
    @Test(
        arguments: [
            (200, 99, 100, Outcome.inTime), (200, 100, 100, .inTime), (200, 101, 100, .late),
            (200, 5_000_000, nil, .inTime),
            (429, 1, 100, .refused), (503, 1, nil, .refused), (504, 500, 100, .refused),
            (400, 1, 100, .failed), (404, 1, 100, .failed), (500, 1, nil, .failed), (204, 1, nil, .failed),
        ] as [(Int, Int64, Int64?, Outcome)])
    func anAnswersOutcomeFollowsFromStatusAndDeadline(
        status: Int, latency: Int64, deadline: Int64?, expected: Outcome
    ) {
        #expect(Outcome(status: status, latency: latency, deadline: deadline) == expected)
    }

    @Test func percentilesAreNearestRanks() {
        let hundred = (1...100).map { Int64($0) }
        #expect(percentile(0.5, ofSorted: hundred) == 50)
        #expect(percentile(0.95, ofSorted: hundred) == 95)
        #expect(percentile(0.99, ofSorted: hundred) == 99)
        #expect(percentile(1, ofSorted: hundred) == 100)
        #expect(percentile(0.5, ofSorted: [7]) == 7)
        #expect(percentile(0.99, ofSorted: [7, 9]) == 9)
        #expect(percentile(0.5, ofSorted: []) == nil)
    }

    @Test func onlyAnsweredRequestsHaveLatencies() {
        var tally = Tally()
        for outcome in [Outcome.inTime, .late, .refused, .failed] {
            tally.noteScheduled()
            tally.noteLag(-5)
            tally.noteEnd(outcome, latency: 10, serverLatency: 8)
        }
        #expect(tally.isBalanced)
        #expect(tally.latencies == [10, 10])
        #expect(tally.serverLatencies == [8, 8])
        #expect(tally.lags == [0, 0, 0, 0])
    }

    @Test func aRequestWithoutAnOutcomeUnbalancesTheTally() {
        var tally = Tally()
        tally.noteScheduled()
        #expect(!tally.isBalanced)
        var other = Tally()
        other.noteScheduled()
        other.noteEnd(.late, latency: 1, serverLatency: 1)
        tally.merge(other)
        #expect(tally.sent == 2)
        #expect(tally.late == 1)
        #expect(!tally.isBalanced)
    }

    @Test func failuresAreCountedByKindAndTheirKindsBounded() {
        var measured = Measurement(targetCount: 1)
        for index in 0..<100 { measured.noteFailure(index % 2 == 0 ? "same" : "kind \(index)") }
        #expect(measured.failures["same"] == 50)
        #expect(measured.failures.count == Measurement.maximumFailureKinds + 1)
        #expect(measured.failures.values.reduce(0, +) == 100)
    }
}
