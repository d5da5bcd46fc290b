// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitCore
internal import StraitFormats
internal import StraitSimulation
internal import Testing

@Suite struct SimulationRecordingTests {
    private func scenario(load: Double = 1.2) throws -> Scenario {
        var scenario = try ScenarioLibrary.scenario(named: "centre")
        scenario.load = load
        scenario.arrivals = .gamma
        scenario.duration = .seconds(1)
        scenario.warmUp = .zero
        return scenario
    }

    @Test(arguments: PolicyName.allCases) func aRecordingAgreesWithTheResult(policy: PolicyName) throws {
        var scenario = try scenario()
        scenario.devices = 2
        scenario.uplink = 30e9
        scenario.duration = .seconds(0.3)
        let (result, recording) = try Simulation.record(scenario, PolicySetup(policy), seed: 4)
        #expect(result.jsonLines == (try Simulation.run(scenario, PolicySetup(policy), seed: 4)).jsonLines)
        #expect(recording.head.policy == policy.rawValue && recording.dropped == 0)
        #expect(recording.arrivals.count == recording.answers.count)
        var counts: [Recording.Ending: Int] = [:]
        for requestClass in RequestClass.allCases {
            for (index, model) in result[requestClass].models.enumerated() {
                counts = [:]
                for answer in recording.answers {
                    let arrival = recording.arrivals[answer.arrival]
                    guard arrival.model == index, arrival.requestClass == requestClass else { continue }
                    counts[answer.ending, default: 0] += 1
                }
                let shed = counts.reduce(0) { if case .shed = $1.key { $0 + $1.value } else { $0 } }
                #expect(counts[.met, default: 0] == model.met)
                #expect(counts[.late, default: 0] == model.late)
                #expect(shed == model.shed)
            }
        }
    }

    @Test func batchesHaveTheirTimesInOrderAndTheirRequestsCounted() throws {
        let (result, recording) = try Simulation.record(scenario(), PolicySetup(.strait), seed: 4)
        #expect(recording.batches.reduce(0) { $0 + $1.met } == RequestClass.allCases.reduce(0) { $0 + result[$1].met })
        #expect(
            recording.batches.reduce(0) { $0 + $1.late } == RequestClass.allCases.reduce(0) { $0 + result[$1].late })
        var latest = Instant.zero
        for batch in recording.batches {
            let copiedIn = try #require(batch.copiedInAt)
            let kernelsDone = try #require(batch.kernelsDoneAt)
            #expect(batch.stagedAt < copiedIn && copiedIn < kernelsDone && kernelsDone <= batch.endedAt)
            #expect(batch.endedAt >= latest && batch.end == .finished)
            #expect(batch.stagedAt < batch.predictedFinish && batch.medianBound <= batch.bound95)
            #expect(batch.met + batch.late == batch.rows, "each request has one row here")
            latest = batch.endedAt
        }
        // A lane runs one batch at a time.
        for lane in 0..<4 {
            var free = Instant.zero
            for batch in recording.batches.sorted(by: { $0.stagedAt < $1.stagedAt }) where batch.lane == lane {
                #expect(batch.stagedAt >= free)
                free = batch.kernelsDoneAt ?? .never
            }
        }
        let covered = recording.batches.count { $0.endedAt <= $0.bound95 }
        #expect(Double(covered) / Double(recording.batches.count) > 0.85)
    }

    @Test func aWindowHoldsWhatCameAndRanInIt() throws {
        let window = Instant(nanoseconds: 500_000_000)..<Instant(nanoseconds: 900_000_000)
        let (_, all) = try Simulation.record(scenario(), PolicySetup(.strait), seed: 4)
        let (_, part) = try Simulation.record(scenario(), PolicySetup(.strait), seed: 4, window: window)
        #expect(part.arrivals == all.arrivals.filter { window.contains($0.at) })
        #expect(part.answers.count == part.arrivals.count && !part.answers.isEmpty)
        #expect(
            part.batches == all.batches.filter { $0.endedAt >= window.lowerBound && $0.stagedAt < window.upperBound })
        #expect(part.batches.count < all.batches.count)
    }

    @Test func aRecordingOfASimulationReadsBack() throws {
        let (_, recording) = try Simulation.record(scenario(), PolicySetup(.edfPriority), seed: 2)
        let path = "/tmp/strait-recording-\(getpid()).jsonl"
        defer { unlink(path) }
        try recording.write(to: path)
        #expect(try Recording(path: path) == recording)
    }
}
