// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// What the policies `edf`, `reserved` and `gpulet…` are known by, beside what `edf-priority` is.
@Suite struct EDFRivalTests {
    @Test func `edf goes by deadline alone, and the classes share batches`() {
        play(
            """
            policy edf
            device gpu, 1 lane
            model net,   8 ms + 1 ms a row, batches of 4
            model other, 9 ms a row

             0 ms  high A of net due 300
                   => lane 0: A
             1 ms  high B of net due 300
             2 ms  low C of net due 250
             3 ms  low D of other due 200
             4 ms  high E of other due 280
             9 ms  lane 0 done
                   => A met
                   => lane 0: D                    # the earliest deadline, though two high ones wait
            18 ms  lane 0 done
                   => D met
                   => lane 0: B C                  # C leads; those of the leading queue stand first
            28 ms  lane 0 done
                   => B C met
                   => lane 0: E
            37 ms  lane 0 done
                   => E met
            """)
    }

    @Test func `edf gives up what cannot be in time any more`() {
        play(
            """
            policy edf
            device gpu, 1 lane
            model net, 10 ms a row

             0 ms  high A due 300
                   => lane 0: A
             1 ms  low B due 19                    # at 10 ms done at 20 ms
             2 ms  low C due 300
            10 ms  lane 0 done
                   => A met
                   => B given up in the queue
                   => lane 0: C
            20 ms  lane 0 done
                   => C met
            """)
    }

    @Test func `reserved keeps a lane for high requests`() {
        play(
            """
            policy reserved
            device gpu, 2 lanes
            model net, 10 ms a row

             0 ms  low A B due 500
                   => lane 0: A
             1 ms  high C due 500
                   => lane 1: C
             2 ms  high D due 500
            10 ms  lane 0 done
                   => A met
                   => lane 0: D                    # high ones may have all lanes
            11 ms  lane 1 done
                   => C met
                   => lane 1: B
            20 ms  lane 0 done
                   => D met
            21 ms  lane 1 done
                   => B met
            """)
    }

    @Test func `reserved keeps one lane of each device, and none of a single lane`() {
        for (lanes, staged) in [([2, 3], 3), ([1], 1), ([1, 2], 2)] {
            var harness = Harness(policy: .reserved, lanes: lanes, models: [.init(maximumBatch: 1)])
            for _ in 0..<8 { harness.arrive(.low, due: .seconds(1)) }
            #expect(harness.batches.count == staged, "\(lanes)")
            harness.drain()
            #expect(harness.outcomes.count == 8)
        }
    }

    @Test func `reserved with a device of its own sends high requests there first, and low ones never`() {
        var options = SchedulerOptions()
        options.reserved.wholeDeviceFrom = 2
        var harness = Harness(policy: .reserved, lanes: [1, 2], models: [.init(maximumBatch: 1)], options: options)
        for _ in 0..<3 { harness.arrive(.low, due: .seconds(1)) }
        #expect(harness.batches.map(\.batch.device.index) == [1, 1])
        harness.arrive(.high, due: .seconds(1))
        #expect(harness.batches.map(\.batch.device.index) == [1, 1, 0])
        harness.drain()
        #expect(harness.outcomes.count == 4 && harness.batches[3].batch.device.index == 1)
    }

    // -- gpulet ---------------------------------------------------------------------------------------------------

    /// Two lanes, `wide` alone 8 ms and 1 ms a row; beside another it takes twice as long by the coefficients.
    private func gpulet(_ policy: PolicyName, lanes: Int = 2) -> Harness {
        var options = SchedulerOptions()
        var pairwise = PairwiseInterference()
        (pairwise.constant, pairwise.ownCache, pairwise.otherCache) = (1, 0, 0)
        (pairwise.ownBandwidth, pairwise.otherBandwidth) = (0, 0)
        options.pairwise = pairwise
        func points(_ rows: Int) -> ModelProfile.Point {
            ModelProfile.Point(
                rows: rows, kernelTime: .milliseconds(8 + Double(rows)),
                demand: Demand(compute: 0.7, bandwidth: 0.3, cache: 0.3))
        }
        let profile = ModelProfile(
            curves: [
                ModelProfile.Curve(
                    bucket: WorkShape(model: ModelID(index: 0), elementsPerRow: 1).bucket,
                    points: [1, 2, 4, 8].map(points))
            ])
        let model = ModelDescription(maximumBatch: 8, profile: profile)
        return Harness(policy: policy, lanes: [lanes], models: [model, model], options: options)
    }

    @Test(arguments: [PolicyName.gpulet, .gpuletPriority])
    func `gpulet makes batches smaller beside others, by its coefficients and its margin`(policy: PolicyName) {
        for (lanes, rows) in [(1, 8), (2, 2)] {
            var harness = gpulet(policy, lanes: lanes)
            // All lanes are held while the requests come; then the first is free, and the other, if there is one, is not.
            harness.trueTime = { $0.lane.index == 1 ? .milliseconds(50) : .milliseconds(10) }
            for _ in 0..<lanes { harness.arrive(.high, model: 1, due: .seconds(10)) }
            harness.advance(by: .milliseconds(1))
            // 9 ms later: alone 1.1 · 16 ms = 17.6 ms, beside another 2.2 · 10 ms = 22 ms fit, 2.2 · 11 ms do not.
            for _ in 0..<8 { harness.arrive(.high, due: .milliseconds(9 + 23)) }
            harness.advance(by: .milliseconds(9))
            #expect(harness.batches.dropFirst(lanes).first?.batch.rows == rows)
        }
    }

    @Test func `gpulet knows no classes, gpulet-priority does`() {
        for (policy, isHighFirst) in [(PolicyName.gpulet, false), (.gpuletPriority, true), (.gpuletPriorityGate, true)]
        {
            var harness = gpulet(policy)
            for _ in 0..<2 { harness.arrive(.high, model: 1, due: .seconds(10)) }
            harness.arrive(.low, model: 0, due: .milliseconds(200))
            let high = harness.arrive(.high, model: 1, due: .milliseconds(300))
            harness.drain()
            #expect(harness.batches.dropFirst(2).first?.members.contains(high) == isHighFirst, "\(policy)")
        }
    }

    @Test func `with the gate a batch joins only within the budget`() {
        for (policy, batches) in [(PolicyName.gpuletPriority, 2), (.gpuletPriorityGate, 1)] {
            var harness = gpulet(policy)
            harness.arrive(.low, model: 0, due: .seconds(10))
            // Some 0.7 beside 0.7, within 1.25 for low ones.
            harness.arrive(.low, model: 1, due: .seconds(10))
            #expect(harness.batches.count == batches, "\(policy)")
            harness.drain()
            #expect(harness.outcomes.values.allSatisfy { $0 == .met })
        }
    }

    @Test func `the policies that need a fit are those of gpulet`() {
        #expect(PolicyName.allCases.filter(\.usesPairwise) == [.gpulet, .gpuletPriority, .gpuletPriorityGate])
    }
}
