// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// What the policies `clockwork` and `clockwork-priority` are known by.
@Suite struct ClockworkTests {
    @Test func `kernels run one batch at a time, and the next inputs leave as they end`() {
        var harness = Harness(
            policy: .clockwork, lanes: [2],
            models: [ModelDescription(maximumBatch: 1, profile: profile(0, 10, demand: nil, bytesIn: 10_000_000))],
            copies: true)
        // 1.01 ms to copy, as the device says, and so it is.
        harness.fate = { _ in
            BatchFate(times: MeasuredTimes(copyIn: .milliseconds(1.01), kernels: .milliseconds(10), copyOut: .zero))
        }
        harness.arrive(.low, due: .seconds(1))
        harness.advance(by: .milliseconds(500))
        // By now it is known what a batch takes.
        let first = harness.now
        for _ in 0..<3 { harness.arrive(.low, due: .seconds(1)) }
        harness.advance(by: .milliseconds(500))
        let starts = harness.batches.dropFirst().map { ($0.at - first).nanoseconds / 1000 }
        #expect(starts.count == 3)
        // Each leaves a copy before the kernels of the one before it end, and so 10 ms after that.
        for (index, start) in starts.enumerated() { #expect(abs(start - Int64(index) * 10_000) < 100, "\(starts)") }
    }

    @Test func `the model whose batch must start first runs, at the largest size that enough requests wait for`() {
        play(
            """
            policy clockwork
            device gpu, 2 lanes
            model long, 30 ms a row
            model net,  4 ms + 2 ms a row, batches of 4

             0 ms  high A of long due 500
                   => lane 0: A
             1 ms  low B C D of net due 90         # three are enough for a batch of two, which must start at 82 ms
             2 ms  low E of long due 110           # due later, but must start at 80 ms
            30 ms  lane 0 done
                   => A met
                   => lane 0: E
            60 ms  lane 0 done
                   => E met
                   => lane 0: B C
            68 ms  lane 0 done
                   => B C met
                   => lane 0: D
            74 ms  lane 0 done
                   => D met
            """)
    }

    @Test func `heads that the larger batch would answer late are passed over`() {
        play(
            """
            policy clockwork
            device gpu, 1 lane
            model net, 4 ms + 2 ms a row, batches of 4

             0 ms  low A due 500
                   => lane 0: A
             1 ms  low B due 13                    # alone done at 12 ms, in a batch of two at 14 ms
             2 ms  low C D due 90
             6 ms  lane 0 done
                   => A met
                   => B given up in the queue
                   => lane 0: C D
            14 ms  lane 0 done
                   => C D met
            """)
    }

    @Test func `a head that cannot be done even alone is given up`() {
        play(
            """
            policy clockwork
            device gpu, 1 lane
            model net, 10 ms a row

             0 ms  low A due 500
                   => lane 0: A
             1 ms  low B due 19
             2 ms  low C due 90
            10 ms  lane 0 done
                   => A met
                   => B given up in the queue
                   => lane 0: C
            20 ms  lane 0 done
                   => C met
            """)
    }

    @Test func `sizes that run for longer than 12 ms are not used`() {
        play(
            """
            policy clockwork
            device gpu, 1 lane
            model net, 2 ms + 4 ms a row, batches of 4

             0 ms  low A B C due 500
                   => lane 0: A
             3 ms  low D E due 500
             6 ms  lane 0 done
                   => A met
                   => lane 0: B C                  # four wait, which would take 18 ms
            16 ms  lane 0 done
                   => B C met
                   => lane 0: D E
            26 ms  lane 0 done
                   => D E met
            """)
    }

    @Test func `the longest of the last ten measurements counts`() {
        var harness = Harness(policy: .clockwork, models: [ModelDescription(maximumBatch: 1)])
        func isRefused() -> Bool {
            // One that runs, and one whose time is what is asked for.
            harness.arrive(.low, due: .seconds(1))
            let id = harness.arrive(.low, due: .milliseconds(10 + 13))
            harness.advance(by: .milliseconds(100))
            if case .shed = harness.outcomes[id] { return true }
            return false
        }
        harness.teach(time: .milliseconds(10), completions: 10)
        #expect(!isRefused())
        harness.trueTime = { _ in .milliseconds(14) }
        harness.arrive(.low, due: .seconds(1))
        harness.advance(by: .milliseconds(100))
        harness.trueTime = { _ in .milliseconds(10) }
        // One alone in ten was longer; nine later ones do not change that, the tenth does.
        for _ in 0..<9 { #expect(isRefused()) }
        harness.arrive(.low, due: .seconds(1))
        harness.advance(by: .milliseconds(100))
        #expect(!isRefused())
    }

    @Test func `without priority a class means nothing, with it high batches come first`() {
        for (policy, order) in [("clockwork", ["B", "C"]), ("clockwork-priority", ["C", "B"])] {
            play(
                """
                policy \(policy)
                device gpu, 1 lane
                model one, 10 ms a row
                model two, 10 ms a row

                 0 ms  low A of one due 300
                       => lane 0: A
                 1 ms  low B of one due 100
                 2 ms  high C of two due 200
                10 ms  lane 0 done
                       => A met
                       => lane 0: \(order[0])
                20 ms  lane 0 done
                       => \(order[0]) met
                       => lane 0: \(order[1])
                30 ms  lane 0 done
                       => \(order[1]) met
                """)
        }
    }
}
