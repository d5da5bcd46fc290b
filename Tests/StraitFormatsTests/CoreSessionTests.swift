// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@testable internal import StraitFormats

@Suite struct CoreSessionTests {
    /// One device that does not copy, one that does, two models; edf-priority.
    static let configuration = """
        {"configure": {"policy": "edf-priority",
         "devices": [{"name": "cpu", "lanes": 1},
                     {"name": "gpu", "lanes": 1, "copying": {"overhead_ms": 0.01, "bytes_per_second": 1e10}}],
         "models": [{"name": "a", "maximum_batch": 4,
                     "profile": {"curves": [{"points": [{"rows": 1, "kernel_ms": 10}, {"rows": 4, "kernel_ms": 20}]}]}},
                    {"name": "b", "maximum_batch": 1}]}}
        """.split(separator: "\n").joined()

    /// A session after its configuration.
    static func configured(_ configuration: String = configuration) -> CoreSession {
        var session = CoreSession()
        #expect(session.answer(configuration) == ["{\"done\":1}"])
        return session
    }

    private static func arrival(
        _ request: String, at time: String, model: String = "a", requestClass: String = "high", due: String = "1000",
        more: String = ""
    ) -> String {
        """
        {"event":"arrival","at_ms":\(time),"request":\(request),"model":"\(model)","class":"\(requestClass)",\
        "deadline_at_ms":\(due)\(more)}
        """
    }

    @Test func aBatchGoesThroughADeviceThatCopies() {
        var session = Self.configured()
        // The first goes to the processor, the second to the device that copies.
        let first = session.answer(Self.arrival("\"x\"", at: "0"))
        #expect(
            first.first?.hasPrefix(
                #"{"action":"stage","batch":0,"device":"cpu","lane":0,"model":"a","rows":1,"requests":["x"],"#) == true)
        #expect(first.last == "{\"done\":2}")
        let second = session.answer(Self.arrival("17", at: "0.5", more: ",\"rows\":2"))
        #expect(
            second.first?.contains(#""batch":1,"device":"gpu","lane":0,"model":"a","rows":2,"requests":[17]"#) == true)
        #expect(session.answer(#"{"event":"copied_in","at_ms":1,"batch":1}"#) == ["{\"done\":4}"])
        #expect(session.answer(#"{"event":"kernels_done","at_ms":9,"batch":1}"#) == ["{\"done\":5}"])
        #expect(
            session.answer(#"{"event":"finished","at_ms":9.5,"batch":1}"#)
                == [#"{"action":"answer","request":17,"outcome":"met"}"#, "{\"done\":6}"])
        #expect(
            session.answer(#"{"event":"failed","at_ms":10,"batch":0}"#)
                == [#"{"action":"answer","request":"x","outcome":"failed"}"#, "{\"done\":7}"])
        #expect(session.brokenInvariant() == nil)
    }

    @Test func aDeviceGoesAndComesBack() {
        var session = Self.configured()
        _ = session.answer(Self.arrival("\"x\"", at: "0"))
        #expect(
            session.answer(#"{"event":"device_returned","at_ms":1,"device":"cpu"}"#).last?.contains("is there") == true)
        // Its request runs on the other device, and what it still reports changes nothing.
        let moved = session.answer(#"{"event":"device_removed","at_ms":2,"device":"cpu"}"#)
        #expect(
            moved.first?.contains(#""batch":1,"device":"gpu","lane":0,"model":"a","rows":1,"requests":["x"]"#) == true)
        #expect(
            session.answer(#"{"event":"device_removed","at_ms":2,"device":"cpu"}"#).last?.contains("already") == true)
        #expect(session.answer(#"{"event":"finished","at_ms":3,"batch":0}"#) == ["{\"done\":6}"])
        #expect(session.answer(#"{"event":"finished","at_ms":3,"batch":0}"#).last?.contains("no batch 0") == true)
        _ = session.answer(#"{"event":"copied_in","at_ms":4,"batch":1}"#)
        // A second device lost with it: it may be what breaks them.
        #expect(
            session.answer(#"{"event":"device_removed","at_ms":5,"device":"gpu"}"#)
                == [#"{"action":"answer","request":"x","outcome":"failed"}"#, "{\"done\":9}"])
        #expect(session.answer(#"{"event":"kernels_done","at_ms":6,"batch":1}"#) == ["{\"done\":10}"])
        #expect(session.answer(#"{"event":"device_returned","at_ms":7,"device":"cpu"}"#) == ["{\"done\":11}"])
        #expect(session.answer(Self.arrival("1", at: "8")).first?.contains(#""batch":2,"device":"cpu""#) == true)
        #expect(session.brokenInvariant() == nil)
    }

    @Test func aModelGoesAndAnotherGetsItsPlace() {
        var session = Self.configured()
        let shape = #","shape":"s","elements_per_row":"#
        _ = session.answer(Self.arrival("1", at: "0", model: "b", more: shape + "5"))
        _ = session.answer(Self.arrival("2", at: "0", model: "b", more: shape + "5"))
        _ = session.answer(Self.arrival("3", at: "0", model: "b", more: shape + "5"))
        #expect(
            session.answer(#"{"event":"model_removed","at_ms":1,"model":"b"}"#).first
                == #"{"action":"answer","request":3,"outcome":"shed","reason":"model-unloaded","predicted_finish_at_ms":null}"#
        )
        #expect(session.answer(Self.arrival("4", at: "2", model: "b")).last?.contains("or it is removed") == true)
        #expect(session.answer(#"{"event":"model_removed","at_ms":2,"model":"b"}"#).last?.contains("already") == true)
        _ = session.answer(#"{"event":"finished","at_ms":3,"batch":0}"#)
        _ = session.answer(#"{"event":"failed","at_ms":3,"batch":1}"#)
        // Its number is free, and its shapes are forgotten.
        #expect(
            session.answer(#"{"event":"model","at_ms":4,"model":{"name":"b","maximum_batch":2}}"#) == ["{\"done\":10}"])
        #expect(session.answer(Self.arrival("5", at: "5", model: "b", more: shape + "6")).last == "{\"done\":11}")
        #expect(session.brokenInvariant() == nil)
    }

    /// One model of 10 ms on a device that copies and can stop batches.
    private static func stopping(_ policy: String) -> String {
        """
        {"configure":{"policy":"\(policy)","devices":[{"name":"d","lanes":2,"can_pause":true,"can_kill":true,\
        "copying":{"overhead_ms":0.01,"bytes_per_second":1e10}}],"models":[{"name":"a","maximum_batch":4,\
        "profile":{"curves":[{"points":[{"rows":1,"kernel_ms":10}]}]}}]}}
        """
    }

    @Test func aLowBatchIsPausedForAHighOneAndGoesOnAfterwards() {
        var session = Self.configured(Self.stopping("preempt-level1"))
        func actions(_ line: String) -> [String] {
            session.answer(line).filter { !$0.contains("\"timer\"") && !$0.contains("\"done\"") }
        }
        #expect(actions(Self.arrival("1", at: "0", requestClass: "low")).count == 1)
        #expect(actions(#"{"event":"copied_in","at_ms":1,"batch":0}"#) == [])
        let high = actions(Self.arrival("2", at: "2"))
        #expect(high.count == 2 && high[0].contains(#""action":"stage","batch":1"#))
        #expect(high.last == #"{"action":"pause","batch":0}"#)
        #expect(actions(#"{"event":"copied_in","at_ms":3,"batch":1}"#) == [])
        #expect(actions(#"{"event":"kernels_done","at_ms":13,"batch":1}"#) == [#"{"action":"resume","batch":0}"#])
        #expect(session.brokenInvariant() == nil)
    }

    @Test func aLowBatchIsKilledForAHighOneAndItsRequestWaitsAgain() {
        var session = Self.configured(Self.stopping("preempt-reset"))
        func actions(_ line: String) -> [String] {
            session.answer(line).filter { !$0.contains("\"timer\"") && !$0.contains("\"done\"") }
        }
        #expect(actions(Self.arrival("1", at: "0", requestClass: "low")).count == 1)
        #expect(actions(#"{"event":"copied_in","at_ms":1,"batch":0}"#) == [])
        #expect(actions(Self.arrival("2", at: "2")).last == #"{"action":"kill","batch":0}"#)
        #expect(actions(#"{"event":"killed","at_ms":2.05,"batch":0}"#) == [])
        #expect(session.refusal(#"{"event":"killed","at_ms":2.05,"batch":0}"#)?.contains("no batch 0") == true)
        #expect(session.refusal(#"{"event":"killed","at_ms":2.05,"batch":1}"#)?.contains("not to be killed") == true)
        #expect(actions(#"{"event":"copied_in","at_ms":3,"batch":1}"#) == [])
        let next = actions(#"{"event":"kernels_done","at_ms":13,"batch":1}"#)
        #expect(next.count == 1 && next[0].contains(#""action":"stage","batch":2"#) && next[0].contains("[1]"))
        #expect(session.brokenInvariant() == nil)
    }

    @Test func everyOutcomeAndReasonIsWritten() {
        var session = Self.configured(
            """
            {"configure":{"policy":"edf-priority","limits":{"waiting":2,"low_share":1},\
            "devices":[{"name":"d","lanes":1}],"models":[{"name":"a","maximum_batch":1,\
            "profile":{"curves":[{"points":[{"rows":1,"kernel_ms":10}]}]}},{"name":"q","maximum_batch":1,\
            "maximum_queued":1,"profile":{"curves":[{"points":[{"rows":1,"kernel_ms":10}]}]}}]}}
            """)
        func answers(_ line: String) -> [String] { session.answer(line).filter { $0.contains("\"answer\"") } }
        #expect(
            answers(Self.arrival("1", at: "0", due: "5")).first?.contains(
                #""request":1,"outcome":"shed","reason":"hopeless-on-arrival","predicted_finish_at_ms":8.5}"#) == true)
        #expect(answers(Self.arrival("2", at: "0", due: "15")) == [])
        #expect(answers(Self.arrival("3", at: "0", model: "q", due: "25")) == [])
        #expect(
            answers(Self.arrival("4", at: "0", model: "q")).first?.contains(#""reason":"model-queue-full""#) == true)
        #expect(answers(Self.arrival("5", at: "0", requestClass: "low")) == [])
        #expect(answers(Self.arrival("6", at: "0")).first?.contains(#""reason":"queue-full""#) == true)
        // The timer comes when 3 can no longer be started in time.
        #expect(
            answers(#"{"event":"timer","at_ms":15.1}"#).first?.contains(
                #""request":3,"outcome":"shed","reason":"hopeless-in-queue""#) == true)
        #expect(
            answers(#"{"event":"cancelled","at_ms":16,"request":5}"#)
                == [#"{"action":"answer","request":5,"outcome":"cancelled"}"#])
        #expect(
            answers(#"{"event":"finished","at_ms":16,"batch":0}"#)
                == [#"{"action":"answer","request":2,"outcome":"late"}"#])
        #expect(answers(Self.arrival("1", at: "16")) == [], "a name is free once answered")
        #expect(
            answers(#"{"event":"finished","at_ms":26,"batch":1}"#)
                == [#"{"action":"answer","request":1,"outcome":"met"}"#])
    }

    @Test func aTimerThatIsDueIsNow() throws {
        // Nothing can run, so nothing can be in time; yet without estimates nothing is refused before the timer.
        var session = Self.configured(#"{"configure":{"policy":"triton","models":[{"name":"a","maximum_batch":1}]}}"#)
        var instants: [Int64] = []
        for (time, due) in [("5", "7"), ("6", "6"), ("8", "6.5")] {
            for line in session.answer(Self.arrival("\(instants.count)", at: time, due: due)) {
                let node = try JSONNode(parsing: line)
                if node["action"]?.string == "timer", let instant = node["at_ms"]?.nanoseconds {
                    #expect(instant >= (try JSONNode(parsing: time).nanoseconds ?? .max))
                    instants.append(instant)
                }
            }
        }
        #expect(!instants.isEmpty)
    }

    @Test func withoutAnyDeviceNoFinishIsPredicted() {
        var session = Self.configured(
            #"{"configure":{"policy":"edf-priority","models":[{"name":"a","maximum_batch":1}]}}"#)
        let lines = session.answer(Self.arrival("1", at: "0", due: "null"))
        #expect(lines.last == "{\"done\":2}")
        // A device that joins takes what waits.
        let joined = session.answer(#"{"event":"device","at_ms":1,"device":{"name":"d","lanes":2}}"#)
        #expect(joined.first?.contains(#""device":"d","lane":0,"model":"a","rows":1,"requests":[1]"#) == true)
        #expect(
            session.answer(#"{"event":"model","at_ms":2,"model":{"name":"c","maximum_batch":1}}"#) == ["{\"done\":4}"])
        #expect(session.answer(Self.arrival("2", at: "3", model: "c")).first?.contains(#""model":"c""#) == true)
    }

    @Test func requestsOfDifferentShapesDoNotShareABatch() {
        func batchSize(_ more: [String]) -> Int64? {
            var session = Self.configured(
                """
                {"configure":{"policy":"edf-priority","devices":[{"name":"d","lanes":1}],"models":[{"name":"a",\
                "maximum_batch":4,"profile":{"curves":[{"elements_per_row":5,"points":[{"rows":1,"kernel_ms":10},{"rows":2,"kernel_ms":11},\
                {"rows":4,"kernel_ms":12}]}]}}]}}
                """)
            _ = session.answer(Self.arrival("0", at: "0", more: #","elements_per_row":5"#))
            for (index, more) in more.enumerated() {
                _ = session.answer(Self.arrival("\(index + 1)", at: "0", more: more))
            }
            let lines = session.answer(#"{"event":"finished","at_ms":10,"batch":0}"#)
            return lines.lazy.compactMap { try? JSONNode(parsing: $0) }.first { $0["rows"] != nil }?["rows"]?.whole
        }
        let plain = #","elements_per_row":5"#
        #expect(batchSize([plain, plain]) == 2)
        #expect(batchSize([#","elements_per_row":5"#, #","elements_per_row":6"#]) == 1)
        #expect(batchSize([plain + #","shape":"s""#, plain + #","shape":"s""#]) == 2)
        #expect(batchSize([plain + #","shape":"s""#, plain + #","shape":"t""#]) == 1)
        #expect(batchSize([plain + #","shape":"s""#, plain]) == 1)
    }

    @Test func whatTheDriverDoesNotMeasureIsTakenFromTheInstants() {
        // The same run twice, with the times given and left out: what follows is the same.
        func run(_ times: String) -> [String] {
            var session = Self.configured(
                """
                {"configure":{"policy":"edf-priority","devices":[{"name":"d","lanes":1,"copying":\
                {"overhead_ms":0.01,"bytes_per_second":1e9}}],"models":[{"name":"a","maximum_batch":1,\
                "profile":{"bytes_in_per_row":1000000,"bytes_out_per_row":1000,\
                "curves":[{"points":[{"rows":1,"kernel_ms":10}]}]}}]}}
                """)
            var lines: [String] = []
            for batch in 0..<5 {
                let start = 100 * batch
                lines += session.answer(Self.arrival("\(batch)", at: "\(start)"))
                lines += session.answer(#"{"event":"copied_in","at_ms":\#(start + 3),"batch":\#(batch)}"#)
                lines += session.answer(#"{"event":"kernels_done","at_ms":\#(start + 17),"batch":\#(batch)}"#)
                lines += session.answer(#"{"event":"finished","at_ms":\#(start + 18),"batch":\#(batch)\#(times)}"#)
            }
            return lines
        }
        let given = run(#","copy_in_ms":3,"kernels_ms":14,"copy_out_ms":1"#)
        #expect(given == run(""))
        #expect(given != run(#","kernels_ms":7"#))
    }

    @Test func theCommandLineWinsOverTheConfiguration() {
        func first(_ overrides: CoreOverrides, _ configuration: String) -> [String] {
            var session = CoreSession(overrides: overrides)
            return session.answer(configuration)
                + session.answer(Self.arrival("1", at: "0", due: "1"))
        }
        let configuration = Self.configuration
        // Only fifo starts what cannot be in time.
        #expect(first(CoreOverrides(), configuration).contains { $0.contains("hopeless-on-arrival") })
        #expect(!first(CoreOverrides(policy: .fifo), configuration).contains { $0.contains("hopeless-on-arrival") })
        // Then the configuration may leave it out, but not get it wrong.
        #expect(first(CoreOverrides(policy: .fifo, estimator: .solo), #"{"configure":{}}"#).first == "{\"done\":1}")
        #expect(first(CoreOverrides(policy: .fifo), #"{"configure":{"policy":"x"}}"#).first?.contains("error") == true)
    }

    @Test(arguments: PolicyName.allCases) func everyPolicyIsChosenByName(policy: PolicyName) {
        _ = Self.configured("{\"configure\":{\"policy\":\"\(policy.rawValue)\"}}")
    }

    @Test(arguments: EstimatorName.allCases) func everyEstimatorIsChosenByName(estimator: EstimatorName) {
        _ = Self.configured(#"{"configure":{"policy":"fifo","options":{"estimator":"\#(estimator.rawValue)"}}}"#)
    }

    @Test func optionsReachTheScheduler() throws {
        let node = try JSONNode(
            parsing: """
                {"policy":"strait","at_ms":5,"limits":{"waiting":7,"low_share":0.5},"options":{"estimator":"rls",\
                "strait":{"uses_gate":false,"prunes":false,"low_floor":0.1,"fixed_margin":1.3,"gate_rule":"demand"},\
                "triton":{"preferred_share":1,"maximum_delay_ms":4}}}
                """)
        let configuration = try CoreConfiguration(json: node, at: "configure", overrides: CoreOverrides())
        var expected = SchedulerOptions()
        expected.estimator = .rls
        expected.strait.usesGate = false
        expected.strait.prunes = false
        expected.strait.gateRule = .demand
        expected.strait.lowFloor = 0.1
        expected.strait.fixedMargin = 1.3
        expected.triton.preferredShare = 1
        expected.triton.maximumDelay = .milliseconds(4)
        #expect(configuration.options == expected)
        #expect(configuration.policy == .strait)
        #expect(configuration.limits == SchedulerLimits(maximumWaiting: 7, lowShare: 0.5))
        #expect(configuration.start == Instant(nanoseconds: 5_000_000))
    }

    @Test func blankLinesAreCountedButNotAnswered() {
        var session = CoreSession()
        #expect(session.answer("") == [])
        #expect(session.answer(" \t\r") == [])
        #expect(session.answer("x").first?.contains("\"line\":3") == true)
    }

    @Test func aStreamMayBeCutAnywhere() {
        let text = Array(
            ([Self.configuration] + (0..<5).map { Self.arrival("\($0)", at: "\($0)") } + ["", "oops"])
                .joined(separator: "\n").utf8)
        func run(_ length: Int) -> [UInt8] {
            var session = CoreSession()
            var output = JSONText()
            for start in stride(from: 0, to: text.count, by: length) {
                text[start..<min(start + length, text.count)].withUnsafeBufferPointer {
                    session.take($0, into: &output)
                }
            }
            session.end(into: &output)
            return output.bytes
        }
        let whole = run(text.count)
        #expect(String(decoding: whole, as: UTF8.self).contains("\"line\":8}"))
        for length in [1, 2, 7, 100] { #expect(run(length) == whole) }
    }

    @Test func aLineThatIsTooLongIsRefusedAndTheNextIsTaken() {
        var session = CoreSession()
        var output = JSONText()
        let piece = [UInt8](repeating: UInt8(ascii: " "), count: LineSplitter.maximumLength / 2 + 1)
        for _ in 0..<3 { piece.withUnsafeBufferPointer { session.take($0, into: &output) } }
        #expect(output.bytes.isEmpty)
        Array("\n\(Self.configuration)\n".utf8).withUnsafeBufferPointer { session.take($0, into: &output) }
        #expect(output.lines.first?.contains("a line longer than") == true)
        #expect(output.lines.last == "{\"done\":2}")
    }
}
