// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// Why a request was staged, passed over or shed can be asked afterwards.
@Suite struct DecisionLogTests {
    private static let wide = Demand(compute: 0.9, bandwidth: 0.5, cache: 0.3)

    /// Models of 10 ms a row on one device.
    private static func harness(
        _ policy: PolicyName, lanes: Int = 1, models: Int = 1, maximumBatch: Int = 4, keeping records: Int = 100,
        limits: SchedulerLimits = SchedulerLimits()
    ) -> Harness {
        var options = SchedulerOptions()
        options.explanations = records
        // Fixed here, so that it may be tuned elsewhere.
        options.strait.hopelessHead = 0.4
        let model = ModelDescription(
            maximumBatch: maximumBatch, maximumQueued: 3, profile: profile(8, 2, demand: wide))
        return Harness(
            policy: policy, lanes: [lanes], models: Array(repeating: model, count: models), limits: limits,
            options: options)
    }

    /// The one record that says how a request was shed.
    private static func shed(_ request: RequestID, in harness: Harness) -> ShedDecision? {
        for record in harness.scheduler.records(of: request) {
            if case .shed(let shed) = record.what { return shed }
        }
        return nil
    }

    private static func staged(_ record: DecisionRecord?) -> StagedDecision? {
        if case .staged(let staged)? = record?.what { staged } else { nil }
    }

    @Test(arguments: PolicyName.allCases)
    func `a staged batch has its prediction with bounds, its size and its place`(policy: PolicyName) throws {
        var harness = Self.harness(policy)
        let request = harness.arrive(.high, due: .milliseconds(100))
        // Some wait for company.
        while harness.batches.isEmpty, harness.now < .zero + .milliseconds(100) {
            harness.advance(by: .milliseconds(3))
        }
        let staged = try #require(Self.staged(harness.scheduler.records(of: request).last))
        #expect(staged.batch == harness.batches[0].batch.batch)
        #expect(staged.rows == 1 && staged.members.map(\.request) == [request])
        #expect(staged.requestClass == .high && staged.cause == .policy)
        #expect(staged.prediction.expected == harness.batches[0].batch.predictedFinish)
        // The quantiles that everything starts with.
        let time = (staged.prediction.expected - harness.batches[0].at).milliseconds
        #expect(abs((staged.prediction.bound95 - harness.batches[0].at).milliseconds - 1.3 * time) < 1e-5)
        #expect(abs((staged.prediction.bound99 - harness.batches[0].at).milliseconds - 1.6 * time) < 1e-5)
        // And it can still be asked when all is over.
        harness.drain()
        #expect(harness.scheduler.records(of: request).count >= 1)
    }

    @Test func `a request that waits is told what was staged in its stead`() throws {
        var harness = Self.harness(.edfPriority, models: 2)
        harness.arrive(.high, model: 0, due: .milliseconds(200))
        let low = harness.arrive(.low, model: 1, due: .milliseconds(200))
        let high = harness.arrive(.high, model: 0, due: .milliseconds(100))
        harness.advance(by: .milliseconds(15))
        // The first batch was staged before it came; the second took the lane from it.
        var records = harness.scheduler.records(of: low)
        #expect(records.compactMap { Self.staged($0)?.members.map(\.request) } == [[high]])
        harness.advance(by: .milliseconds(10))
        // What is staged after its own batch is no longer about it.
        harness.arrive(.high, model: 0, due: .milliseconds(100))
        harness.drain()
        records = harness.scheduler.records(of: low)
        #expect(records.compactMap { Self.staged($0)?.members.map(\.request) } == [[high], [low]])
        #expect(harness.outcomes[low] == .met)
    }

    @Test func `a refusal comes with the numbers of the test`() throws {
        var harness = Self.harness(.edfPriority, lanes: 2)
        for _ in 0..<3 { harness.arrive(.high, due: .milliseconds(100)) }
        harness.advance(by: .milliseconds(4))
        let refused = harness.arrive(.low, due: .milliseconds(8))
        let shed = try #require(Self.shed(refused, in: harness))
        guard case .arrival(let test) = shed.test else {
            Issue.record("\(shed.test)")
            return
        }
        // The first lane frees 6 ms from now; half of the 10 ms that wait are before it, and its own 10 ms.
        #expect(test.laneFree == harness.now + .milliseconds(6))
        #expect(test.ahead == .milliseconds(5) && test.own == .milliseconds(10))
        #expect(test.finish == harness.now + .milliseconds(21 * ArrivalTest.optimism))
        #expect(harness.outcomes[refused] == .shed(shed.reason, predictedFinish: shed.predictedFinish))
        #expect(shed.reason == .hopelessOnArrival && shed.predictedFinish == test.finish)
        #expect(shed.deadline == harness.now + .milliseconds(8) && shed.requestClass == .low)
    }

    @Test func `a request that is given up in the queue is told by when it had to start`() throws {
        var harness = Self.harness(.edfPriority)
        harness.trueTime = { _ in .milliseconds(50) }
        harness.arrive(.high, due: .milliseconds(100))
        let waiting = harness.arrive(.high, due: .milliseconds(30))
        let due = harness.now + .milliseconds(30)
        harness.drain()
        let shed = try #require(Self.shed(waiting, in: harness))
        #expect(shed.reason == .hopelessInQueue && shed.deadline == due)
        #expect(shed.test == .lastStart(due - .milliseconds(10), own: .milliseconds(10)))
    }

    @Test func `without estimates it is told that its time was over`() throws {
        var harness = Self.harness(.triton)
        harness.trueTime = { _ in .milliseconds(50) }
        harness.arrive(.high, due: .milliseconds(100))
        harness.advance(by: .milliseconds(3))
        let waiting = harness.arrive(.high, due: .milliseconds(30))
        harness.drain()
        #expect(try #require(Self.shed(waiting, in: harness)).test == .expired)
    }

    @Test func `full queues are told in numbers`() throws {
        var harness = Self.harness(.fifo, models: 2, limits: SchedulerLimits(maximumWaiting: 5))
        harness.trueTime = { _ in .seconds(1) }
        harness.arrive(.low, due: .seconds(100))
        for _ in 0..<3 { harness.arrive(.low, due: .seconds(100)) }
        let model = harness.arrive(.low, due: .seconds(100))
        #expect(try #require(Self.shed(model, in: harness)).test == .modelRoom(waiting: 3, limit: 3))
        harness.arrive(.low, model: 1, due: .seconds(100))
        let all = harness.arrive(.low, model: 1, due: .seconds(100))
        #expect(try #require(Self.shed(all, in: harness)).test == .room(waiting: 4, limit: 4))
    }

    @Test func `probes say that they are, also one that no lane is left for`() throws {
        var harness = Self.harness(.edfPriority)
        harness.trueTime = { _ in .seconds(100) }
        harness.arrive(.high, due: .milliseconds(5))
        harness.advance(by: .seconds(1))
        let probe = harness.arrive(.high, due: .milliseconds(5))
        #expect(Self.staged(harness.scheduler.records(of: probe).last)?.cause == .probe)
        // It runs for long, but that it hangs takes two seconds; a new model's probe waits behind it.
        harness.step(.modelAdded(ModelDescription(maximumBatch: 1, profile: profile(8, 2, demand: nil))))
        harness.arrive(.high, model: 1, due: .milliseconds(5))
        harness.advance(by: .seconds(1.5))
        let second = harness.arrive(.high, model: 1, due: .milliseconds(5))
        harness.advance(by: .seconds(2))
        #expect(try #require(Self.shed(second, in: harness)).test == .hang)
    }

    @Test func `strait says what it weighed, and what the gate kept out`() throws {
        var harness = Self.harness(.strait, lanes: 2, models: 2)
        let first = harness.arrive(.high, model: 0, due: .milliseconds(100))
        let held = harness.arrive(.low, model: 1, due: .milliseconds(500))
        let staged = try #require(Self.staged(harness.scheduler.records(of: first).last))
        let weighing = try #require(staged.weighing)
        let chosen = weighing.options[try #require(weighing.chosen)]
        #expect(chosen.requests == [first] && chosen.rows == 1 && chosen.requestClass == .high)
        #expect(chosen.prediction == staged.prediction)
        #expect(Set(chosen.terms.map(\.name)).isSuperset(of: ["regret", "harm", "rank"]))
        guard case .waited(let waited)? = harness.scheduler.records(of: held).last?.what else {
            Issue.record("nobody weighed it")
            return
        }
        // Beside a batch that wants nine tenths of the device another gains nothing.
        #expect(waited.chosen == nil)
        #expect(waited.options.map(\.requests) == [[held]])
        #expect(waited.options[0].prediction == nil && waited.options[0].terms.isEmpty)
        // However often it looks again, that is one record.
        harness.advance(by: .milliseconds(5))
        let waits = harness.scheduler.records(of: held)
        #expect(waits.count == 1)
        guard case .waited(let last)? = waits.first?.what else { return }
        #expect(last.times > waited.times)
    }

    @Test func `strait says for whom a hopeless head was passed over, and when a floor was owed`() throws {
        var harness = Self.harness(.strait, maximumBatch: 2)
        harness.trueTime = { _ in .milliseconds(30) }
        harness.arrive(.low, due: .milliseconds(500))
        // When the lane frees at 30 ms it could be in time alone, but not in a batch of two, which takes 12 ms.
        let head = harness.arrive(.low, due: .milliseconds(40.5))
        harness.arrive(.low, due: .milliseconds(500))
        let behind = harness.arrive(.low, due: .milliseconds(500))
        harness.drain()
        let shed = try #require(Self.shed(head, in: harness))
        guard case .passedOver(let finish) = shed.test else {
            Issue.record("\(shed.test)")
            return
        }
        #expect(finish == Self.staged(harness.scheduler.records(of: behind).last)?.prediction)

        var owing = Self.harness(.strait, models: 2)
        var isOwed = false
        for _ in 0..<400 where !isOwed {
            owing.arrive(.high, model: 0, due: .milliseconds(14))
            if owing.scheduler.waiting(.low) == 0 { owing.arrive(.low, model: 1, due: .seconds(100)) }
            owing.advance(by: .milliseconds(11))
            let records = try #require(owing.scheduler.decisions).records
            isOwed = records.contains { Self.staged($0)?.cause == .floor }
        }
        #expect(isOwed)
    }

    @Test func `a ring keeps the last decisions, and none is kept where none was asked for`() throws {
        var harness = Self.harness(.edfPriority, keeping: 8)
        var requests: [RequestID] = []
        for _ in 0..<20 {
            requests.append(harness.arrive(.high, due: .milliseconds(100)))
            harness.advance(by: .milliseconds(20))
        }
        let log = try #require(harness.scheduler.decisions)
        #expect(log.records.count == 8)
        #expect(zip(log.records, log.records.dropFirst()).allSatisfy { $0.at < $1.at })
        #expect(log.oldest == log.records.first?.at)
        #expect(requests.map { harness.scheduler.records(of: $0).isEmpty } == (0..<20).map { $0 < 12 })

        var silent = Harness(policy: .strait)
        let request = silent.arrive(.high, due: .milliseconds(1))
        #expect(silent.scheduler.decisions == nil && silent.scheduler.records(of: request).isEmpty)
    }

    @Test func `whatever happens is explained, and explaining changes nothing`() {
        for seed in 0..<UInt64(35) {
            var silent = RandomRun(seed: seed, explanations: 0)
            var run = RandomRun(seed: seed, explanations: 100_000)
            silent.play()
            run.play()
            #expect(silent.harness.batches.map(\.batch) == run.harness.batches.map(\.batch), "seed \(seed)")
            #expect(silent.harness.outcomes == run.harness.outcomes, "seed \(seed)")
            for (request, outcome) in run.harness.outcomes {
                let records = run.harness.scheduler.records(of: request)
                switch outcome {
                case .cancelled: break
                case .shed(let reason, let predictedFinish):
                    guard case .shed(let shed)? = records.last?.what else {
                        Issue.record("seed \(seed): \(request) was shed, and nobody knows why")
                        return
                    }
                    #expect(shed.reason == reason && shed.predictedFinish == predictedFinish, "seed \(seed)")
                case .met, .late, .failed:
                    let staged = Self.staged(records.last)
                    #expect(staged?.members.contains { $0.request == request } == true, "seed \(seed), \(request)")
                }
            }
        }
    }
}
