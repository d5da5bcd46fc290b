// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// What the preempting rivals decide, and what the core makes of batches that were stopped. Batches take 10 ms.
@Suite struct PreemptingTests {
    private func harness(_ policy: PolicyName, lanes: [Int] = [2], copies: Bool = false, canStop: Bool = true)
        -> Harness
    {
        let models = [ModelDescription(maximumBatch: 4), ModelDescription(maximumBatch: 4)]
        var harness = Harness(policy: policy, lanes: lanes, models: models, copies: copies, canStop: canStop)
        harness.teach(model: 0, time: .milliseconds(10))
        harness.teach(model: 1, time: .milliseconds(10))
        return harness
    }

    private func words(_ harness: Harness) -> [String] {
        harness.stops.map { stop in
            switch stop.action {
            case .pause: "pause"
            case .resume: "resume"
            default: "kill"
            }
        }
    }

    // -- pausing --------------------------------------------------------------------------------------------------

    @Test func `a low batch is paused while a high one runs, and takes as much longer`() {
        var harness = harness(.preemptLevel1)
        let start = harness.now
        let low = harness.arrive(.low, due: .seconds(1))
        harness.advance(by: .milliseconds(4))
        let high = harness.arrive(.high, model: 1, due: .seconds(1))
        #expect(words(harness) == ["pause"])
        harness.drain()
        #expect(words(harness) == ["pause", "resume"])
        #expect(harness.answeredAt[high] == start + .milliseconds(14))
        #expect(harness.answeredAt[low] == start + .milliseconds(20))
    }

    @Test func `no low batch starts while a high request waits or runs`() {
        var harness = harness(.preemptLevel1)
        harness.arrive(.high, due: .seconds(1))
        let before = harness.batches.count
        harness.arrive(.low, model: 1, due: .seconds(1))
        #expect(harness.batches.count == before)
        harness.advance(by: .milliseconds(10))
        #expect(harness.batches.count == before + 1)
    }

    @Test func `low batches leave a lane to high ones, for they keep theirs while they are paused`() {
        var harness = harness(.preemptLevel1, lanes: [3])
        let before = harness.batches.count
        for model in [0, 1, 0] { harness.arrive(.low, model: model, due: .seconds(1)) }
        #expect(harness.batches.count == before + 2)
        harness.arrive(.high, due: .seconds(1))
        #expect(harness.batches.count == before + 3 && words(harness) == ["pause", "pause"])
        harness.drain()
        #expect(harness.outcomes.values.allSatisfy { $0 == .met })
    }

    @Test func `with one lane nothing is paused: it would be for nobody`() {
        var harness = harness(.preemptLevel1, lanes: [1])
        harness.arrive(.low, due: .seconds(1))
        harness.arrive(.high, due: .seconds(1))
        harness.drain()
        #expect(harness.stops.isEmpty && harness.outcomes.values.allSatisfy { $0 == .met })
    }

    @Test func `only a batch that runs is paused, so one that is copied in is paused when that is done`() {
        var harness = harness(.preemptLevel1, copies: true)
        harness.arrive(.low, due: .seconds(1))
        harness.arrive(.high, model: 1, due: .seconds(1))
        #expect(harness.stops.isEmpty)
        harness.advance(by: .milliseconds(2))
        #expect(words(harness) == ["pause"] && harness.batches.last?.batch.model.index == 1)
    }

    @Test func `a paused batch is not taken for hung, and one that goes on is later`() {
        var harness = harness(.preemptLevel1)
        harness.arrive(.low, due: .seconds(1000))
        harness.trueTime = { _ in .seconds(10) }
        harness.advance(by: .milliseconds(4))
        harness.arrive(.high, model: 1, due: .seconds(1000))
        harness.advance(by: .seconds(9))
        // The high one hangs by now; what waits for its end does not.
        let records = harness.scheduler.state.batches.records.filter(\.isLive)
        #expect(records.filter { $0.phase == .paused && !$0.isHung }.count == 1)
        #expect(records.filter(\.isHung).count == 1)
        harness.drain()
        #expect(harness.broken == nil && harness.outcomes.values.allSatisfy { $0 == .met })
    }

    @Test func `nothing is learned from what was paused`() {
        var harness = harness(.preemptLevel1)
        let work = WorkShape(model: ModelID(index: 0), elementsPerRow: 1)
        let before = harness.scheduler.expectedTime(work, rows: 1)
        harness.arrive(.low, due: .seconds(1))
        harness.trueTime = { _ in .milliseconds(50) }
        harness.advance(by: .milliseconds(4))
        harness.arrive(.high, model: 1, due: .seconds(1))
        harness.advance(by: .milliseconds(57))
        #expect(harness.scheduler.expectedTime(work, rows: 1) == before)
        #expect(harness.scheduler.state.batches.liveCount == 0)
        // What ran undisturbed is learned from.
        harness.arrive(.low, due: .seconds(1))
        harness.drain()
        #expect(harness.scheduler.expectedTime(work, rows: 1) > before)
    }

    @Test func `what is paused is not predicted to progress`() {
        var harness = harness(.preemptLevel1)
        harness.arrive(.low, due: .seconds(1))
        harness.advance(by: .milliseconds(4))
        harness.arrive(.high, model: 1, due: .seconds(1))
        let state = harness.scheduler.state
        var predictor = Predictor()
        let device = DeviceID(index: 0)
        predictor.load(state, device, at: harness.now)
        let early = predictor.alone
        predictor.load(state, device, at: harness.now + .milliseconds(5))
        #expect((early[0] - early[1] - 6e6).magnitude < 1e6)
        #expect((predictor.alone[0] - predictor.alone[1] - 6e6).magnitude < 1e6)
        #expect((early[1] - predictor.alone[1] - 5e6).magnitude < 1)
    }

    // -- killing --------------------------------------------------------------------------------------------------

    @Test func `a high request on full lanes kills all low batches, starts at once, and they start over`() {
        var harness = harness(.preemptReset)
        let start = harness.now
        let lows = [0, 1].map { harness.arrive(.low, model: $0, due: .seconds(1)) }
        harness.advance(by: .milliseconds(9))
        let high = harness.arrive(.high, due: .seconds(1))
        #expect(words(harness) == ["kill", "kill"])
        harness.advance(by: .microseconds(50))
        #expect(harness.batches.last?.members == [high] && harness.killed.count == 2)
        harness.drain()
        #expect(harness.answeredAt[high] == start + .microseconds(19_050))
        for low in lows { #expect(harness.answeredAt[low] == start + .microseconds(29_050)) }
        #expect(harness.outcomes.values.allSatisfy { $0 == .met })
    }

    @Test func `a high request that finds a lane takes it, and the low batch beside it is killed`() {
        var harness = harness(.preemptReset)
        harness.arrive(.low, due: .seconds(1))
        harness.advance(by: .milliseconds(2))
        let high = harness.arrive(.high, model: 1, due: .seconds(1))
        #expect(harness.batches.last?.members == [high] && words(harness) == ["kill"])
    }

    @Test func `killed requests wait at their old places`() {
        var harness = harness(.preemptReset, lanes: [1])
        let early = harness.arrive(.low, due: .milliseconds(100))
        let late = harness.arrive(.low, due: .milliseconds(300))
        let later = harness.arrive(.low, due: .milliseconds(300))
        harness.advance(by: .milliseconds(1))
        harness.arrive(.high, model: 1, due: .seconds(1))
        harness.advance(by: .milliseconds(1))
        #expect(harness.killed.count == 1 && harness.scheduler.waiting(.low) == 3)
        harness.advance(by: .milliseconds(10))
        #expect(harness.batches.last?.members.first == early)
        harness.drain()
        let order = harness.batches.flatMap(\.members).filter { [early, late, later].contains($0) }
        #expect(order == [early, early, late, later])
    }

    @Test func `a high request is not refused because low batches hold the lanes`() {
        var harness = harness(.preemptReset, lanes: [1])
        harness.trueTime = { _ in .milliseconds(40) }
        harness.teach(model: 0, time: .milliseconds(40))
        harness.arrive(.low, due: .seconds(1))
        harness.advance(by: .milliseconds(1))
        harness.trueTime = { _ in .milliseconds(10) }
        let high = harness.arrive(.high, model: 1, due: .milliseconds(12))
        harness.drain()
        #expect(harness.outcomes[high] == .met)
    }

    @Test func `what is done before it was killed is done`() {
        var harness = harness(.preemptReset, lanes: [1])
        let low = harness.arrive(.low, due: .seconds(1))
        harness.advance(by: .microseconds(9_980))
        harness.arrive(.high, model: 1, due: .seconds(1))
        #expect(words(harness) == ["kill"])
        harness.drain()
        #expect(harness.killed.isEmpty && harness.outcomes[low] == .met)
        #expect(harness.batches.filter { $0.members.contains(low) }.count == 1)
    }

    @Test func `who is cancelled while his batch is killed does not come back`() {
        var harness = harness(.preemptReset, lanes: [1])
        let low = harness.arrive(.low, due: .seconds(1))
        harness.advance(by: .milliseconds(1))
        harness.arrive(.high, model: 1, due: .seconds(1))
        harness.step(.cancelled(low))
        harness.drain()
        #expect(harness.outcomes[low] == .cancelled && harness.killed.count == 1)
        #expect(harness.scheduler.waiting(.low) == 0)
    }

    @Test(arguments: [PolicyName.preemptLevel1, .preemptReset])
    func `devices that cannot are not asked to`(policy: PolicyName) {
        var harness = harness(policy, canStop: false)
        for model in [0, 1] { harness.arrive(.low, model: model, due: .seconds(1)) }
        harness.arrive(.high, due: .seconds(1))
        harness.drain()
        #expect(harness.stops.isEmpty && harness.outcomes.values.allSatisfy { $0 == .met })
    }

    @Test func `a server runs all but those that need the simulator`() {
        #expect(Set(PolicyName.allCases).subtracting(PolicyName.live) == [.preemptLevel1, .preemptReset, .oracle])
    }
}
