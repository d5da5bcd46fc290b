// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// What the policy `nexus` is known by.
@Suite struct NexusTests {
    @Test func `the classes are one queue by deadline, and share batches`() {
        play(
            """
            policy nexus
            device gpu, 1 lane
            model net, 8 ms + 1 ms a row, batches of 4

             0 ms  low A due 300
                   => lane 0: A
             1 ms  low B due 300
             2 ms  high C due 250
             3 ms  low D due 200
             9 ms  lane 0 done
                   => A met
                   => lane 0: C D B                # by deadline; those of the leading queue stand first
            20 ms  lane 0 done
                   => C D B met
            """)
    }

    @Test func `a head that a batch of the target would answer late is given up, though alone it would be in time`() {
        play(
            """
            policy nexus
            device gpu, 1 lane
            model net, 8 ms + 1 ms a row, batches of 4

             0 ms  low A due 300
                   => lane 0: A
             1 ms  low B due 19                    # at 9 ms alone done at 18 ms, with two others at 20 ms
             2 ms  low C D due 300
             9 ms  lane 0 done
                   => A met
                   => B given up in the queue
                   => lane 0: C D
            19 ms  lane 0 done
                   => C D met
            """)
    }

    @Test func `the window shrinks where too few remain`() {
        play(
            """
            policy nexus
            device gpu, 1 lane
            model net, 8 ms + 1 ms a row, batches of 4

             0 ms  low A due 300
                   => lane 0: A
             1 ms  low B due 19                    # alone it is in time
             9 ms  lane 0 done
                   => A met
                   => lane 0: B
            18 ms  lane 0 done
                   => B met
            """)
    }

    @Test func `models take turns, whoever is more urgent`() {
        play(
            """
            policy nexus
            device gpu, 1 lane
            model one, 10 ms a row
            model two, 10 ms a row

             0 ms  low A of one due 300
                   => lane 0: A
             1 ms  high B of one due 100
             2 ms  low C of two due 400
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
}
