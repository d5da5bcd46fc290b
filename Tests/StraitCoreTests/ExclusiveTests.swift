// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// What the policy `exclusive` is known by.
@Suite struct ExclusiveTests {
    @Test func `what would make the most others late waits, though it is the most urgent`() {
        play(
            """
            policy exclusive
            device gpu, 2 lanes
            model long,  40 ms a row
            model short, 10 ms a row

             0 ms  low A of short due 500
                   => lane 0: A
             1 ms  low B of long due 55            # the most urgent; done at 50 ms, when C and D are late
             2 ms  low C of short due 57
             3 ms  low D of short due 58
            10 ms  lane 0 done
                   => A met
                   => lane 0: C
            15 ms  timer
                   => B given up in the queue
            20 ms  lane 0 done
                   => C met
                   => lane 0: D
            30 ms  lane 0 done
                   => D met
            """)
    }

    @Test func `a high request counts as twenty low ones`() {
        play(
            """
            policy exclusive
            device gpu, 1 lane
            model one, 20 ms a row
            model two, 8 ms + 4 ms a row, batches of 4

             0 ms  low A of one due 500
                   => lane 0: A
             1 ms  low B C D of two due 45         # all three done at 40 ms
             2 ms  high E of one due 48            # done at 40 ms, and late after the other three
            20 ms  lane 0 done
                   => A met
                   => lane 0: E
            33 ms  timer
                   => B C D given up in the queue
            40 ms  lane 0 done
                   => E met
            """)
        var options = SchedulerOptions()
        options.exclusive.highWeight = 1
        let two = ModelDescription(maximumBatch: 4, profile: profile(8, 4, demand: nil))
        let one = ModelDescription(maximumBatch: 1, profile: profile(0, 20, demand: nil))
        var harness = Harness(policy: .exclusive, models: [one, two], options: options)
        harness.trueTime = { _ in .milliseconds(20) }
        harness.arrive(.low, due: .seconds(1))
        harness.advance(by: .milliseconds(1))
        let low = (0..<3).map { _ in harness.arrive(.low, model: 1, due: .milliseconds(44)) }
        harness.arrive(.high, due: .milliseconds(47))
        harness.drain()
        #expect(harness.batches.count == 2 && harness.batches.last?.members == low)
    }

    @Test func `without violations the earliest deadline goes first, in the largest batch`() {
        play(
            """
            policy exclusive
            device gpu, 2 lanes
            model one, 10 ms a row
            model two, 8 ms + 1 ms a row, batches of 4

             0 ms  low A of one due 500
                   => lane 0: A
             1 ms  low B of one due 300
             2 ms  high C of two due 250
             3 ms  low D of two due 400
            10 ms  lane 0 done
                   => A met
                   => lane 0: C D
            20 ms  lane 0 done
                   => C D met
                   => lane 0: B
            30 ms  lane 0 done
                   => B met
            """)
    }
}
