// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitServing
internal import Testing

@Suite struct RunTimesTests {
    private func milliseconds(_ times: [Double]) -> [StraitCore.Duration] { times.map { .milliseconds($0) } }

    @Test func `quantiles, mean and the interval of the median`() {
        let times = RunTimes(milliseconds((1...100).reversed().map(Double.init)))
        #expect(times.count == 100)
        #expect(times.median == .milliseconds(50.5))
        #expect(times.p95 == .milliseconds(95.05))
        #expect(times.mean == .milliseconds(50.5))
        // Ranks 40 and 60 of 100, and one to either side.
        #expect(times.medianInterval.lowerBound == .milliseconds(40))
        #expect(times.medianInterval.upperBound == .milliseconds(61))
        let few = RunTimes(milliseconds([3, 1, 2]))
        #expect(few.medianInterval.lowerBound == .milliseconds(1))
        #expect(few.medianInterval.upperBound == .milliseconds(3))
        #expect(RunTimes(milliseconds([7])).medianError == 0)
        #expect(RunTimes([.zero]).medianError == .infinity)
    }

    @Test func `the interval holds the median in 95 of 100 samples`() {
        var state: UInt64 = 7
        var held = 0
        for _ in 0..<1000 {
            // Skewed, as times are: one over a share of 0…1 is 2 in the median, and has no mean.
            let times = (0..<31).map { _ -> Double in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Double(1 << 53) / (Double(state >> 11) + 0.5)
            }
            if RunTimes(milliseconds(times)).medianInterval.contains(.milliseconds(2)) { held += 1 }
        }
        #expect(held >= 935, "\(held) of 1000")
    }

    // -- the stopping rule ----------------------------------------------------------------------------------------

    private let rule = StoppingRule(
        leastRuns: 10, tolerance: 0.02, leastSpan: .milliseconds(100), longestSpan: .milliseconds(1000))

    @Test func `steady times are enough after the least runs and the least time`() {
        let steady = [StraitCore.Duration](repeating: .milliseconds(5), count: 30)
        #expect(rule.runsToMake(after: [], spent: .zero) == 1)
        #expect(rule.runsToMake(after: Array(steady.prefix(1)), spent: .milliseconds(5)) == 9)
        // Known well, but all within one moment.
        #expect(rule.runsToMake(after: Array(steady.prefix(12)), spent: .milliseconds(60)) == 10)
        #expect(rule.runsToMake(after: steady, spent: .milliseconds(150)) == 0)
    }

    @Test func `times that scatter are measured until time is up`() {
        let scattered = (0..<40).map { StraitCore.Duration.milliseconds($0 % 2 == 0 ? 5 : 10) }
        #expect(rule.runsToMake(after: scattered, spent: .milliseconds(300)) == 20)
        // No more than fit the time that is left.
        #expect(rule.runsToMake(after: scattered, spent: .milliseconds(960)) == 4)
        #expect(rule.runsToMake(after: scattered, spent: .milliseconds(995)) == 0)
    }

    @Test func `one run that takes all the time is the only one`() {
        #expect(rule.runsToMake(after: [.milliseconds(1500)], spent: .milliseconds(1500)) == 0)
    }

    @Test func `quick runs end somewhere`() {
        let times = [StraitCore.Duration](repeating: .zero, count: StoppingRule.mostRuns)
        #expect(rule.runsToMake(after: times, spent: .zero) == 0)
        #expect(rule.runsToMake(after: Array(times.dropLast(3)), spent: .zero) == 3)
    }
}
