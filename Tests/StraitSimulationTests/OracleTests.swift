// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitSimulation
internal import Synchronization
internal import Testing

/// The oracle knows when batches end, noise and all, as long as nothing else is staged.
@Suite struct OracleTests {
    /// Batches in the order of their staging: when each was expected to end, and when it did.
    private func ends(_ policy: PolicyName, _ trace: [Arrival], seed: UInt64) throws
        -> [(staged: Instant, predicted: Instant, ended: Instant)]
    {
        var scenario = ScenarioLibrary.centre
        scenario.trace = trace
        scenario.duration = .seconds(10)
        scenario.warmUp = .zero
        let seen = Mutex<[(batch: BatchID, staged: Instant, predicted: Instant, ended: Instant)]>([])
        _ = try Simulation.run(scenario, PolicySetup(policy), seed: seed) { now, event, actions in
            seen.withLock { seen in
                for case .stage(let batch) in actions.actions {
                    seen.append((batch.batch, now, batch.predictedFinish, .never))
                }
                if case .finished(let batch, _) = event, let index = seen.firstIndex(where: { $0.batch == batch }) {
                    seen[index].ended = now
                }
            }
            return nil
        }
        return seen.withLock { $0.map { ($0.staged, $0.predicted, $0.ended) } }
    }

    /// Six requests at about the same time, one of each model, each second.
    private let bursts: [Arrival] = (0..<54).map { (index: Int) -> Arrival in
        let model = index % 6
        let offset = Int64(index / 6 + 1) * 1_000_000_000 + Int64(model) * 50_000
        let at = Instant(nanoseconds: offset)
        return Arrival(at: at, model: model, model % 2 == 0 ? .high : .low, deadline: .seconds(1), rows: 4)
    }

    @Test(arguments: [UInt64(1), 2, 3]) func `what is staged last ends exactly when it should`(seed: UInt64) throws {
        let ends = try ends(.oracle, bursts, seed: seed)
        #expect(ends.count == 54)
        for (index, end) in ends.enumerated() {
            let next = index + 1 < ends.count ? ends[index + 1].staged : .never
            // Nothing was staged while it ran.
            if next >= end.ended { #expect(end.predicted == end.ended) }
            #expect(end.predicted <= end.ended)
        }
        #expect(ends.count { $0.predicted == $0.ended } >= 9)
        // Those who only predict are a little off each time.
        let predicted = try self.ends(.strait, bursts, seed: seed)
        #expect(predicted.allSatisfy { $0.predicted != $0.ended })
    }

    @Test func `one after the other, all are exact`() throws {
        let trace: [Arrival] = (0..<54).map { (index: Int) -> Arrival in
            let at = Instant(nanoseconds: Int64(150 * index + 100) * 1_000_000)
            return Arrival(at: at, model: index % 6, index % 2 == 0 ? .high : .low, deadline: .seconds(1), rows: 8)
        }
        for end in try ends(.oracle, trace, seed: 4) { #expect(end.predicted == end.ended) }
    }
}
