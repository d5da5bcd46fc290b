// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// What the policy `orion` is known by.
@Suite struct OrionTests {
    @Test func `a low batch runs beside high ones only if it asks for something else`() {
        // A demand of 0.1 makes no kind; 0.9 of compute is of the same kind as the high one.
        play(
            """
            policy orion
            device gpu, 2 lanes
            model wide,  10 ms a row, demand 0.9
            model small, 10 ms a row, demand 0.1

             0 ms  high A of wide due 500
                   => lane 0: A
             1 ms  low B of wide due 400           # also compute: waits until nothing high runs
             2 ms  low C of small due 500          # neither, and there is room
                   => lane 1: C
            10 ms  lane 0 done
                   => A met
                   => lane 0: B
            12 ms  lane 1 done
                   => C met
            20 ms  lane 0 done
                   => B met
            """)
    }

    @Test func `high requests run at once beside anything, and low ones freely while no high one runs`() {
        play(
            """
            policy orion
            device gpu, 3 lanes
            model wide, 10 ms a row, demand 0.9

             0 ms  low A B due 500
                   => lane 0: A
                   => lane 1: B
             1 ms  high C due 500
                   => lane 2: C
            10 ms  lane 0 done
                   => A met
            11 ms  low D due 500                   # C runs
            12 ms  lane 2 done
                   => C met
                   => lane 0: D
            13 ms  lane 1 done
                   => B met
            22 ms  lane 0 done
                   => D met
            """)
    }

    @Test func `beyond the bound of outstanding low time the next low batch waits until none runs`() {
        var options = SchedulerOptions()
        options.orion.outstandingLow = .milliseconds(15)
        var harness = Harness(
            policy: .orion, lanes: [4],
            models: [ModelDescription(maximumBatch: 1, profile: profile(0, 10, demand: nil))], options: options)
        harness.trueTime = { .milliseconds($0.lane.index == 0 ? 10 : 30) }
        for _ in 0..<3 { harness.arrive(.low, due: .seconds(1)) }
        // 10 ms is within the bound, 20 ms is beyond it.
        #expect(harness.batches.count == 2)
        harness.advance(by: .milliseconds(20))
        #expect(harness.batches.count == 2)
        harness.drain()
        #expect(harness.batches.map(\.at) == [.zero, .zero, .zero + .milliseconds(30)])
    }
}
