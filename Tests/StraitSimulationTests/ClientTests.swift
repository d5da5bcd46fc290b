// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitSimulation
internal import Testing
internal import VirtualAccelerator

/// Clients that wait for their answers.
@Suite struct ClientTests {
    private func scenario(_ groups: [ClientGroup], seconds: Double = 2) -> Scenario {
        var scenario = ScenarioLibrary.centre
        scenario.load = 0
        scenario.closedLoop = groups
        scenario.duration = .seconds(seconds)
        scenario.warmUp = .zero
        return scenario
    }

    @Test func `one client alone sends as soon as it is answered`() throws {
        var scenario = scenario([ClientGroup(model: 3, .high, clients: 1)])
        scenario.noise = .none
        let solo = scenario.models[3].soloTime(rows: 1, over: scenario.link)
        let result = try Simulation.run(scenario, PolicySetup(.fifo), seed: 1)
        #expect(result[.high].met == Int(2 / solo.seconds) + 1)
        #expect(result[.high].arrivals == result[.high].met && result[.low].arrivals == 0)
        scenario.closedLoop[0].think = .milliseconds(50) - solo
        // It thinks the rest of 50 ms; nanoseconds that are rounded up add up to less than one more.
        #expect(try Simulation.run(scenario, PolicySetup(.fifo), seed: 1)[.high].met == 40)
    }

    /// Of each policy that answers everybody.
    @Test(arguments: [PolicyName.fifo, .edfPriority, .strait], [0.0, 7.5])
    func `clients are their rate times the time that each takes (Little)`(policy: PolicyName, think: Double) throws {
        var scenario = scenario([ClientGroup(model: 4, .low, clients: 12, think: .milliseconds(think))])
        scenario.deadlineFactor.low = 1000...1000
        let low = try Simulation.run(scenario, PolicySetup(policy), seed: 3)[.low]
        #expect(low.arrivals > 1000 && low.met == low.arrivals)
        let rate = Double(low.arrivals) / scenario.duration.seconds
        let time = try #require(low.latency.mean).seconds + think / 1000
        #expect((rate * time / 12 - 1).magnitude < 0.01, "\(rate * time)")
    }

    @Test func `who is refused does not send again at once`() throws {
        var scenario = scenario([ClientGroup(model: 3, .low, clients: 5)], seconds: 1)
        scenario.deadlineFactor.low = 0.01...0.01
        let low = try Simulation.run(scenario, PolicySetup(.edfPriority), seed: 1)[.low]
        // Each waits a batch of one row: 2.25 ms, 25 µs for 604 kB, and twice 12 µs.
        #expect(low.shed == low.arrivals && low.met == 0)
        #expect(low.arrivals == 5 * (Int(1 / 0.002_299_167) + 1))
    }

    @Test func `clients come beside other requests, which stay as they were`() throws {
        var scenario = scenario([ClientGroup(model: 0, .low, clients: 4)])
        scenario.load = 0.5
        let drawn = scenario.arrivals(seed: 4)
        let result = try Simulation.run(scenario, PolicySetup(.strait), seed: 4, stepsBetweenInspections: 500)
        #expect(result[.high].arrivals == drawn.filter { $0.requestClass == .high }.count)
        let others = drawn.filter { $0.requestClass == .low && $0.model == 0 }.count
        #expect(result[.low].models[0].arrivals > others + 500)
        #expect(result[.low].models[1].arrivals == drawn.filter { $0.requestClass == .low && $0.model == 1 }.count)
    }

    @Test func `clients of a model that joins begin with it, and it is learned`() throws {
        var scenario = scenario([ClientGroup(model: 5, .high, clients: 2)], seconds: 3)
        scenario.models[5].isProfiled = false
        let whole = try Simulation.run(scenario, PolicySetup(.strait), seed: 1)[.high].arrivals
        scenario.models[5].joins = .share(1.0 / 3)
        let result = try Simulation.run(scenario, PolicySetup(.strait), seed: 1, stepsBetweenInspections: 10)
        let share = Double(result[.high].arrivals) / Double(whole)
        #expect((share - 2.0 / 3).magnitude < 0.02, "\(result[.high].arrivals) of \(whole)")
        #expect(result[.high].violation < 0.1)
    }

    @Test(arguments: [PolicyName.strait, .edfPriority, .triton, .fifo])
    func `the same seed gives the same bytes, on one thread or on several`(policy: PolicyName) async throws {
        var base = scenario([
            ClientGroup(model: 4, .low, clients: 8), ClientGroup(model: 1, .high, clients: 3, think: .milliseconds(4)),
        ])
        base.load = 0.4
        base.deadlineFactor.high = 2...6
        let scenario = base
        let lines = try Simulation.run(scenario, PolicySetup(policy), seed: 5).jsonLines
        let others = await withTaskGroup(of: String?.self) { group in
            for seed in [UInt64(5), 6, 5] {
                group.addTask { try? Simulation.run(scenario, PolicySetup(policy), seed: seed).jsonLines }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(others.filter { $0 == lines }.count == 2 && !others.contains(nil))
    }
}

@Suite struct DeadlineTests {
    @Test func `deadlines are drawn evenly from their range, and arrivals stay as they were`() throws {
        let fixed = try ScenarioLibrary.scenario(named: "deadline-2-6").arrivals(seed: 7)
        let scenario = try ScenarioLibrary.scenario(named: "deadline-random")
        let drawn = scenario.arrivals(seed: 7)
        #expect(drawn.map(\.at) == fixed.map(\.at) && drawn.map(\.model) == fixed.map(\.model))
        #expect(drawn == scenario.arrivals(seed: 7))
        for requestClass in RequestClass.allCases {
            let factors = drawn.filter { $0.requestClass == requestClass && $0.model == 0 }.map {
                $0.deadline.seconds / scenario.deadline(of: 0, factor: 1).seconds
            }
            #expect(factors.allSatisfy { $0 > 1.999 && $0 < 6.001 })
            let mean = factors.reduce(0, +) / Double(factors.count)
            let variance = factors.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(factors.count)
            // Of a uniform number between 2 and 6: mean 4, variance 4² / 12.
            #expect((mean - 4).magnitude < 0.06 && (variance - 16.0 / 12).magnitude < 0.06)
        }
    }
}
