// SPDX-License-Identifier: Apache-2.0

internal import Testing

/// What the policies do on one device, as scenarios to read. The notation is explained in Timeline.swift.
@Suite struct TimelineTests {
    @Test func `fifo takes requests in the order of arrival, one by one, whatever they are`() {
        play(
            """
            policy fifo
            device cpu, 1 lane
            model net, 10 ms a row, batches of 4

             0 ms  low A due 100
                   => lane 0: A
             1 ms  low B due 100
             2 ms  high C due 15
             3 ms  low D due 20
            10 ms  lane 0 done
                   => A met
                   => lane 0: B         # C is more urgent, and would share B's batch
            20 ms  lane 0 done
                   => B met
                   => lane 0: C         # past its deadline already; nobody looks
            30 ms  lane 0 done
                   => C late
                   => lane 0: D
            40 ms  lane 0 done
                   => D late
            """)
    }

    @Test func `triton waits for a batch to fill, but not for long, and puts high before low inside it`() {
        play(
            """
            policy triton
            device gpu, 1 lane
            model net, 10 ms a row, batches of 8

               0 ms  low A due 100
             0.4 ms  high B due 100
                     => lane 0: B A     # a quarter of the largest batch is enough
              12 ms  lane 0 done
                     => B A met
              20 ms  low C due 100
            20.5 ms  timer              # nobody joins it within half a millisecond
                     => lane 0: C
              23 ms  low D due 30
              30 ms  timer
                     => D given up in the queue
              32 ms  lane 0 done
                     => C met
            """)
    }

    @Test func `edf-priority runs high before low, each by deadline, over all models`() {
        play(
            """
            policy edf-priority
            device cpu, 1 lane
            model one, 10 ms a row
            model two, 10 ms a row

             0 ms  low  A of one due 200
                   => lane 0: A
             1 ms  low  B of one due 90
             2 ms  high C of one due 150
             3 ms  high D of two due 120
             4 ms  low  E of two due 80
            10 ms  lane 0 done
                   => A met
                   => lane 0: D
            20 ms  lane 0 done
                   => D met
                   => lane 0: C
            30 ms  lane 0 done
                   => C met
                   => lane 0: E
            40 ms  lane 0 done
                   => E met
                   => lane 0: B
            50 ms  lane 0 done
                   => B met
            """)
    }

    @Test func `edf-priority makes a batch as large as the deadline of its first request allows`() {
        play(
            """
            policy edf-priority
            device gpu, 1 lane
            model net, 8 ms + 1 ms a row, batches of 8

             0 ms  high A due 100
                   => lane 0: A
             1 ms  low B C D E due 100
             9 ms  lane 0 done
                   => A met
                   => lane 0: B C D E   # 12 ms for four, 9 ms for one
            10 ms  low F due 32         # 11 ms after the lane frees, enough for three rows
            10 ms  low G H I due 100
            21 ms  lane 0 done
                   => B C D E met
                   => lane 0: F G H
            32 ms  lane 0 done
                   => F G H met
                   => lane 0: I
            41 ms  lane 0 done
                   => I met
            """)
    }

    @Test func `rows, not requests, fill a batch, and a request is never split`() {
        play(
            """
            policy edf-priority
            device gpu, 1 lane
            model net, 8 ms + 1 ms a row, batches of 4

             0 ms  low A, 3 rows, due 100
                   => lane 0: A (3 rows)
             1 ms  low B, 3 rows, due 100
             2 ms  low C, 2 rows, due 100
             3 ms  low D due 100
            11 ms  lane 0 done
                   => A met
                   => lane 0: B (3 rows)      # C does not fit, and D does not overtake it
            22 ms  lane 0 done
                   => B met
                   => lane 0: C D (3 rows)
            33 ms  lane 0 done
                   => C D met
            """)
    }

    @Test func `what cannot be in time is refused at once, for the work before it too`() {
        play(
            """
            policy edf-priority
            device cpu, 1 lane
            model net, 10 ms a row

             0 ms  high A due 8                # 0.85 x 10 ms is the benefit of the doubt
                   => A refused on arrival
             0 ms  high B due 9
                   => B given up in the queue  # taken in, but even so it cannot be started in time
             0 ms  high C due 30
                   => lane 0: C
             1 ms  high D E due 40
             2 ms  high F due 35               # D and E are due later; 8 + 10 ms are before it
             3 ms  low  G due 37               # before it are 37 ms
                   => G refused on arrival
             4 ms  high H due 33
            10 ms  lane 0 done
                   => C met
                   => lane 0: H
            20 ms  lane 0 done
                   => H met
                   => lane 0: F
            30 ms  lane 0 done
                   => F met
                   => lane 0: D
            30 ms  timer                       # one nanosecond later
                   => E given up in the queue
            40 ms  lane 0 done
                   => D met
            """)
    }

    @Test func `what becomes hopeless while it waits is given up at that very moment`() {
        play(
            """
            policy edf-priority
            device cpu, 1 lane
            model net, 10 ms a row

             0 ms  low A due 100
                   => lane 0: A
             1 ms  high B due 30
             1 ms  low C due never
            20 ms  timer                # A should have been done at 10 ms; at 20 ms B could still just be in time
                   => B given up in the queue
            55 ms  lane 0 done
                   => A met
                   => lane 0: C
            65 ms  lane 0 done
                   => C met
            """)
    }

    @Test func `a model that only sheds is probed after a second, and then served again`() {
        play(
            """
            policy edf-priority
            device cpu, 1 lane
            model net, 100 ms a row     # so it says; it takes 10 ms

               0 ms  high A due 50
                     => A refused on arrival
             500 ms  high B due 550
                     => B refused on arrival
            1000 ms  high C due 1050
                     => lane 0: C       # hopeless, but somebody must find out
            1001 ms  high D due 1051
                     => D refused on arrival
            1010 ms  lane 0 done
                     => C met
            1011 ms  high E due 1061
                     => lane 0: E
            1021 ms  lane 0 done
                     => E met
            """)
    }

    @Test func `full queues keep room for the high class`() {
        play(
            """
            policy edf-priority
            waiting at most 5           # of which low requests may take four
            device cpu, 1 lane
            model net, 10 ms a row

             0 ms  low A due 1000
                   => lane 0: A
             1 ms  low B C D E F due 1000
                   => F refused, queue full
             2 ms  high G H due 1000
                   => H refused, queue full
            10 ms  lane 0 done
                   => A met
                   => lane 0: G
            11 ms  cancel B
                   => B cancelled
            11 ms  cancel C
                   => C cancelled
            11 ms  cancel D
                   => D cancelled
            20 ms  lane 0 done
                   => G met
                   => lane 0: E
            30 ms  lane 0 done
                   => E met
            """)
    }

    @Test func `a client may leave at any time, but a batch that runs runs on`() {
        play(
            """
            policy edf-priority
            device gpu, 1 lane
            model net, 8 ms + 1 ms a row, batches of 2

             0 ms  high A due 100
                   => lane 0: A
             1 ms  high B C D due 100
             2 ms  cancel C
                   => C cancelled
             3 ms  cancel A
                   => A cancelled
             4 ms  cancel A             # once is enough
             9 ms  lane 0 done          # nobody is left to be told
                   => lane 0: B D
            15 ms  cancel B
                   => B cancelled
            19 ms  lane 0 done
                   => D met
            """)
    }

    @Test func `a batch that fails fails its requests, and the lane goes on`() {
        play(
            """
            policy edf-priority
            device gpu, 1 lane
            model net, 8 ms + 1 ms a row, batches of 2

             0 ms  high A due 100
                   => lane 0: A
             1 ms  high B C D due 100
             9 ms  lane 0 done
                   => A met
                   => lane 0: B C
            12 ms  cancel C
                   => C cancelled
            13 ms  lane 0 fails
                   => B failed
                   => lane 0: D
            22 ms  lane 0 done
                   => D met
            """)
    }
}
