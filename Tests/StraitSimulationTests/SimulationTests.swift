// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitSimulation
internal import Testing
internal import VirtualAccelerator

@Suite struct SimulationTests {
    private func scenario(
        _ kind: ArrivalKind = .poisson, load: Double = 1, seconds: Double = 4, change: Change = .none
    ) throws -> Scenario {
        var scenario = try ScenarioLibrary.scenario(named: "centre")
        scenario.arrivals = kind
        scenario.load = load
        scenario.duration = .seconds(seconds)
        scenario.warmUp = .seconds(min(1, seconds / 4))
        scenario.change = change
        return scenario
    }

    @Test(arguments: PolicyName.allCases) func theSameSeedGivesTheSameBytes(policy: PolicyName) throws {
        let scenario = try scenario(seconds: 1.5)
        let first = try Simulation.run(scenario, PolicySetup(policy), seed: 5)
        #expect(first.jsonLines == (try Simulation.run(scenario, PolicySetup(policy), seed: 5)).jsonLines)
        #expect(first.jsonLines != (try Simulation.run(scenario, PolicySetup(policy), seed: 6)).jsonLines)
    }

    @Test(arguments: PolicyName.allCases, ArrivalKind.allCases)
    func everyRequestIsAccountedForWhateverTheLoad(policy: PolicyName, kind: ArrivalKind) throws {
        for (load, physics) in [(0.5, Physics.waterfill), (1.5, .threshold)] {
            var scenario = try scenario(kind, load: load, seconds: 1)
            scenario.physics = physics
            let result = try Simulation.run(scenario, PolicySetup(policy), seed: 1, stepsBetweenInspections: 2000)
            for requestClass in RequestClass.allCases {
                let counted = scenario.arrivals(seed: 1).filter {
                    $0.requestClass == requestClass && $0.at >= .zero + scenario.warmUp
                }
                let of = result[requestClass]
                #expect(of.arrivals == counted.count)
                #expect(of.met + of.late + of.shed == of.arrivals)
                for (index, model) in of.models.enumerated() {
                    #expect(model.arrivals == counted.filter { $0.model == index }.count)
                    #expect(model.met + model.late + model.shed == model.arrivals)
                }
            }
        }
    }

    @Test(arguments: Change.allCases) func changesOnTheWayAndSeveralDevicesBreakNothing(change: Change) throws {
        var scenario = try scenario(.gamma, change: change)
        scenario.devices = 3
        scenario.uplink = 30e9
        let result = try Simulation.run(scenario, PolicySetup(.edfPriority), seed: 2)
        #expect(result[.high].met > 0)
    }

    @Test func almostNothingIsMissedOnAnIdleDeviceAndLatencyIsTheSoloTime() throws {
        var scenario = try scenario(load: 0.02, seconds: 60)
        scenario.noise = .none
        let result = try Simulation.run(scenario, PolicySetup(.edfPriority, lanes: 1), seed: 1)
        #expect(result[.high].violation < 0.01 && result[.low].violation < 0.01)
        // Most requests are ResNet-50's, BERT's and the like, which take 1.0 to 2.5 ms alone.
        let median = try #require(result[.high].latency.p50).milliseconds
        #expect((1.0...2.5).contains(median))
    }

    @Test func moreLoadMissesMore() throws {
        let light = try Simulation.run(scenario(load: 0.5), PolicySetup(.edfPriority), seed: 1)
        let heavy = try Simulation.run(scenario(load: 1.5), PolicySetup(.edfPriority), seed: 1)
        #expect(heavy[.low].violation > light[.low].violation + 0.1)
    }

    @Test func aSlowerClockMissesMore() throws {
        let steady = try Simulation.run(scenario(load: 0.9, seconds: 6), PolicySetup(.edfPriority), seed: 1)
        let slowed = try Simulation.run(
            scenario(load: 0.9, seconds: 6, change: .clock), PolicySetup(.edfPriority), seed: 1)
        #expect(slowed[.low].violation > steady[.low].violation)
    }

    @Test func resultLinesHaveThePromisedKeysInTheirOrder() throws {
        let result = try Simulation.run(scenario(seconds: 2), PolicySetup(.edfPriority), seed: 3)
        let lines = result.jsonLines.split(separator: "\n")
        #expect(lines.count == 2)
        for (line, name) in zip(lines, ["high", "low"]) {
            #expect(
                line.hasPrefix(
                    "{\"scenario\":\"centre\",\"policy\":\"edf-priority\",\"seed\":3,\"class\":\"\(name)\",\"arrivals\":"
                ))
            var rest = line[...]
            for key in [
                "arrivals", "met", "late", "shed", "violation", "p50_ms", "p95_ms", "p99_ms", "jain",
                "worst_model_violation", "load", "arrival_process", "models", "coverage_p95", "coverage_p99", "width",
            ] {
                let position = rest.range(of: "\"\(key)\":")
                #expect(position != nil, "\(key) is missing or out of order")
                rest = position.map { rest[$0...] } ?? rest
            }
        }
    }

    @Test func whatMakesNoSenseIsRefusedWithAReason() {
        #expect(throws: SimulationError.self) { try ScenarioLibrary.scenario(named: "center") }
        #expect(throws: SimulationError.self) { try PolicySetup(named: "edf-priorty") }
        #expect(throws: SimulationError.self) { try PolicySetup(named: "fifo", lanes: 0) }
        #expect(throws: SimulationError.self) {
            var scenario = try ScenarioLibrary.scenario(named: "centre")
            scenario.duration = .seconds(4)
            return try Simulation.run(scenario, PolicySetup(.fifo), seed: 0)
        }
        #expect(throws: SimulationError.self) {
            // Each of these is possible alone; together they are 900 million requests.
            var scenario = try ScenarioLibrary.scenario(named: "centre")
            scenario.load = 100
            scenario.devices = 64
            scenario.duration = .seconds(100)
            return try Simulation.run(scenario, PolicySetup(.fifo), seed: 0)
        }
    }
}

extension Substring {
    /// Where a text is found first, from there on.
    fileprivate func range(of text: String) -> Substring.Index? {
        indices.first { self[$0...].hasPrefix(text) }
    }
}

@Suite struct SweepTests {
    @Test func seedsAreNumbersAndRanges() throws {
        #expect(try Sweep.seeds("1000-1004") == [1000, 1001, 1002, 1003, 1004])
        #expect(try Sweep.seeds("3,7-8") == [3, 7, 8])
    }

    @Test(arguments: ["", "a", "5-3", "1-", "1-2-3", "0-99999999", "1,,2", "-1", "0-9999,20000"])
    func otherSeedsAreRefused(text: String) {
        #expect(throws: SimulationError.self) { try Sweep.seeds(text) }
    }

    @Test func summariesAreMeansOverSeedsByScenarioAndPolicy() throws {
        var scenario = try ScenarioLibrary.scenario(named: "centre")
        scenario.duration = .seconds(2)
        scenario.warmUp = .seconds(1)
        var busier = scenario
        busier.load = 1.4
        let sweep = Sweep(
            scenarios: [scenario, busier], setups: [PolicySetup(.fifo), PolicySetup(.edfPriority)], seeds: [1, 2])
        let results = try sweep.runs.map { try $0.result() }
        let summaries = sweep.summaries(of: results)
        #expect(summaries.map(\.setup.name) == ["fifo", "edf-priority", "fifo", "edf-priority"])
        #expect(summaries.map(\.scenario.load) == [1, 1, 1.4, 1.4])
        let mean = (results[6][.low].violation + results[7][.low].violation) / 2
        #expect(abs(summaries[3].low - mean) < 1e-12)
    }
}
