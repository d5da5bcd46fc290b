// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@Suite struct InterferenceFeatureTests {
    private func features(_ own: Demand, _ others: [Demand]) -> SIMD8<Double> {
        InterferenceFeatures.of(own, among: others.span)
    }

    private func expect(_ left: SIMD8<Double>, equals right: SIMD8<Double>) {
        for lane in 0..<8 { #expect((left[lane] - right[lane]).magnitude < 1e-12, "lane \(lane) of \(left)") }
    }

    @Test func `a batch alone has no features, and its full speed`() {
        let alone = features(Demand(compute: 1, bandwidth: 1, cache: 1), [])
        #expect(alone == SIMD8())
        #expect(EstimatorName.kalman.model().speed(alone) == 1)
    }

    @Test func `the seven features of a batch beside two others`() {
        // Compute: 0.3 fits below equal parts of 1/3, the others share the 0.7 that is left.
        // Bandwidth: 0.9 + 0.6 + 0.2; 0.2 fits, and the others get 0.4 each.
        let own = Demand(compute: 0.6, bandwidth: 0.9, cache: 0.4)
        let others = [
            Demand(compute: 0.3, bandwidth: 0.6, cache: 0.5), Demand(compute: 0.5, bandwidth: 0.2, cache: 0.25),
        ]
        let lackOfCompute = 1 - 0.35 / 0.6
        let lackOfBandwidth = 1 - 0.4 / 0.9
        expect(
            features(own, others),
            equals: SIMD8(0.8, 0.8, lackOfCompute, lackOfBandwidth, 0.9 * 0.8, 0.6 * 0.8, 0.4 * 0.75, 0))
    }

    @Test func `what fits is not short of anything, and what asks for less than its part never is`() {
        #expect(
            features(Demand(compute: 0.6, bandwidth: 0, cache: 0), [Demand(compute: 0.4, bandwidth: 0, cache: 0)])[2]
                == 0)
        let greedy = [Demand](repeating: Demand(compute: 1, bandwidth: 1, cache: 1), count: 3)
        #expect(features(Demand(compute: 0.25, bandwidth: 0.25, cache: 0), greedy)[3] == 0)
        #expect(features(Demand(compute: 1, bandwidth: 0.25, cache: 0), greedy)[2] == 0.75)
    }

    @Test func `sums and products end at the cap, and what is no demand counts as none or all`() {
        let wild = [
            Demand(compute: .infinity, bandwidth: 7, cache: 1), Demand(compute: 1, bandwidth: 1, cache: 1),
            Demand(compute: .nan, bandwidth: -3, cache: -.infinity),
        ]
        expect(
            features(Demand(compute: 9, bandwidth: 1, cache: 1), wild),
            equals: SIMD8(1.5, 1.5, 2.0 / 3, 2.0 / 3, 1.5, 1.5, 1.5, 0))
    }

    @Test func `shortfalls are those of max-min sharing, and the parts add up to the device`() {
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<300 {
            let count = Int.random(in: 1...16, using: &generator)
            let all = (0..<count).map { _ in
                Demand(
                    compute: Double.random(in: 0...1, using: &generator),
                    bandwidth: Double(Int.random(in: 0...4, using: &generator)) / 4,
                    cache: Double.random(in: 0...1, using: &generator))
            }
            var got = 0.0
            for (index, own) in all.enumerated() {
                let features = InterferenceFeatures.of(index, in: all.span)
                var others = all
                others.remove(at: index)
                #expect(features == InterferenceFeatures.of(own, among: others.span))
                let compute = 1 - maxMinPart(of: own.compute, all.map(\.compute)) / own.compute
                let bandwidth =
                    own.bandwidth > 0 ? 1 - maxMinPart(of: own.bandwidth, all.map(\.bandwidth)) / own.bandwidth : 0
                #expect((features[2] - compute).magnitude < 1e-9)
                #expect((features[3] - max(compute, bandwidth)).magnitude < 1e-9)
                got += own.compute * (1 - features[2])
            }
            #expect((got - min(1, all.reduce(0) { $0 + $1.compute })).magnitude < 1e-9)
        }
    }

    /// Max-min sharing as it is usually told: serve the smallest demand first, each at most its part of what is left.
    private func maxMinPart(of own: Double, _ all: [Double]) -> Double {
        var left = 1.0
        for (served, demand) in all.sorted().enumerated() {
            let part = min(demand, left / Double(all.count - served))
            if demand == own { return part }
            left -= part
        }
        return 0
    }

    @Test func `speeds stay between the slowest and full`() {
        let theta = SIMD8<Double>(1, 0, 0, 0, 0, 0, -1, 0)
        #expect(InterferenceFeatures.speed(theta, SIMD8(0.25, 0, 0, 0, 0, 0, 0, 0)) == 0.75)
        #expect(InterferenceFeatures.speed(theta, SIMD8(1.5, 0, 0, 0, 0, 0, 0, 0)) == InterferenceFeatures.slowest)
        #expect(InterferenceFeatures.speed(theta, SIMD8(0, 0, 0, 0, 0, 0, 1, 0)) == 1)
    }
}
