// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitFormats
internal import StraitProtocol
internal import Testing

@testable internal import StraitServing

/// What the live engine tells of requests: for each outcome and each reason the words, with their numbers.
@Suite struct DecisionTests {
    // -- answered -------------------------------------------------------------------------------------------------

    @Test func `an answer in time is told with its batch, its prediction and its parts`() throws {
        let fixture = try DecisionFixture()
        try fixture.submit(1, due: 50, id: "ct-0042")
        fixture.finish(after: 12)
        let story = try fixture.story("request=1")
        let words = DecisionFixture.words(story)
        #expect(words[0].hasPrefix("request 1 (id \"ct-0042\"): high, model ct, 1 row, arrived "))
        #expect(words[0].hasSuffix(", due +50.0 ms"))
        #expect(words[1] == "answered in time at +12.0 ms, with 38.0 ms to spare")
        #expect(words.tell("when it came nothing waited"))
        #expect(words.tell("a lane was free, nothing was ahead of it in the queues, and it takes 10.0 ms itself"))
        #expect(words.tell("staged at +0 ms in batch 1 (1 row) on lane 0 of scripted, alone"))
        #expect(
            words.tell("predicted to be answered at +10.0 ms, with 95 in 100 by +13.0 ms and 99 in 100 by +16.0 ms"))
        #expect(words.tell("it came 2.0 ms later than predicted, within the bound of 95 in 100"))
        #expect(words.tell("0 ms waiting, 0 ms copying in, 12.0 ms in kernels"))
        #expect(story["outcome"]?.text == "met" && story["ended_ms"]?.double == 12)
        #expect(story["batch"]?["kernels_ms"]?.double == 12 && story["deadline_ms"]?.double == 50)
        #expect(try #require(fixture.log[1]?.answer).number == 1)
    }

    @Test func `a late answer says whether the prediction was wrong`() throws {
        let fixture = try DecisionFixture()
        try fixture.submit(1, due: 20)
        fixture.finish(after: 25)
        let words = try fixture.words("request=1")
        #expect(words[1] == "answered late at +25.0 ms, 5.0 ms after its deadline")
        #expect(words.tell("it was late because its batch took longer than predicted: it came 15.0 ms later"))
        #expect(words.tell("beyond the bound of 99 in 100"))
    }

    @Test func `a late answer says that it was staged too late`() throws {
        // No policy that sheds by estimates would have run it.
        let fixture = try DecisionFixture(policy: .fifo)
        try fixture.submit(1, due: 100)
        try fixture.submit(2, due: 12)
        fixture.finish(after: 10)
        fixture.finish(after: 10)
        let words = try fixture.words("request=2")
        #expect(words[1] == "answered late at +20.0 ms, 8.0 ms after its deadline")
        #expect(words.tell("staged too late: already then it was predicted 8.0 ms after its deadline"))
    }

    @Test func `requests of one batch name each other, and what ran beside`() throws {
        let fixture = try DecisionFixture(lanes: 2, perRow: nil)
        // Large batches are tried once the model is known.
        for number in 1...60 {
            try fixture.submit(number)
            if number % 4 == 0 {
                while let (lane, batch) = fixture.device.running.min(by: { $0.key < $1.key }) {
                    fixture.finish(lane: lane, after: 5 + Double(batch.rows))
                }
            }
        }
        let told = try fixture.ask("last=60")["decisions"]?.elements ?? []
        let shared = try #require(told.first { !($0["batch"]?["with"]?.elements ?? []).isEmpty })
        let number = try #require(shared["request"]?.double)
        let other = try #require(shared["batch"]?["with"]?.elements.first?.double)
        #expect(DecisionFixture.words(shared).tell("in the same batch: request"))
        let back = try fixture.story("request=\(Int(other))")
        #expect(back["batch"]?["with"]?.elements.contains { $0.double == number } == true)
        #expect(told.contains { DecisionFixture.words($0).tell("on the device at the same time: batch ") })
    }

    @Test func `copies are told on a device that copies`() throws {
        let fixture = try DecisionFixture(copying: CopyDescription(overhead: .microseconds(10), bytesPerSecond: 1e9))
        try fixture.submit(1)
        fixture.advance(2)
        fixture.device.copyIn(lane: 0)
        fixture.advance(6)
        let batch = try #require(fixture.device.endKernels(lane: 0))
        fixture.advance(1)
        _ = fixture.device.copyOut(batch)
        let story = try fixture.story("request=1")
        #expect(story["batch"]?["copied_in_ms"]?.double == 2 && story["batch"]?["kernels_done_ms"]?.double == 8)
        #expect(DecisionFixture.words(story).tell("1.0 ms copying in, 5.0 ms in kernels, 1.0 ms copying out"))
    }

    // -- shed -----------------------------------------------------------------------------------------------------

    @Test func `a refusal on arrival is told in numbers`() throws {
        let fixture = try DecisionFixture()
        try fixture.submit(1, due: 100)
        try fixture.submit(2, due: 100)
        fixture.advance(4)
        try fixture.submit(3, due: 13)
        let story = try fixture.story("request=3")
        let words = DecisionFixture.words(story)
        #expect(words[1].hasPrefix("refused on arrival at "))
        // What waits is due later. 6 ms until the lane is free and 10 ms itself; 85 % of that.
        #expect(
            words[1].hasSuffix(
                ": the first lane was expected to be free at +6.0 ms, nothing was ahead of it in the queues, and it takes "
                    + "10.0 ms itself; 85 % of that counts: it would have been answered at +13.6 ms, 0.60 ms after its deadline"
            ))
        #expect(story["reason"]?.text == "hopeless-on-arrival" && story["test"]?["name"]?.text == "arrival")
        #expect(story["on_arrival"]?["finish_ms"]?.double == 13.6)
        let refusal = try #require(fixture.log[3]?.refusal)
        #expect(refusal.number == 3 && refusal.error.message.hasSuffix("(request 3)"))
    }

    @Test func `high work that is ahead is told`() throws {
        let fixture = try DecisionFixture()
        for number in 1...3 { try fixture.submit(number, due: 40) }
        try fixture.submit(4, due: 22)
        try fixture.submit(5, due: 41)
        let words = try fixture.words("request=5")
        #expect(words[1].contains("of high work was ahead of it, and it takes 10.0 ms itself; 85 % of that counts"))
        #expect(words[1].contains("after its deadline"))
        #expect(words.tell("when it came"))
    }

    @Test func `one that had to start is told by when`() throws {
        let fixture = try DecisionFixture()
        try fixture.submit(1, due: 100)
        try fixture.submit(2, due: 30)
        fixture.advance(25)
        fixture.engine.step(.timer)
        let story = try fixture.story("request=2")
        #expect(story["reason"]?.text == "hopeless-in-queue" && story["test"]?["last_start_ms"]?.double == 20)
        #expect(
            DecisionFixture.words(story)[1]
                == "given up at +25.0 ms while it waited: it takes 10.0 ms itself and so had to start by +20.0 ms for its "
                + "deadline at +30.0 ms, and no lane took it by then")
    }

    @Test func `without estimates the deadline is what passed`() throws {
        let fixture = try DecisionFixture(policy: .triton)
        try fixture.submit(1, due: 1000)
        fixture.advance(3)
        fixture.engine.step(.timer)
        try fixture.submit(2, due: 30)
        fixture.advance(31)
        fixture.engine.step(.timer)
        #expect(
            try fixture.words("request=2")[1]
                == "given up at +31.0 ms while it waited: its deadline at +30.0 ms passed")
    }

    @Test func `full queues are told with their limits`() throws {
        let fixture = try DecisionFixture(policy: .fifo, waiting: 5, waitingForModel: 4)
        for number in 1...7 { try fixture.submit(number, number < 6 ? .low : .high) }
        #expect(
            try fixture.words("request=6")[1].contains(
                "its model's queue was full: 4 requests waited for it, and at most 4 may (max_queue_size in its config")
        )
        let smaller = try DecisionFixture(policy: .fifo, waiting: 5)
        for number in 1...6 { try smaller.submit(number, .low) }
        #expect(
            try smaller.words("request=6")[1].contains(
                "the queue was full: 4 requests waited, and at most 4 may, which for the low class is a share"))
    }

    @Test func `unloading and draining are told`() throws {
        let fixture = try DecisionFixture()
        for number in 1...2 { try fixture.submit(number) }
        fixture.engine.unload(fixture.model, drains: false)
        try fixture.submit(3)
        #expect(try fixture.words("request=2")[1].hasSuffix("while it waited: its model was unloaded"))
        #expect(try fixture.words("request=3")[1].hasSuffix("its model was being unloaded"))
        let other = try DecisionFixture()
        _ = other.engine.drain(within: .zero)
        try other.submit(1)
        let story = try other.story("request=1")
        #expect(DecisionFixture.words(story)[1].hasSuffix("the server was draining, to stop"))
        #expect(story["reason"]?.text == "draining")
        #expect(other.log[1]?.refusal?.error.message.hasSuffix("(request 1)") == true)
    }

    // -- other ends -----------------------------------------------------------------------------------------------

    @Test func `failures, cancellations and what goes on are told`() throws {
        let fixture = try DecisionFixture()
        try fixture.submit(1)
        let waiting = try #require(try fixture.submit(2))
        try fixture.submit(3)
        #expect(try fixture.words("request=1")[1] == "it runs, since +0 ms; its deadline is in 1000.0 ms")
        fixture.advance(3)
        fixture.engine.cancel(waiting)
        #expect(try fixture.words("request=3")[1] == "it waits, for 3.0 ms by now; its deadline is in 997.0 ms")
        #expect(try fixture.words("request=2")[1] == "cancelled at +3.0 ms while it waited: its client went away")
        fixture.device.fail(lane: 0)
        #expect(try fixture.words("request=1")[1] == "failed at +3.0 ms: model m: it broke")
        let outcomes = (try fixture.ask("")["decisions"]?.elements ?? []).map { $0["outcome"]?.text }
        #expect(outcomes == ["running", "cancelled", "failed"])
    }

    @Test func `a request that lost its device is told once more`() throws {
        let devices = [ScriptedDevice(name: "one"), ScriptedDevice(name: "two")]
        let clock = ManualClock()
        let engine = Engine(
            policy: .edfPriority, devices: devices, clock: clock, timer: NoTimer(), upkeep: NoTimer(), decisions: 16)
        let specification = ModelSpecification(
            name: "ct", version: 3, modelFile: "m", maxBatchSize: 1, inputs: [], outputs: [])
        let loaded = try devices.map { try $0.load(path: "m", name: "ct") }
        let model = engine.add(specification, onDevices: loaded)
        for device in devices { device.start(driver: engine) }
        let log = ReplyLog()
        engine.submit(
            Submission(
                model: model, inputs: [], rows: 1, requestClass: .high, arrived: clock.now(),
                deadline: clock.now() + .seconds(1))
        ) { log.note(1, $0) }
        clock.advance(by: .milliseconds(2))
        devices[0].lose("gone")
        clock.advance(by: .milliseconds(2))
        devices[1].finish(lane: 0, taking: .milliseconds(2))
        let items = try QueryItems("request=1", known: DecisionQuery.parameters)
        let text = String(decoding: try engine.decisions(try DecisionQuery(items)), as: UTF8.self)
        #expect(text.contains("put into a batch 2 times, since a device was lost"))
        #expect(text.contains("on lane 0 of two") && text.contains("model ct version 3"))
        #expect(log[1]?.answer != nil)
    }

    // -- displaced ------------------------------------------------------------------------------------------------

    @Test func `what was staged in its stead is told, and what was weighed`() throws {
        let fixture = try DecisionFixture(policy: .strait)
        try fixture.submit(1, .low)
        try fixture.submit(2, .low, due: 900)
        for number in 3...4 { try fixture.submit(number, .high, due: 60) }
        for _ in 1...4 where !fixture.device.running.isEmpty { fixture.finish(after: 10) }
        let story = try fixture.story("request=2")
        let words = DecisionFixture.words(story)
        let passed = try #require(story["staged_while_it_waited"])
        #expect((passed["high_batches"]?.double ?? 0) >= 1, "\(words)")
        #expect(words.tell("while it waited, "), "\(words)")
        let weighed = story["weighed"]?.elements ?? []
        #expect(!weighed.isEmpty, "\(words)")
        #expect(words.tell("rank "), "\(words)")
        #expect(words.tell("displaced at ") || words.tell("its batch was chosen at "), "\(words)")
        for term in ["rank", "regret", "harm", "slack"] {
            #expect(words.contains { $0.hasPrefix("\(term): ") }, "\(term) is not explained: \(words)")
        }
    }

    @Test func `what a batch displaced is told with it`() throws {
        let fixture = try DecisionFixture(policy: .strait)
        let other = try fixture.add("other")
        try fixture.submit(1, .low)
        try fixture.submit(2, .low, due: 900, to: other)
        for number in 3...4 { try fixture.submit(number, .high, due: 60) }
        for _ in 1...4 where !fixture.device.running.isEmpty { fixture.finish(after: 10) }
        let winner = try fixture.story("request=3")
        let words = DecisionFixture.words(winner)
        let chosen = (winner["weighed"]?.elements ?? []).filter { $0["chosen_had_it"]?.bool == true }
        let displaced = chosen.flatMap { $0["passed_over"]?.elements ?? [] }
        #expect(displaced.count == 1, "\(words)")
        #expect(displaced.allSatisfy { $0["class"]?.text == "low" && $0["model"]?.text == "other" }, "\(words)")
        #expect(displaced.allSatisfy { $0["rank"]?.double != nil }, "\(words)")
        #expect(words.tell("it displaced "), "\(words)")
    }
}
