// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitSimulation
internal import Testing
internal import VirtualAccelerator

/// Single requests on devices without noise, whose times one can work out on paper.
@Suite struct HandCalculationTests {
    /// Centre without chance.
    private func quiet() -> Scenario {
        var scenario = ScenarioLibrary.centre
        scenario.noise = .none
        scenario.profileError.time = 0
        scenario.profileError.demand = 0
        scenario.duration = .seconds(10)
        scenario.warmUp = .zero
        return scenario
    }

    /// How long a request of a model takes, in milliseconds, that is high and comes at a time, in seconds; beside one of
    /// another model at the same time that is low, or none.
    private func latency(
        _ scenario: Scenario, model: Int = 3, at time: Double = 5, beside other: Int? = nil, rows: Int = 8
    ) throws -> Double {
        var scenario = scenario
        let at = Instant.zero + .seconds(time)
        scenario.trace = [Arrival(at: at, model: model, .high, deadline: .seconds(1), rows: rows)]
        if let other { scenario.trace?.append(Arrival(at: at, model: other, .low, deadline: .seconds(1), rows: rows)) }
        let result = try Simulation.run(scenario, PolicySetup(.edfPriority, lanes: 1), seed: 1)
        #expect(result[.high].met == 1)
        return try #require(result[.high].latency.p50).milliseconds
    }

    /// Nanoseconds are rounded up, once for each of up to eight phases and twice for each copy.
    private static let rounding = 12e-6

    @Test(arguments: 0..<6) func `alone a request takes what its profile and its copies say`(model: Int) throws {
        let scenario = quiet()
        for rows in [1, 8] {
            let expected = scenario.models[model].soloTime(rows: rows, over: scenario.link).milliseconds
            let measured = try latency(scenario, model: model, rows: rows)
            #expect((0...Self.rounding).contains(measured - expected), "\(measured) instead of \(expected)")
        }
        // On paper: eight rows of ViT-B/16 are 9.6 ms, 4.8 MB in and 32 kB out at 24 GB/s, and twice 12 µs.
        #expect(try (latency(scenario) - (9.6 + 4.832 / 24 + 0.024)).magnitude < Self.rounding)
    }

    /// What ViT-B/16 takes when its kernels run at a clock.
    private func expected(clock: Double) -> Double { 9.6 / clock + 4.832 / 24 + 0.024 }

    @Test func `a clock changes at its time and on its device`() throws {
        var scenario = quiet()
        scenario.devices = 2
        scenario.changes = [.clock(factor: 0.5, at: .seconds(5), device: 0), .clock(factor: 0.8, at: .share(0.9))]
        #expect(try (latency(scenario, at: 1) - expected(clock: 1)).magnitude < Self.rounding)
        #expect(try (latency(scenario, at: 6) - expected(clock: 0.5)).magnitude < Self.rounding)
        // Half of the kernels before the change: copies in take 0.212 ms.
        #expect(try (latency(scenario, at: 5 - 0.000_212 - 0.0048) - 1.5 * 9.6 - 4.832 / 24 - 0.024).magnitude < 2e-5)
        #expect(try (latency(scenario, at: 9.5) - expected(clock: 0.8)).magnitude < Self.rounding)
        scenario.changes = [.clock(factor: 0.5, at: .seconds(5), device: 1)]
        #expect(try (latency(scenario, at: 6) - expected(clock: 1)).magnitude < Self.rounding)
    }

    @Test func `throttling is a ramp from the clock that there was`() throws {
        var scenario = quiet()
        scenario.changes = [
            .clock(factor: 0.9, at: .seconds(1)), .throttle(factor: 0.5, from: .share(0.2), until: .seconds(6)),
        ]
        #expect(try (latency(scenario, at: 1.9) - expected(clock: 0.9)).magnitude < Self.rounding)
        // Steps of a fiftieth every fifth of a second; each holds from its end on.
        #expect(try (latency(scenario, at: 4.05) - expected(clock: 0.7)).magnitude < Self.rounding)
        #expect(try (latency(scenario, at: 9) - expected(clock: 0.5)).magnitude < Self.rounding)
    }

    @Test func `a model that becomes slower, and a neighbour while it is there`() throws {
        var scenario = quiet()
        scenario.changes = [.model(3, factor: 1.5, at: .seconds(5)), .model(3, factor: 0.5, at: .seconds(8))]
        #expect(try (latency(scenario, at: 4) - expected(clock: 1)).magnitude < Self.rounding)
        #expect(try (latency(scenario, at: 6) - expected(clock: 1 / 1.5)).magnitude < Self.rounding)
        #expect(try (latency(scenario, at: 9) - expected(clock: 2)).magnitude < Self.rounding)
        let demand = ResourceDemand(compute: 1, bandwidth: 1, cache: 1)
        scenario.changes = [.neighbour(demand, from: .seconds(2), until: .share(0.5))]
        #expect(try latency(scenario, at: 3) > 1.2 * expected(clock: 1))
        for time in [1.0, 5.0] {
            #expect(try (latency(scenario, at: time) - expected(clock: 1)).magnitude < Self.rounding)
        }
    }

    @Test func `devices behind an uplink share it fairly`() throws {
        var scenario = quiet()
        scenario.devices = 2
        let free = try latency(scenario, beside: 0)
        #expect((free - expected(clock: 1)).magnitude < Self.rounding)
        // Both copy 4.8 MB at half of the link's rate, and what comes back has it alone.
        scenario.uplink = 24e9
        #expect(try (latency(scenario, beside: 0) - free - 4.8 / 24).magnitude < Self.rounding)
        // The detector takes 6 GB/s, its rate from pageable memory, and leaves 18.
        #expect(try (latency(scenario, beside: 5) - free - 4.8 / 18 + 4.8 / 24).magnitude < Self.rounding)
        scenario.uplink = 48e9
        #expect(try (latency(scenario, beside: 0) - free).magnitude < Self.rounding)
    }
}
