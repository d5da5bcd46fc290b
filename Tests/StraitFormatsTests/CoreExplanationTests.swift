// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable internal import StraitFormats

/// The question `why`. The plain cases are in docs/core-protocol.md, and checked there.
@Suite struct CoreExplanationTests {
    private static func configuration(_ policy: String, options: String = #""explanations":50"#) -> String {
        """
        {"configure":{"policy":"\(policy)","options":{\(options)},"limits":{"waiting":5},\
        "devices":[{"name":"d","lanes":2}],"models":[\
        {"name":"a","maximum_batch":4,"maximum_queued":3,"profile":{"curves":[{"points":[\
        {"rows":1,"kernel_ms":10,"compute":0.9,"bandwidth":0.5,"cache":0.3}]}]}},{"name":"b","maximum_batch":1}]}}
        """
    }

    private static func session(_ configuration: String) -> CoreSession {
        var session = CoreSession()
        #expect(session.answer(configuration) == ["{\"done\":1}"])
        return session
    }

    private static func arrival(
        _ request: String, at time: Int, model: String = "a", requestClass: String = "high", due: Int
    ) -> String {
        """
        {"event":"arrival","at_ms":\(time),"request":\(request),"model":"\(model)","class":"\(requestClass)",\
        "deadline_at_ms":\(due)}
        """
    }

    /// The lines that answer a question, read.
    private static func why(_ request: String, _ session: inout CoreSession) throws -> [JSONNode] {
        let lines = session.answer("{\"event\":\"why\",\"request\":\(request)}")
        #expect(lines.last?.hasPrefix("{\"done\":") == true, "\(lines)")
        return try lines.dropLast().map { try JSONNode(parsing: $0) }
    }

    @Test func straitNamesWhatItWeighed() throws {
        var session = Self.session(Self.configuration("strait"))
        _ = session.answer(Self.arrival("1", at: 0, due: 100))
        _ = session.answer(Self.arrival("\"held\"", at: 1, requestClass: "low", due: 500))
        let staged = try #require(try Self.why("1", &session).last)
        #expect(staged["why"]?.string == "staged" && staged["cause"]?.string == "policy")
        let options = try #require(staged["options"]?.elements)
        let chosen = try #require(options.first { $0["chosen"]?.isTrue == true })
        #expect(chosen["requests"]?.elements?.first?.whole == 1)
        #expect(chosen["predicted_finish_at_ms"]?.nanoseconds == 10_000_000)
        for term in ["regret", "harm", "slack_ms", "rank"] { #expect(chosen["terms"]?[term] != nil, "\(term)") }
        // The gate keeps the second one out.
        let held = try #require(try Self.why("\"held\"", &session).last)
        #expect(held["why"]?.string == "waited" && held["times"]?.whole == 1)
        let option = try #require(held["options"]?.elements?.first)
        #expect(option["requests"]?.elements?.first?.string == "held" && option["chosen"]?.isTrue == false)
        #expect(option["terms"] != nil && option["predicted_finish_at_ms"] == nil)
        // Every term that there is stands in the page.
        let root = "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
        let page = String(
            decoding: try Files.read((root + ["docs", "core-protocol.md"]).joined(separator: "/"), limit: 1 << 20),
            as: UTF8.self)
        guard case .object(let terms)? = chosen["terms"]?.content else { return }
        for term in terms { #expect(page.contains("| `\(term.key)` |"), "\(term.key)") }
    }

    @Test func everyTestIsWritten() throws {
        var session = Self.session(Self.configuration("edf-priority"))
        // Two run, three wait for a, and one for b.
        for request in 0..<5 { _ = session.answer(Self.arrival("\(request)", at: 0, due: 60)) }
        var answers: [String: JSONNode] = [:]
        func ask(_ request: String) throws {
            let shed = try #require(try Self.why(request, &session).last)
            #expect(shed["why"]?.string == "shed")
            answers[shed["test"]?.string ?? ""] = shed
        }
        _ = session.answer(Self.arrival("10", at: 1, due: 60))
        try ask("10")
        _ = session.answer(Self.arrival("11", at: 1, model: "b", requestClass: "low", due: 60))
        _ = session.answer(Self.arrival("12", at: 1, model: "b", requestClass: "low", due: 60))
        try ask("12")
        _ = session.answer(Self.arrival("13", at: 1, model: "b", due: 2))
        try ask("13")
        _ = session.answer(#"{"event":"timer","at_ms":50.1}"#)
        try ask("4")
        #expect(answers["model-room"]?["limit"]?.whole == 3 && answers["model-room"]?["waiting"]?.whole == 3)
        #expect(answers["room"]?["limit"]?.whole == 4 && answers["room"]?["waiting"]?.whole == 4)
        #expect(answers["arrival"]?["lane_free_at_ms"]?.nanoseconds == 10_000_000)
        #expect(answers["last-start"]?["last_start_at_ms"]?.nanoseconds == 50_000_000)
        #expect(answers["last-start"]?["own_ms"]?.nanoseconds == 10_000_000)

        var triton = Self.session(Self.configuration("triton"))
        for request in 0..<8 { _ = triton.answer(Self.arrival("\(request)", at: request, due: 30)) }
        _ = triton.answer(#"{"event":"timer","at_ms":31}"#)
        #expect(try Self.why("4", &triton).last?["test"]?.string == "expired")
    }

    @Test func aNameMeansItsLastRequestAndIsForgottenWithTheDecisions() throws {
        var session = Self.session(Self.configuration("edf-priority", options: #""explanations":3"#))
        func run(_ request: String, at time: Int) {
            let lines = session.answer(Self.arrival(request, at: time, due: time + 100))
            let batch = lines.lazy.compactMap { try? JSONNode(parsing: $0)["batch"]?.whole }.first ?? -1
            _ = session.answer("{\"event\":\"finished\",\"at_ms\":\(time + 10),\"batch\":\(batch)}")
        }
        run("\"x\"", at: 0)
        run("\"x\"", at: 20)
        #expect(try Self.why("\"x\"", &session).map { $0["at_ms"]?.nanoseconds } == [20_000_000])
        run("1", at: 40)
        run("2", at: 60)
        #expect(try Self.why("\"x\"", &session).count == 1)
        run("3", at: 80)
        let refusal = session.refusal(#"{"event":"why","request":"x"}"#)
        #expect(refusal?.contains("no decision about \"x\" is known") == true)
        #expect(try Self.why("3", &session).last?["requests"]?.elements?.first?.whole == 3)
    }

    @Test func aBadQuestionIsExplainedAndChangesNothing() {
        var silent = Self.session(Self.configuration("edf-priority", options: ""))
        _ = silent.answer(Self.arrival("1", at: 0, due: 100))
        #expect(silent.refusal(#"{"event":"why","request":1}"#)?.contains("options.explanations") == true)
        var session = CoreSession()
        #expect(session.refusal(#"{"event":"why","request":1}"#)?.contains("configure") == true)
        session = Self.session(Self.configuration("edf-priority"))
        var other = session
        for (line, expected) in [
            (#"{"event":"why"}"#, "request: missing"),
            (#"{"event":"why","request":null}"#, "request: missing"),
            (#"{"event":"why","request":-1}"#, "request: expected a whole number"),
            (#"{"event":"why","request":"7"}"#, "request: no decision about \"7\""),
            (#"{"event":"why","request":7,"at_ms":1}"#, "at_ms: unknown key; expected one of event, request"),
        ] {
            #expect(session.refusal(line)?.hasPrefix(expected) == true, "\(line)")
            _ = other.answer("")
        }
        let line = Self.arrival("1", at: 5, due: 100)
        #expect(session.answer(line) == other.answer(line))
        for bad in ["-1", "100001", "1.5", "true"] {
            let refusal = CoreSession().refused(Self.configuration("fifo", options: "\"explanations\":\(bad)"))
            #expect(refusal?.hasPrefix("configure.options.explanations: expected a whole number from 0") == true)
        }
    }

    /// Questions about everything, at any time: they are answered or refused, and change nothing else.
    @Test(arguments: ["edf-priority", "strait", "triton", "fifo"], 0..<3)
    func questionsChangeNothing(policy: String, seed: Int) throws {
        var driver = RandomDriver(seed: UInt64(seed))
        var silent = CoreSession()
        var asked = CoreSession()
        var random = SeededGenerator(seed: UInt64(seed))
        var explained = 0
        var line = RandomDriver.configuration(policy)
        for _ in 0..<400 {
            let expected = silent.answer(line)
            #expect(asked.answer(line).dropLast() == expected.dropLast(), "after \(line)")
            try driver.note(expected)
            let request = Int.random(in: 1...max(1, driver.requests), using: &random)
            for name in ["\(request)", "\"r\(request)\""] {
                let lines = asked.answer("{\"event\":\"why\",\"request\":\(name)}")
                let isRefused = lines.count == 1 && lines[0].hasPrefix("{\"error\":\"request: no decision about")
                #expect(isRefused || lines.last?.hasPrefix("{\"done\":") == true, "\(lines)")
                for line in lines.dropLast() {
                    let node = try JSONNode(parsing: line)
                    #expect(node["why"] != nil && node["at_ms"] != nil)
                    explained += 1
                }
            }
            line = driver.next()
        }
        #expect(explained > 100)
    }
}

extension JSONNode {
    /// The elements of an array.
    fileprivate var elements: [JSONNode]? { if case .array(let elements) = content { elements } else { nil } }

    /// Whether it is true; nil for what is neither true nor false.
    fileprivate var isTrue: Bool? { if case .bool(let value) = content { value } else { nil } }
}

extension CoreSession {
    /// What is wrong with a first line.
    fileprivate func refused(_ line: String) -> String? {
        var session = self
        return session.refusal(line)
    }
}
