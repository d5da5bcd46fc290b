// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@Suite struct SheddingTests {
    @Test func `what cannot be answered in time is refused on arrival, with the predicted finish`() {
        var harness = Harness()
        harness.teach(time: .milliseconds(100))
        let refused = harness.arrive(.high, due: .milliseconds(50))
        guard case .shed(.hopelessOnArrival, let finish)? = harness.outcomes[refused] else {
            Issue.record("\(String(describing: harness.outcomes[refused])) instead of a refusal")
            return
        }
        #expect(harness.answeredAt[refused] == harness.now)
        #expect(finish - harness.now == .milliseconds(85))
    }

    @Test func `an urgent request is not refused for work that is due later`() {
        var harness = Harness(models: [.init(maximumBatch: 1)])
        harness.teach(time: .milliseconds(10))
        harness.trueTime = { _ in .milliseconds(10) }
        for _ in 0..<50 { harness.arrive(.high, due: .seconds(10)) }
        let urgent = harness.arrive(.high, due: .milliseconds(30))
        harness.drain()
        #expect(harness.outcomes[urgent] == .met)
    }

    @Test func `a low request is refused for the high work before it, a high one is not for low work`() {
        var harness = Harness(models: [.init(maximumBatch: 1)])
        harness.teach(time: .milliseconds(10))
        harness.trueTime = { _ in .milliseconds(10) }
        for _ in 0..<50 { harness.arrive(.high, due: .seconds(10)) }
        for _ in 0..<50 { harness.arrive(.low, due: .seconds(10)) }
        let low = harness.arrive(.low, due: .milliseconds(100))
        let high = harness.arrive(.high, due: .milliseconds(100))
        guard case .shed(.hopelessOnArrival, _)? = harness.outcomes[low] else {
            Issue.record("the low request was taken behind half a second of high work")
            return
        }
        harness.drain()
        #expect(harness.outcomes[high] == .met)
    }

    @Test func `the timer sheds a waiting request at its last instant, without a lane event`() {
        var harness = Harness()
        harness.teach(time: .milliseconds(20))
        let start = harness.now
        harness.trueTime = { _ in .seconds(5) }
        harness.arrive(.high, due: .seconds(100))
        let waiting = harness.arrive(.high, due: .milliseconds(200))
        harness.advance(by: .seconds(1))
        guard case .shed(.hopelessInQueue, _)? = harness.outcomes[waiting] else {
            Issue.record("\(String(describing: harness.outcomes[waiting])) while the lane is busy")
            return
        }
        #expect(harness.answeredAt[waiting] == start + .milliseconds(180) + Duration(nanoseconds: 1))
    }

    @Test func `a guess refuses hardly anyone`() {
        var harness = Harness()
        // Nothing is known of the model; 20 ms is only assumed.
        let request = harness.arrive(.high, due: .milliseconds(15))
        harness.drain()
        #expect(harness.outcomes[request] == .met)
        let impossible = harness.arrive(.high, due: .microseconds(1))
        guard case .shed(.hopelessOnArrival, _)? = harness.outcomes[impossible] else {
            Issue.record("one microsecond is not enough for anything")
            return
        }
    }

    @Test func `after an estimate ten times too long a model is served again within 3 s`() {
        var harness = Harness(models: [.init(maximumBatch: 1)])
        harness.teach(time: .milliseconds(500))
        harness.trueTime = { _ in .milliseconds(50) }
        let start = harness.now
        var served: Instant?
        var met: [Bool] = []
        for _ in 0..<300 {
            let request = harness.arrive(.high, due: .milliseconds(150))
            harness.advance(by: .milliseconds(100))
            met.append(harness.outcomes[request] == .met)
            if met.last == true, served == nil { served = harness.now }
        }
        guard let served else {
            Issue.record("the model was never served again")
            return
        }
        #expect(served - start <= .seconds(3))
        // And then for good.
        #expect(met.suffix(270).allSatisfy { $0 })
    }

    @Test func `probes of hopeless models take a small share of the lane`() {
        let models = 8
        var harness = Harness(models: Array(repeating: .init(maximumBatch: 1), count: models))
        for model in 0..<models { harness.teach(model: model, time: .milliseconds(50)) }
        harness.trueTime = { _ in .milliseconds(50) }
        let before = harness.batches.count
        let start = harness.now
        for _ in 0..<1000 {
            for model in 0..<models { harness.arrive(.low, model: model, due: .milliseconds(10)) }
            harness.advance(by: .milliseconds(50))
        }
        let busy = Duration.milliseconds(50) * Double(harness.batches.count - before)
        let share = busy.seconds / (harness.now - start).seconds
        #expect(share > 0.01, "nobody was probed")
        // A twentieth, and the first round, which finds the estimates out.
        #expect(share < 0.07)
        let probed = Set(harness.batches.dropFirst(before).map(\.batch.model.index))
        #expect(probed.count == models, "some models are never probed")
    }

    @Test func `the queue keeps room for the high class, and says when it is full`() {
        var harness = Harness(limits: SchedulerLimits(maximumWaiting: 10, lowShare: 0.8))
        harness.trueTime = { _ in .seconds(1) }
        harness.arrive(.low, due: .seconds(1000))
        let low = (0..<9).map { _ in harness.arrive(.low, due: .seconds(1000)) }
        #expect(low.filter { harness.outcomes[$0] == nil }.count == 8)
        let high = (0..<3).map { _ in harness.arrive(.high, due: .seconds(1000)) }
        #expect(high.filter { harness.outcomes[$0] == nil }.count == 2)
        guard case .shed(.queueFull, _)? = harness.outcomes[high[2]] else {
            Issue.record("the eleventh request found room")
            return
        }
    }

    @Test func `a model's own queue bound holds`() {
        var harness = Harness(models: [.init(maximumBatch: 1, maximumQueued: 2), .init(maximumBatch: 1)])
        harness.trueTime = { _ in .seconds(1) }
        let requests = (0..<4).map { _ in harness.arrive(.low, due: .seconds(1000)) }
        guard case .shed(.modelQueueFull, _)? = harness.outcomes[requests[3]] else {
            Issue.record("the third waiting request found room")
            return
        }
        #expect(harness.outcomes[harness.arrive(.low, model: 1, due: .seconds(1000))] == nil)
    }

    @Test func `first in first out sheds nothing and keeps the order of arrival`() {
        var harness = Harness(policy: .fifo, models: [.init(maximumBatch: 8), .init(maximumBatch: 8)])
        var generator = SeededGenerator(seed: 11)
        let requests = (0..<200).map { _ in
            harness.arrive(
                Bool.random(using: &generator) ? .high : .low, model: Int.random(in: 0..<2, using: &generator),
                due: .milliseconds(Double.random(in: 1..<100, using: &generator)))
        }
        harness.drain()
        #expect(harness.batches.flatMap(\.members) == requests)
        #expect(harness.outcomes.values.allSatisfy { $0 == .met || $0 == .late })
        #expect(harness.outcomes.count == 200)
    }
}
