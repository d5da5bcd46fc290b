// SPDX-License-Identifier: Apache-2.0

internal import StraitFormats
internal import StraitProtocol
internal import Testing

@testable internal import StraitCore
@testable internal import StraitServing

/// What is remembered, for how long, and how it is found.
@Suite struct DecisionHistoryTests {
    private func refusal(_ query: String, _ fixture: DecisionFixture) -> ProtocolError? {
        do throws(ProtocolError) {
            let items = try QueryItems(query, known: DecisionQuery.parameters)
            _ = try fixture.engine.decisions(try DecisionQuery(items))
            return nil
        } catch { return error }
    }

    @Test func `it keeps so many, whatever has become of them`() throws {
        let fixture = try DecisionFixture(decisions: 8)
        for number in 1...30 { try fixture.submit(number, .low, due: 10_000) }
        let told = try fixture.ask("last=100")
        #expect(
            (told["decisions"]?.elements ?? []).compactMap { $0["request"]?.double }
                == (23...30).reversed().map(Double.init))
        #expect(told["known"]?["oldest"]?.double == 23 && told["known"]?["capacity"]?.double == 8)
        // The first is on the lane, forgotten while it runs; its end harms nothing.
        fixture.finish(after: 10)
        #expect(fixture.log[1]?.answer?.number == 1)
        let old = try #require(refusal("request=1", fixture))
        #expect(old.code == .notFound && old.message.contains("back to number 23"))
        #expect(old.message.contains("--decisions keeps 8"))
        let future = try #require(refusal("request=31", fixture))
        #expect(future.code == .notFound && future.message == "request 31 has not come yet: the newest is 30")
    }

    @Test func `high violations are kept longer than the rest`() throws {
        let fixture = try DecisionFixture(decisions: 8)
        try fixture.submit(1, .high, due: 15)
        fixture.finish(after: 20)
        for number in 2...20 {
            try fixture.submit(number, .low, due: 10_000)
            fixture.finish(after: 10)
        }
        #expect(refusal("request=2", fixture)?.code == .notFound)
        #expect(try fixture.words("request=1")[1] == "answered late at +20.0 ms, 5.0 ms after its deadline")
        let last = try fixture.story("class=high&outcome=violation&last=1")
        #expect(last["request"]?.double == 1 && last["batch"]?["batch"]?.double == 1)
    }

    @Test func `the violations that are kept are bounded too`() throws {
        let fixture = try DecisionFixture(decisions: 16)
        for number in 1...9 {
            try fixture.submit(number, .high, due: 15)
            fixture.finish(after: 20)
        }
        for number in 10...40 { try fixture.submit(number, .low, due: 100_000) }
        let kept = try fixture.ask("class=high&outcome=violation&last=100")["decisions"]?.elements ?? []
        #expect(kept.compactMap { $0["request"]?.double }.count == 2)
    }

    @Test func `ids that repeat are all found, the newest first`() throws {
        let fixture = try DecisionFixture()
        for number in 1...6 {
            try fixture.submit(number, number % 2 == 0 ? .low : .high, id: number % 3 == 0 ? "other" : "same")
            fixture.finish(after: 10)
        }
        let numbers = { (query: String) in
            try (fixture.ask(query)["decisions"]?.elements ?? []).compactMap { $0["request"]?.double }
        }
        #expect(try numbers("id=same") == [5, 4, 2, 1])
        #expect(try numbers("id=same&last=1") == [5])
        #expect(try numbers("id=same&class=low") == [4, 2])
        #expect(try numbers("outcome=late") == [])
        #expect(try numbers("model=ct&last=2") == [6, 5])
        #expect(try numbers("model=other") == [])
        #expect(try numbers("since=0.025") == [6, 5])
        #expect(
            refusal("id=nobody", fixture)?.message.contains("a request with the id \"nobody\" is not known") == true)
    }

    @Test func `a long id is cut and found all the same`() throws {
        let fixture = try DecisionFixture()
        let id = String(repeating: "ä", count: 100)
        try fixture.submit(1, id: id)
        let encoded = String(repeating: "%C3%A4", count: 100)
        let story = try fixture.story("id=\(encoded)")
        #expect(story["request"]?.double == 1)
        #expect((story["id"]?.text?.utf8.count ?? 999) <= RequestHistory.longestClientID + 3)
    }

    @Test func `what is remembered is as small as docs say`() {
        #expect(MemoryLayout<PackedRequest>.stride == 120)
        #expect(MemoryLayout<PackedBatch>.stride == 64)
        #expect(MemoryLayout<ViolationHistory.Kept>.stride == 208)
        #expect(MemoryLayout<PackedDecision>.stride == 128)
        #expect(MemoryLayout<PackedOption>.stride == 80)
    }

    @Test func `without a history requests have numbers and nobody can ask`() throws {
        let fixture = try DecisionFixture(decisions: 0)
        try fixture.submit(1)
        fixture.finish(after: 5)
        #expect(fixture.log[1]?.answer?.number == 1)
        #expect(refusal("request=1", fixture)?.code == .unsupported)
    }

    @Test(arguments: [
        ("request=0", "request is '0'"), ("request=x", "expected the number from the header"),
        ("class=urgent", "there are high and low"), ("outcome=good", "there are met, late, shed"),
        ("last=0", "1 to 100"), ("last=101", "1 to 100"), ("since=-1", "seconds back"), ("since=nan", "seconds back"),
        ("colour=red", "there is no parameter 'colour'"), ("last=1&last=2", "given twice"),
        ("id=%zz", "percent-encoded"),
    ])
    func `slips are told`(query: String, words: String) throws {
        let error = try #require(refusal(query, try DecisionFixture()))
        #expect(error.code == .invalidArgument && error.message.contains(words), "\(error)")
    }

    @Test(arguments: 0..<40)
    func `random traffic: every story is whole`(seed: UInt64) throws {
        let fixture = try DecisionFixture(
            policy: [.strait, .edfPriority, .triton, .fifo][Int(seed % 4)], lanes: 2, decisions: 50, waiting: 12,
            perRow: seed % 3 == 0 ? nil : .milliseconds(10))
        var generator = Seeded(state: seed)
        var open: [RequestID] = []
        for number in 1...200 {
            let due = Double.random(in: 0...80, using: &generator)
            if let id = try fixture.submit(number, Bool.random(using: &generator) ? .high : .low, due: due) {
                open.append(id)
            }
            fixture.advance(Double.random(in: 0...10, using: &generator))
            if Int.random(in: 0..<6, using: &generator) == 0, let id = open.randomElement(using: &generator) {
                fixture.engine.cancel(id)
            }
            if Int.random(in: 0..<8, using: &generator) == 0 { fixture.engine.step(.timer) }
            if Bool.random(using: &generator), let lane = fixture.device.running.keys.min() {
                if Int.random(in: 0..<8, using: &generator) == 0 {
                    fixture.device.fail(lane: lane)
                } else {
                    fixture.device.finish(lane: lane, taking: .milliseconds(5))
                }
            }
        }
        let stories = try fixture.ask("last=100")["decisions"]?.elements ?? []
        #expect(stories.count >= 50)
        for story in stories {
            let (words, outcome) = (DecisionFixture.words(story), story["outcome"]?.text)
            #expect(words.count >= 2, "seed \(seed): \(words)")
            guard let number = story["request"]?.double.map({ Int($0) }) else {
                Issue.record("seed \(seed): no number")
                continue
            }
            // What is told is what the client was told.
            switch fixture.log[number] {
            case nil: #expect(outcome == "waiting" || outcome == "running", "seed \(seed): \(words)")
            case .answered(let answer): #expect(outcome == (answer.isLate ? "late" : "met"), "seed \(seed): \(words)")
            case .refused(let refusal):
                switch refusal.error.code {
                case .cancelled: #expect(outcome == "cancelled", "seed \(seed): \(words)")
                case .failedInternally: #expect(outcome == "failed", "seed \(seed): \(words)")
                default:
                    #expect(outcome == "shed" && story["reason"] != nil, "seed \(seed): \(words)")
                    #expect(story["test"] != nil, "seed \(seed): no test: \(words)")
                }
                #expect(refusal.number == UInt64(number))
            }
        }
    }
}
