// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitSimulation
internal import Testing

@testable import StraitEvaluation

@Suite struct RecordingsTests {
    @Test func timelinesShowTheSameBusySecond() throws {
        let recordings = ReportRecordings(seed: 2, threads: 2)
        let third = PolicyName(rawValue: "preempt-level1")?.rawValue ?? "triton"
        let made = try recordings.record(ReportRecordings.timelines(seed: 2, among: 5..<7))
        #expect(made.map(\.head.policy) == ["strait", "edf-priority-ewma-gate", third])
        let arrivals = made.map { $0.arrivals.map(\.at) }
        #expect(arrivals[0] == arrivals[1] && arrivals[1] == arrivals[2])
        let first = try #require(arrivals[0].first)
        let last = try #require(arrivals[0].last)
        #expect(last - first < .seconds(1))
        #expect(made.allSatisfy { !$0.batches.isEmpty && $0.dropped == 0 })
        // As many as in any of the seconds that it was chosen from.
        let all = ScenarioLibrary.centre.bursting.arrivals(seed: 2).map { Int(($0.at - .zero).seconds) }
        #expect(arrivals[0].count == max(all.count { $0 == 5 }, all.count { $0 == 6 }))
    }

    @Test func driftsAreUnderSeveralEstimators() {
        let jobs = ReportRecordings.drifts(seconds: 20)
        #expect(
            jobs.map { "\($0.scenario.name) \($0.setup.name)" } == [
                "clock strait", "clock strait/static-estimator", "clock strait/ewma-estimator", "model-drift strait",
                "model-drift strait/static-estimator", "model-drift strait/ewma-estimator",
            ])
        #expect(jobs.allSatisfy { $0.scenario.change != .none && $0.scenario.duration == .seconds(20) })
    }
}

extension Scenario {
    fileprivate var bursting: Scenario {
        var scenario = self
        scenario.arrivals = .bursts
        return scenario
    }
}
