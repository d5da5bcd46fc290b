// SPDX-License-Identifier: Apache-2.0

internal import Testing

/// Scenarios with devices that copy, that fail, that hang, and with several devices. The notation is explained in
/// Timeline.swift.
@Suite struct TimelineDeviceTests {
    @Test func `a device that copies takes the next batch while the last one is running or copied back`() {
        play(
            """
            policy edf-priority
            device gpu, 2 lanes, copies
            model net, 10 ms a row

             0 ms  high A due 500
                   => lane 0: A
             1 ms  high B C D due 500         # one is copied in at a time
             2 ms  lane 0 copied in
                   => lane 1: B
             4 ms  lane 1 copied in           # both lanes are taken
            12 ms  lane 0 kernels done        # A's results are being copied back
                   => lane 0: C
            13 ms  batch of A done
                   => A met
            14 ms  lane 1 kernels done        # a lane is free, the copy stage is not
            15 ms  lane 0 copied in
                   => lane 1: D
            16 ms  batch of B done
                   => B met
            17 ms  lane 1 copied in
            25 ms  lane 0 kernels done
            26 ms  batch of C done
                   => C met
            27 ms  lane 1 kernels done
            28 ms  batch of D done
                   => D met
            """)
    }

    @Test func `a batch can fail, and a client leave, in every phase`() {
        play(
            """
            policy edf-priority
            device gpu, 1 lane, copies
            model net, 10 ms a row

             0 ms  high A due 500
                   => lane 0: A
             1 ms  high B C D E due 500
             2 ms  lane 0 fails               # while it is copied in: lane and copy stage are free
                   => A failed
                   => lane 0: B
             3 ms  cancel B
                   => B cancelled
             4 ms  lane 0 copied in
             8 ms  lane 0 fails               # while it runs
                   => lane 0: C
             9 ms  lane 0 copied in
            19 ms  lane 0 kernels done
                   => lane 0: D
            20 ms  batch of C fails           # while its results are copied back: D has the lane
                   => C failed
            21 ms  lane 0 copied in
            25 ms  cancel D
                   => D cancelled
            31 ms  lane 0 kernels done
                   => lane 0: E
            32 ms  batch of D done
            33 ms  lane 0 copied in
            43 ms  lane 0 kernels done
            44 ms  cancel E
                   => E cancelled
            45 ms  batch of E done
            """)
    }

    @Test func `a batch goes to the device with the most free lanes, and to one that joins`() {
        play(
            """
            policy edf-priority
            device one, 2 lanes
            device two, 1 lane
            model net, 10 ms a row

             0 ms  high A due 500
                   => one lane 0: A
             1 ms  high B due 500             # one free lane on each
                   => one lane 1: B
             2 ms  high C due 500
                   => two lane 0: C
             3 ms  high D E due 500
             4 ms  device three, 1 lane
                   => three lane 0: D
            10 ms  one lane 1 done
                   => B met
                   => one lane 1: E
            11 ms  one lane 0 done
                   => A met
            12 ms  two lane 0 done
                   => C met
            14 ms  three lane 0 done
                   => D met
            20 ms  one lane 1 done
                   => E met
            """)
    }

    @Test func `strait uses every device`() {
        play(
            """
            policy strait
            device one, 1 lane
            device two, 1 lane
            model net, 10 ms a row, demand 0.9

             0 ms  high A B due 100
                   => one lane 0: A
                   => two lane 0: B
            10 ms  two lane 0 done
                   => B met
            11 ms  low C due 300
                   => two lane 0: C
            12 ms  one lane 0 done
                   => A met
            21 ms  two lane 0 done
                   => C met
            """)
    }

    @Test func `a device that hangs gets nothing until its batch has ended`() {
        play(
            """
            policy edf-priority
            device one, 2 lanes
            device two, 1 lane
            model net, 10 ms a row

               0 ms  high A due 100
                     => one lane 0: A
            1999 ms  high B due 2100
                     => one lane 1: B           # A is late, which happens
            2009 ms  one lane 1 done
                     => B met
            2010 ms  high C D due 2100          # it has run for 2 s: it hangs
                     => two lane 0: C
            2020 ms  two lane 0 done
                     => C met
                     => two lane 0: D
            2025 ms  one lane 0 done
                     => A late
            2026 ms  high E due 2100
                     => one lane 0: E
            2030 ms  two lane 0 done
                     => D met
            2036 ms  one lane 0 done
                     => E met
            """)
    }
}
