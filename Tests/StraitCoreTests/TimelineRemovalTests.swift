// SPDX-License-Identifier: Apache-2.0

internal import Testing

/// Scenarios in which devices go and come back, and models are unloaded. The notation is explained in Timeline.swift.
@Suite struct TimelineRemovalTests {
    @Test func `what was on a device that goes runs elsewhere, where it stood, and late reports do no harm`() {
        play(
            """
            policy edf-priority
            device one, 1 lane
            device two, 1 lane
            model net, 10 ms a row

             0 ms  high A due 100
                   => one lane 0: A
             1 ms  high B due 100
                   => two lane 0: B
             2 ms  high C due 100
             5 ms  remove one
             6 ms  high D due 100
            11 ms  two lane 0 done
                   => B met
                   => two lane 0: A       # due when C is, and it came before
            12 ms  remove one             # once is enough
            13 ms  batch of A done        # what one still has to say of it
            21 ms  two lane 0 done
                   => A met
                   => two lane 0: C
            22 ms  return one
                   => one lane 0: D
            22 ms  return one
            31 ms  two lane 0 done
                   => C met
            32 ms  one lane 0 done
                   => D met
            """)
    }

    @Test func `what cannot be in time elsewhere learns so at once`() {
        play(
            """
            policy edf-priority
            device one, 1 lane
            model net, 10 ms a row

             0 ms  high A due 14
                   => lane 0: A
             1 ms  high B due never
             5 ms  remove one
                   => A given up in the queue
             6 ms  high C due 100         # nobody knows when it could run
                   => C refused on arrival
            50 ms  return one
                   => lane 0: B
            60 ms  lane 0 done
                   => B met
            """)
    }

    @Test func `a request that has lost two devices has failed: it may be what breaks them`() {
        play(
            """
            policy edf-priority
            device one, 1 lane
            device two, 1 lane
            device three, 1 lane
            model net, 10 ms a row

             0 ms  high A due 100
                   => one lane 0: A
             2 ms  remove one
                   => two lane 0: A
             4 ms  remove two
                   => A failed
            """)
    }

    @Test func `without deadlines, too, requests wait again in the order of their arrival`() {
        play(
            """
            policy fifo
            device one, 1 lane
            device two, 1 lane
            model net, 10 ms a row

             0 ms  low A due 300
                   => one lane 0: A
             1 ms  low B due 200
                   => two lane 0: B
             2 ms  low C due 100
             3 ms  remove one
            11 ms  two lane 0 done
                   => B met
                   => two lane 0: A
            21 ms  two lane 0 done
                   => A met
                   => two lane 0: C
            31 ms  two lane 0 done
                   => C met
            """)
    }

    @Test func `a device that copies goes with all that is on it`() {
        play(
            """
            policy edf-priority
            device one, 2 lanes, copies
            device two, 1 lane
            model net, 10 ms a row

             0 ms  high A due 500
                   => one lane 0: A
             1 ms  high B due 500
                   => two lane 0: B
             2 ms  one lane 0 copied in
             3 ms  high C due 500
                   => one lane 1: C
             4 ms  high D due 500
            12 ms  one lane 0 kernels done
            13 ms  remove one              # A is being copied back, C in
            14 ms  batch of A done
            15 ms  batch of C fails
            16 ms  two lane 0 done
                   => B met
                   => two lane 0: A
            26 ms  two lane 0 done
                   => A met
                   => two lane 0: C
            27 ms  return one
                   => one lane 0: D
            28 ms  one lane 0 copied in
            36 ms  two lane 0 done
                   => C met
            38 ms  one lane 0 kernels done
            39 ms  batch of D done
                   => D met
            """)
    }

    @Test func `a model that is unloaded runs out, and another gets its number when it has`() {
        play(
            """
            policy edf-priority
            device one, 1 lane
            model net, 10 ms a row
            model other, 10 ms a row

             0 ms  high A of net due 100
                   => lane 0: A
             1 ms  high B of net due 100
             2 ms  high C of other due 100
             3 ms  unload net
                   => B given up unloaded
             4 ms  model third, 20 ms a row   # the number is not free yet: A runs
            10 ms  lane 0 done
                   => A met
                   => lane 0: C
            11 ms  model fourth, 20 ms a row
            12 ms  high D of fourth due 100
            20 ms  lane 0 done
                   => C met
                   => lane 0: D
            40 ms  lane 0 done
                   => D met
            """)
    }
}
