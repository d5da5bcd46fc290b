// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitProtocol
internal import Testing

@testable internal import StraitServing

/// What is counted by second, and what a look at the engine tells.
@Suite struct TrafficWindowTests {
    private let model = ModelID(index: 0)

    private func window() -> TrafficWindow {
        var window = TrafficWindow(lanes: [2, 1], at: .zero)
        window.add(model)
        return window
    }

    @Test func `counts leave the window second by second`() {
        var window = window()
        for second in 0..<30 {
            window.count(model, .high, at: .zero + .seconds(Double(second) + 0.5)) { $0.arrived += 1 }
        }
        let now = Instant.zero + .seconds(29.75)
        let (counts, _, since) = window.sums(ofLast: 5, at: now)
        #expect(counts[0].arrived == 6 && counts[1].arrived == 0)
        #expect(now - since == .seconds(5.75))
        #expect(window.sums(ofLast: 99, at: now).counts[0].arrived == 16)
        // Nothing came for long: all is gone, however long that was.
        #expect(window.sums(ofLast: 15, at: now + .seconds(1000)).counts[0].arrived == 0)
    }

    @Test func `a young server has a short window`() {
        var window = window()
        window.count(model, .low, at: .zero + .seconds(0.5)) { $0.met += 1 }
        let (counts, _, since) = window.sums(ofLast: 5, at: .zero + .seconds(1))
        #expect(counts[1].met == 1 && since == .zero)
    }

    @Test func `busy time is shared by the seconds that it spans`() {
        var window = window()
        window.noteBusy(DeviceID(index: 1), LaneID(index: 0), from: .zero + .seconds(1.5), to: .zero + .seconds(3.25))
        let place = window.place(of: DeviceID(index: 1), LaneID(index: 0))
        #expect(place == 2)
        #expect(window.sums(ofLast: 1, at: .zero + .seconds(3.5)).busy[place] == 1_250_000_000)
        #expect(window.sums(ofLast: 9, at: .zero + .seconds(3.5)).busy[place] == 1_750_000_000)
    }

    @Test func `a clock before its epoch is no matter`() {
        var window = TrafficWindow(lanes: [1], at: Instant(nanoseconds: -2_500_000_000))
        window.add(model)
        window.count(model, .high, at: Instant(nanoseconds: -2_400_000_000)) { $0.late += 1 }
        #expect(window.sums(ofLast: 5, at: Instant(nanoseconds: -100_000_000)).counts[0].late == 1)
    }

    @Test func `a number that another model gets starts anew`() {
        var window = window()
        window.count(model, .high, at: .zero) { $0.met += 1 }
        window.add(ModelID(index: 1))
        #expect(window.sums(ofLast: 5, at: .zero).counts[0].met == 1)
        window.add(model)
        #expect(window.sums(ofLast: 5, at: .zero).counts[0].met == 0)
    }

    // -- a look ---------------------------------------------------------------------------------------------------

    @Test func `a look tells what runs, what waits and how all fared`() throws {
        let fixture = try DecisionFixture(lanes: 2)
        for number in 1...3 {
            try fixture.submit(number, due: 15)
            fixture.finish(after: number == 3 ? 20 : 10)
        }
        try fixture.submit(4, .low, due: 500)
        try fixture.submit(5, due: 500)
        try fixture.submit(6, .low, due: 800)
        fixture.advance(4)
        let look = fixture.engine.snapshot(seconds: 5)
        let (high, low) = (look.classes[0], look.classes[1])
        #expect(high.counts.arrived == 4 && high.counts.met == 2 && high.counts.late == 1)
        #expect(low.counts.arrived == 2 && low.waiting == 1 && high.waiting == 0)
        #expect(low.oldest == fixture.clock.now() - .milliseconds(4) && high.oldest == nil)
        #expect(high.running == 1 && low.running == 1)
        let lanes = look.devices[0].lanes
        #expect(lanes.compactMap(\.batch).map(\.requestClass) == [.low, .high])
        #expect(lanes.allSatisfy { $0.busy > 0 && $0.busy <= 1 })
        #expect(
            lanes[0].batch?.predictedFinish == lanes[0].batch.map { $0.stagedAt + .milliseconds(10) }
                || lanes[0].busy > 0)
        #expect(look.models[0].latencies.sorted() == [.milliseconds(10), .milliseconds(10), .milliseconds(20)])
        #expect(look.remembered == 6 && look.capacity == 64)
    }

    @Test func `a look at an engine that remembers nothing has rates all the same`() throws {
        let fixture = try DecisionFixture(decisions: 0)
        try fixture.submit(1)
        fixture.finish(after: 5)
        let look = fixture.engine.snapshot(seconds: 5)
        #expect(look.classes[0].counts.met == 1 && look.models[0].latencies.isEmpty && look.capacity == 0)
    }
}
