// SPDX-License-Identifier: Apache-2.0

internal import StraitLoad
internal import Testing

@Suite struct ArrivalProcessTests {
    private func arrivals(_ count: Int, rate: Double = 1000, seed: UInt64, highShare: Double = 0.3) -> [Arrival] {
        let mix = MixSampler(weights: [1, 3], highShare: highShare)
        let process = ArrivalProcess(requestsPerSecond: rate, mix: mix, random: RandomSource(seed: seed))
        return Array(process.prefix(count))
    }

    @Test func theSameSeedGivesTheSameArrivalsAndAnotherSeedOthers() {
        #expect(arrivals(500, seed: 7) == arrivals(500, seed: 7))
        #expect(arrivals(500, seed: 7) != arrivals(500, seed: 8))
    }

    @Test func gapsAreExponentialWithTheRatesMean() {
        let offsets = arrivals(100_000, rate: 1000, seed: 1).map { Double($0.offset) / 1e9 }
        let gaps = zip(offsets.dropFirst(), offsets).map { $0 - $1 }
        let mean = gaps.reduce(0, +) / Double(gaps.count)
        let variance = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)
        #expect(gaps.allSatisfy { $0 >= 0 })
        #expect(abs(mean - 0.001) < 0.00002)
        // An exponential's standard deviation equals its mean, and e⁻¹ of its values exceed it.
        #expect(abs(variance.squareRoot() / mean - 1) < 0.02)
        #expect(abs(Double(gaps.count { $0 > mean }) / Double(gaps.count) - 0.3679) < 0.01)
    }

    @Test func theMixFollowsWeightsAndHighShareIndependently() {
        let drawn = arrivals(100_000, seed: 3)
        let second = drawn.filter { $0.target == 1 }
        #expect(abs(Double(second.count) / 100_000 - 0.75) < 0.01)
        #expect(abs(Double(second.count { $0.requestClass == .high }) / Double(second.count) - 0.3) < 0.01)
    }

    @Test(arguments: [(0.0, LoadClass.low), (1.0, LoadClass.high)])
    func aShareOfNoneOrAllHoldsExactly(share: Double, only: LoadClass) {
        #expect(arrivals(10_000, seed: 5, highShare: share).allSatisfy { $0.requestClass == only })
    }

    @Test func partsOfASeedDiffer() {
        var first = RandomSource(seed: 1, part: 0)
        var second = RandomSource(seed: 1, part: 1)
        #expect((0..<8).map { _ in first.next() } != (0..<8).map { _ in second.next() })
    }
}
