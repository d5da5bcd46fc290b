// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitSimulation
internal import Testing
internal import VirtualAccelerator

@Suite struct ArrivalTests {
    private func scenario(_ kind: ArrivalKind, seconds: Double = 300) throws -> Scenario {
        var scenario = try ScenarioLibrary.scenario(named: "centre")
        scenario.arrivals = kind
        scenario.duration = .seconds(seconds)
        return scenario
    }

    @Test func loadOneIsWhatADeviceDoesOneReferenceBatchAfterTheOther() throws {
        let scenario = try scenario(.poisson)
        let rates = scenario.arrivalRates(weights: scenario.models.map { _ in 1 })
        // Written out from the table of the evaluation: a sixth of a second over the time of a row, in milliseconds.
        let perRow = [2.99 / 8, 5.26 / 8, 5.2 / 8, 9.6 / 8, 4.7 / 8, 12.4 / 4]
        for (rate, time) in zip(rates, perRow) { #expect(abs(rate - 1000 / 6 / time) < 0.01) }
        let share = zip(rates, perRow).reduce(0) { $0 + $1.0 * $1.1 / 1000 }
        #expect(abs(share - 1) < 1e-6)
    }

    @Test(arguments: ArrivalKind.allCases, [0.6, 1.3])
    func theWorkThatArrivesIsTheLoad(kind: ArrivalKind, load: Double) throws {
        var scenario = try scenario(kind, seconds: 60)
        scenario.load = load
        scenario.devices = 2
        let work = scenario.arrivals(seed: 3).reduce(0.0) { sum, arrival in
            let model = scenario.models[arrival.model]
            return sum + Double(model.kernels.soloTime(rows: model.referenceRows)) / Double(model.referenceRows)
        }
        let measured = work / 1e9 / scenario.duration.seconds / 2
        #expect(abs(measured / load - 1) < 0.05, "\(measured) instead of \(load)")
    }

    /// Gaps in one model and class, relative to their mean.
    private func variation(_ kind: ArrivalKind) throws -> Double {
        var scenario = try scenario(kind, seconds: 100)
        scenario.models = [scenario.models[0]]
        let times = scenario.arrivals(seed: 11).filter { $0.model == 0 && $0.requestClass == .low }.map(
            \.at.nanoseconds)
        let gaps = zip(times.dropFirst(), times).map { Double($0 - $1) }
        let mean = gaps.reduce(0, +) / Double(gaps.count)
        let variance = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)
        return variance.squareRoot() / mean
    }

    @Test func gapsVaryAsTheirKindSays() throws {
        #expect(abs(try variation(.poisson) - 1) < 0.03)
        #expect(abs(try variation(.gamma) - 3) < 0.12)
        // The slow swing adds a little to 1.6.
        #expect(abs(try variation(.azure) - 1.62) < 0.06)
    }

    @Test func burstsBringFiveTimesTheRateForTwoFifthsOfTheTime() throws {
        var scenario = try scenario(.bursts, seconds: 400)
        scenario.models = [scenario.models[0]]
        scenario.load = 0.2
        let rate = scenario.arrivalRates(weights: scenario.models.map { _ in 1 })[0] * 0.7
        // Windows of 20 ms, far shorter than a burst: about what a mixture of two Poisson counts gives.
        var counts = [Double](repeating: 0, count: 20_000)
        for arrival in scenario.arrivals(seed: 1) where arrival.model == 0 && arrival.requestClass == .low {
            counts[Int(arrival.at.nanoseconds / 20_000_000)] += 1
        }
        let mean = counts.reduce(0, +) / 20_000
        let variance = counts.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 20_000
        let expected = rate * 0.02
        #expect(abs(mean / expected - 1) < 0.03)
        // Rates of 1.923 and 0.385 of the mean have a variance of 0.568 of its square; less for windows of mixed state.
        let excess = (variance - mean) / (mean * mean)
        #expect((0.45...0.60).contains(excess), "\(excess)")
    }

    @Test func azureGivesFewModelsMostOfTheTime() throws {
        let scenario = try scenario(.azure, seconds: 100)
        var work = [Double](repeating: 0, count: 6)
        for arrival in scenario.arrivals(seed: 4) {
            let model = scenario.models[arrival.model]
            work[arrival.model] +=
                Double(model.kernels.soloTime(rows: model.referenceRows)) / Double(model.referenceRows)
        }
        let shares = work.map { $0 / work.reduce(0, +) }.sorted(by: >)
        // 1 / (1 + 1/2 + … + 1/6) is 0.408.
        #expect(abs(shares[0] - 0.408) < 0.03 && abs(shares[5] - 0.068) < 0.02)
    }

    @Test(arguments: ArrivalKind.allCases) func theHighShareIsKept(kind: ArrivalKind) throws {
        let arrivals = try scenario(kind, seconds: 100).arrivals(seed: 2)
        let high = arrivals.filter { $0.requestClass == .high }.count
        #expect(abs(Double(high) / Double(arrivals.count) - 0.3) < 0.015)
    }

    @Test(arguments: ArrivalKind.allCases) func arrivalsAreInOrderAndFollowFromTheSeed(kind: ArrivalKind) throws {
        let scenario = try scenario(kind, seconds: 20)
        let arrivals = scenario.arrivals(seed: 9)
        #expect(zip(arrivals, arrivals.dropFirst()).allSatisfy { $0.at <= $1.at })
        #expect(arrivals == scenario.arrivals(seed: 9))
        #expect(arrivals != scenario.arrivals(seed: 10))
    }

    @Test func deadlinesAreThreeSoloTimesWithBothCopies() throws {
        let scenario = try scenario(.poisson)
        // ResNet-50: 2.99 ms, 4.8 MB in and 32 kB out at 24 GB/s, twice 12 µs.
        #expect(abs(scenario.deadline(of: 0, factor: 3).milliseconds - 3 * (2.99 + 4.832 / 24 + 0.024)) < 0.001)
        // The detector at batch 4: 12.4 ms, 19.6 MB and 8.4 MB at 6 GB/s.
        #expect(abs(scenario.deadline(of: 5, factor: 3).milliseconds - 3 * (12.4 + 28.0 / 6 + 0.024)) < 0.001)
    }
}
