// SPDX-License-Identifier: Apache-2.0

internal import Testing

/// Scenarios with the demand gate and with the policy `strait`, of which only what must hold under any constants. The
/// notation is explained in Timeline.swift.
@Suite struct TimelineGateTests {
    @Test func `the gate keeps a batch out that does not fit beside what runs`() {
        play(
            """
            policy edf-priority-ewma-gate
            device gpu, 2 lanes
            model wide,   10 ms a row, demand 0.9
            model narrow, 10 ms a row, demand 0.3

             0 ms  low A of wide due 500
                   => lane 0: A
             1 ms  low B of wide due 500           # 0.9 + 0.9 is more than 1.25
             2 ms  low C of narrow due 600
                   => lane 1: C                    # 0.9 + 0.3 is not
            12 ms  lane 0 done
                   => A met                        # B does not fit beside C either? 0.9 + 0.3 does
                   => lane 0: B
            14 ms  lane 1 done
                   => C met
            22 ms  lane 0 done
                   => B met
            """)
    }

    @Test func `high requests may exceed the gate's budget by a quarter`() {
        play(
            """
            policy edf-priority-ewma-gate
            device gpu, 2 lanes
            model wide, 10 ms a row, demand 0.7

             0 ms  low A due 500
                   => lane 0: A
             1 ms  low B due 500                   # 0.7 + 0.7 is more than 1.25
             2 ms  high C due 500
                   => lane 1: C                    # and less than 1.5
            12 ms  lane 0 done
                   => A met
            13 ms  lane 1 done
                   => C met
                   => lane 0: B
            23 ms  lane 0 done
                   => B met
            """)
    }

    @Test func `a wide request that the gate holds back for long closes it, until it has run`() {
        play(
            """
            policy edf-priority-ewma-gate
            device gpu, 2 lanes
            model wide,   10 ms a row, demand 1
            model narrow, 10 ms a row, demand 0.5

              0 ms  low N1 of narrow due 500
                    => lane 0: N1
              1 ms  low W of wide due 101           # does not fit beside a narrow one, of which one always runs
              2 ms  low N2 of narrow due 500
                    => lane 1: N2
             30 ms  lane 0 done                     # a quarter of W's 100 ms have passed
                    => N1 met
             31 ms  low N3 of narrow due 500        # the gate is closed to it
             50 ms  lane 1 done
                    => N2 met
                    => lane 0: W
             60 ms  lane 0 done
                    => W met
                    => lane 0: N3
             70 ms  lane 0 done
                    => N3 met
            """)
    }

    @Test func `strait dispatches to an idle device at once, and high requests before low ones`() {
        play(
            """
            policy strait
            device gpu, 1 lane
            model one, 10 ms a row, demand 0.9
            model two, 10 ms a row, demand 0.9

             0 ms  low A of one due 300
                   => lane 0: A
             2 ms  low B of one due 300
             4 ms  high C of two due 40
            10 ms  lane 0 done
                   => A met
                   => lane 0: C
            20 ms  lane 0 done
                   => C met
                   => lane 0: B
            30 ms  lane 0 done
                   => B met
            """)
    }

    @Test func `strait lets low requests ride along with high ones of their model`() {
        play(
            """
            policy strait
            device gpu, 1 lane
            model net, 9 ms + 0.5 ms a row, batches of 8, demand 0.9

             0 ms  low A due 1000
                   => lane 0: A
             1 ms  high B due 60
             2 ms  low C due 25         # later is too late for it
            10 ms  lane 0 done
                   => A met
                   => lane 0: B C
            20 ms  lane 0 done
                   => B C met
            """)
    }

    @Test func `strait refuses and gives up like the others`() {
        play(
            """
            policy strait
            device gpu, 1 lane
            model net, 10 ms a row, demand 0.9

             0 ms  high A due 200
                   => lane 0: A
             1 ms  high B due 15
                   => B refused on arrival
             2 ms  high C due 25
            15 ms  timer
                   => C given up in the queue
            40 ms  lane 0 done
                   => A met
            """)
    }
}
