// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// With foresight the scheduler predicts what it is told, and the policy stays as it is.
@Suite struct ForesightTests {
    /// Says that each batch on a device ends after 7 ms and a candidate after 7 ms for each of its rows.
    private struct Told: Foresight {
        var staged: [BatchID] = []

        func appendFinishes(of batches: [BatchID], beside candidate: ForeseenBatch?, to finishes: inout [Double]) {
            for _ in batches { finishes.append(7e6) }
            if let candidate { finishes.append(7e6 * Double(candidate.rows)) }
        }

        mutating func stage(_ batch: BatchID, _ staged: ForeseenBatch) { self.staged.append(batch) }
    }

    @Test func `what is told takes the place of predictions, as long as it is there`() {
        var harness = Harness(policy: .oracle, lanes: [2], models: [.init(maximumBatch: 1)])
        harness.teach(time: .milliseconds(10))
        harness.scheduler.foresee(Told())
        harness.arrive(.high, due: .seconds(1))
        #expect(harness.batches.last?.batch.predictedFinish == harness.now + .milliseconds(7))
        let told = harness.scheduler.state.foresight as? Told
        #expect(told?.staged == harness.batches.last.map { [$0.batch.batch] })
        harness.scheduler.foresee(nil)
        harness.drain()
        harness.arrive(.high, due: .seconds(1))
        let predicted = harness.batches.last.map { $0.batch.predictedFinish - $0.at } ?? .zero
        #expect((9.0...11).contains(predicted.milliseconds))
    }

    @Test func `a candidate and what is beside it are foreseen`() {
        var harness = Harness(policy: .strait, lanes: [2], models: [.init(maximumBatch: 8)])
        harness.arrive(.high, due: .seconds(1))
        harness.scheduler.foresee(Told())
        var predictor = Predictor()
        predictor.load(harness.scheduler.state, DeviceID(index: 0), at: harness.now)
        var candidate = Predictor.Candidate(
            copyIn: 0, work: 1e6, demand: Demand(compute: 0, bandwidth: 0, cache: 0), copyOut: 0)
        candidate.batch = ForeseenBatch(
            device: DeviceID(index: 0), model: ModelID(index: 0), rows: 3, first: RequestID(slot: 0, generation: 0))
        #expect(predictor.finish(of: candidate) == 21e6)
        #expect(predictor.alone == [7e6] && predictor.beside == [7e6])
    }
}
