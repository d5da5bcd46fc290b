// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@Suite struct EDFPriorityTests {
    @Test func `high requests run before low ones, each class by deadline`() {
        var harness = Harness(models: [.init(maximumBatch: 1), .init(maximumBatch: 1)])
        harness.teach(model: 0, time: .milliseconds(10))
        harness.teach(model: 1, time: .milliseconds(10))
        let first = harness.arrive(.low, due: .seconds(5))
        let low = harness.arrive(.low, model: 1, due: .milliseconds(800))
        let laterHigh = harness.arrive(.high, due: .seconds(2))
        let urgentHigh = harness.arrive(.high, model: 1, due: .seconds(1))
        harness.drain()
        let order = harness.batches.suffix(4).flatMap(\.members)
        #expect(order == [first, urgentHigh, laterHigh, low])
    }

    @Test func `nothing is started that cannot finish in time`() {
        var harness = Harness()
        harness.teach(time: .milliseconds(100))
        harness.trueTime = { _ in .milliseconds(100) }
        // Behind 100 ms of running work plus its own 100 ms; due in 190 ms passes the lenient arrival test only.
        let running = harness.arrive(.high, due: .seconds(1))
        let hopeless = harness.arrive(.high, due: .milliseconds(190))
        #expect(harness.outcomes[hopeless] == nil)
        harness.drain()
        #expect(harness.outcomes[running] == .met)
        guard case .shed(.hopelessInQueue, let finish)? = harness.outcomes[hopeless] else {
            Issue.record("\(String(describing: harness.outcomes[hopeless])) instead of shed in the queue")
            return
        }
        #expect(finish >= harness.requests[hopeless]?.deadline ?? .never)
        #expect(!harness.batches.contains { $0.members.contains(hopeless) })
    }

    @Test func `overload takes the low class first`() {
        var harness = Harness(models: [.init(maximumBatch: 1)])
        harness.teach(time: .milliseconds(10))
        harness.trueTime = { _ in .milliseconds(10) }
        var generator = SeededGenerator(seed: 7)
        // 1.5 times what one lane serves, 40 % of it high.
        for _ in 0..<3000 {
            harness.arrive(Double.random(in: 0..<1, using: &generator) < 0.4 ? .high : .low, due: .milliseconds(200))
            harness.advance(by: .milliseconds(Double.random(in: 0..<13.33, using: &generator)))
        }
        let seconds = harness.now.nanosecondsSinceZero.seconds
        harness.drain()
        let high = harness.scheduler.counters(of: .high)
        let low = harness.scheduler.counters(of: .low)
        #expect(high.met == high.arrived)
        #expect(low.late == 0)
        #expect(low.shed > low.arrived / 4)
        // What the high class leaves is used: 100 requests a second fit, 60 of them are high.
        #expect(Double(high.met + low.met) > 0.97 * seconds * 100)
    }

    @Test func `batches form where a larger batch makes a row cheaper`() {
        var harness = Harness(models: [.init(maximumBatch: 8)])
        harness.trueTime = { .milliseconds(8 + 1 * Double($0.rows)) }
        for _ in 0..<40 {
            for _ in 0..<16 { harness.arrive(.low, due: .seconds(100)) }
            harness.advance(by: .seconds(1))
        }
        #expect(harness.batches.suffix(3).map(\.batch.rows) == [1, 8, 7])
    }

    @Test func `batches do not form where they gain nothing, as on a CPU core`() {
        var harness = Harness(models: [.init(maximumBatch: 8)])
        harness.trueTime = { .milliseconds(10) * Double($0.rows) }
        for _ in 0..<20 {
            for _ in 0..<16 { harness.arrive(.low, due: .seconds(100)) }
            harness.advance(by: .seconds(1))
        }
        #expect(harness.batches.suffix(100).allSatisfy { $0.batch.rows == 1 })
        #expect(harness.batches.contains { $0.batch.rows == 2 }, "a larger batch must have been tried")
    }

    @Test func `a batch is no larger than its most urgent request allows`() {
        var harness = Harness(models: [.init(maximumBatch: 8)])
        harness.trueTime = { .milliseconds(8 + 1 * Double($0.rows)) }
        for _ in 0..<40 {
            for _ in 0..<16 { harness.arrive(.low, due: .seconds(100)) }
            harness.advance(by: .seconds(1))
        }
        let blocker = harness.arrive(.low, due: .seconds(100))
        let urgent = harness.arrive(.low, due: .milliseconds(19.5))
        for _ in 0..<7 { harness.arrive(.low, due: .seconds(100)) }
        harness.drain()
        #expect(harness.outcomes[blocker] == .met)
        #expect(harness.outcomes[urgent] == .met)
        let batch = harness.batches.first { $0.members.contains(urgent) }
        #expect(batch?.batch.rows == 2)
    }

    @Test func `requests of different shapes, models or classes never share a batch`() {
        var harness = Harness(models: [.init(maximumBatch: 8), .init(maximumBatch: 8)])
        harness.trueTime = { .milliseconds(8 + 1 * Double($0.rows)) }
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<30 {
            for _ in 0..<60 {
                harness.arrive(
                    Bool.random(using: &generator) ? .high : .low, model: Int.random(in: 0..<2, using: &generator),
                    due: .seconds(100), shape: UInt32.random(in: 0..<3, using: &generator))
            }
            harness.advance(by: .seconds(1))
        }
        harness.drain()
        for (_, batch, members) in harness.batches {
            let kinds = Set(
                members.compactMap { harness.requests[$0] }.map {
                    [$0.work.model.index, Int($0.shape.number), $0.requestClass.rawValue]
                })
            #expect(kinds.count == 1, "\(batch) mixes \(kinds)")
        }
        #expect(harness.batches.contains { $0.batch.rows > 4 })
    }
}

extension Instant {
    /// The time since the virtual epoch.
    var nanosecondsSinceZero: StraitCore.Duration { self - .zero }
}
