// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitServing
internal import Testing

@Suite struct ProfileFitTests {
    private let key = ModelKey(name: "m", version: 1, hash: "h")

    private func subject(_ rows: Int, elements: Int = 100) -> ProfileRecord.Subject {
        ProfileRecord.Subject(model: "m", version: 1, elementsPerRow: elements, rows: rows)
    }

    private func solo(_ rows: Int, _ milliseconds: Double, elements: Int = 100) -> ProfileRecord {
        .solo(ProfileRecord.Solo(subject(rows, elements: elements), runs: 9, median: .milliseconds(milliseconds)))
    }

    private func stressed(
        _ rows: Int, _ stressor: ProfileRecord.Stressor, _ slowdown: Double, _ loss: Double, turns: Bool = false
    ) -> ProfileRecord.Stressed {
        ProfileRecord.Stressed(subject(rows), beside: stressor, tookTurns: turns, slowdown: slowdown, loss: loss)
    }

    @Test(arguments: [
        ([1.0, 2, 3], [1.0, 2, 3]), ([1, 3, 2, 4], [1, 2.5, 2.5, 4]), ([3, 2, 1], [2, 2, 2]), ([], []), ([5], [5]),
        ([1, 5, 2, 2, 6], [1, 3, 3, 3, 6]),
    ])
    func `the nearest values that do not fall`(values: [Double], expected: [Double]) {
        #expect(ProfileFit.monotone(values) == expected)
    }

    @Test func `a larger batch never takes less time`() throws {
        let profile = try #require(
            ProfileFit.profile(of: key, from: [solo(1, 4), solo(2, 6), solo(4, 5), solo(8, 9)]))
        #expect(profile.curves[0].points.map(\.kernelTime.milliseconds) == [4, 5.5, 5.5, 9])
        #expect(profile.curves[0].points.allSatisfy { $0.demand == nil })
    }

    @Test func `nothing is known of a model without times`() {
        #expect(ProfileFit.profile(of: key, from: [.stressed(stressed(1, .compute, 2, 0.5))]) == nil)
        var other = key
        other.version = 2
        #expect(ProfileFit.profile(of: other, from: [solo(1, 4)]) == nil)
    }

    /// A whole core of two, beside arithmetic on both: half of that core is taken, and the batch runs half as fast.
    @Test func `what a batch takes away, times what it runs longer, is what it needs`() {
        let onTwo = ProfileFit.demand(
            beside: stressed(1, .compute, 2, 0.25), stressed(1, .bandwidth, 1.2, 0.1))
        #expect(onTwo.compute == 0.5)
        #expect(abs(onTwo.bandwidth - 0.12) < 1e-12 && abs(onTwo.cache - 0.2) < 1e-12)
        // The only core of a device: memory is used in turns.
        let onOne = ProfileFit.demand(
            beside: stressed(1, .compute, 2, 0.5), stressed(1, .bandwidth, 2.2, 0.5, turns: true))
        #expect(onOne.compute == 1 && onOne.bandwidth == 0 && abs(onOne.cache - 0.1) < 1e-12)
        // Little enough that nothing is slowed down: it shows in what the stressor loses.
        let little = ProfileFit.demand(
            beside: stressed(1, .compute, 1, 0.2), stressed(1, .bandwidth, 0.99, 0))
        #expect(little == Demand(compute: 0.2, bandwidth: 0, cache: 0))
        // Noise leads nowhere.
        let noisy = ProfileFit.demand(
            beside: stressed(1, .compute, 3, 0.9), stressed(1, .bandwidth, 5, 0.9))
        #expect(noisy == Demand(compute: 1, bandwidth: 1, cache: 1))
    }

    @Test func `batch sizes in between need what lies between, other sizes of row what the usual one needs`() throws {
        var records = [solo(1, 1), solo(2, 2), solo(4, 4), solo(8, 8), solo(1, 30, elements: 4000)]
        for (rows, loss) in [(1, 0.2), (8, 0.34)] {
            records += [.stressed(stressed(rows, .compute, 1, loss)), .stressed(stressed(rows, .bandwidth, 1, 0))]
        }
        let profile = try #require(ProfileFit.profile(of: key, from: records))
        let demands = profile.curves[0].points.compactMap(\.demand?.compute)
        #expect(zip(demands, [0.2, 0.22, 0.26, 0.34]).allSatisfy { abs($0 - $1) < 1e-9 }, "\(demands)")
        #expect(profile.curves[1].points.map(\.demand?.compute) == [0.2])
    }

    @Test func `of two sizes with the same power of two the first counts`() throws {
        let profile = try #require(
            ProfileFit.profile(
                of: key,
                from: [solo(1, 3, elements: 100), solo(2, 6, elements: 100), solo(1, 2, elements: 70)]))
        #expect(profile.curves.count == 1)
        #expect(profile.curves[0].points.map(\.kernelTime.milliseconds) == [3, 6])
    }
}
