// SPDX-License-Identifier: Apache-2.0

internal import StraitLoad
internal import StraitPlatform
internal import Testing

/// The generator against a server in this process. Durations are short; what is asserted are counts, never times.
@Suite struct LoadTests {
    private func withServer(_ body: (TestServer) async throws -> Void) async throws {
        let server = try await TestServer.start()
        do { try await body(server) } catch {
            try await server.stop()
            throw error
        }
        try await server.stop()
    }

    private func plan(
        _ server: TestServer, _ models: [String], _ pace: LoadPlan.Pace, deadline: Duration? = nil
    ) -> LoadPlan {
        let targets = models.map { model in
            var target = LoadTarget(model: model)
            target.highDeadline = deadline
            target.lowDeadline = deadline
            return target
        }
        var plan = LoadPlan(server: server.address, targets: targets, pace: pace)
        plan.warmup = .milliseconds(100)
        plan.duration = .milliseconds(400)
        plan.tailWait = .seconds(30)
        return plan
    }

    @Test func anOpenLoopSendsExactlyTheSeedsArrivalsWhateverTheServerDoes() async throws {
        try await withServer { server in
            var plan = plan(server, ["echo", "refuse"], .openLoop(requestsPerSecond: 1000), deadline: .seconds(60))
            plan.targets[1].weight = 2
            plan.seed = 42
            let report = try await Load.run(plan)
            let process = ArrivalProcess(
                requestsPerSecond: 1000, mix: MixSampler(weights: [1, 2], highShare: 0.3),
                random: RandomSource(seed: 42, part: 0))
            let all = Array(process.prefix { $0.offset < 500_000_000 })
            let measured = all.filter { $0.offset >= 100_000_000 }
            #expect(report.requestsStarted == all.count)
            for row in report.rows {
                let target = row.model == "echo" ? 0 : 1
                let expected = measured.count { $0.target == target && $0.requestClass == row.requestClass }
                #expect(row.sent == expected)
                #expect(row.inTime == (target == 0 ? expected : 0))
                #expect(row.refused == (target == 1 ? expected : 0))
            }
        }
    }

    @Test func threadsShareTheRateAndTheirCountsAreAdded() async throws {
        try await withServer { server in
            var plan = plan(server, ["echo"], .openLoop(requestsPerSecond: 1000))
            plan.threads = 2
            let report = try await Load.run(plan)
            let started = (0..<2).map { part in
                ArrivalProcess(
                    requestsPerSecond: 500, mix: MixSampler(weights: [1], highShare: 0.3),
                    random: RandomSource(seed: 1, part: part)
                ).prefix { $0.offset < 500_000_000 }.reduce(0) { count, _ in count + 1 }
            }
            #expect(report.requestsStarted == started.reduce(0, +))
            #expect(report.total.inTime == report.total.sent)
        }
    }

    @Test func aClosedLoopNeverExceedsItsOutstandingRequestsOrConnections() async throws {
        try await withServer { server in
            let report = try await Load.run(plan(server, ["echo"], .closedLoop(outstanding: 3)))
            #expect(report.total.sent > 3)
            #expect(report.total.inTime == report.total.sent)
            #expect(report.connections == 3)
            #expect(server.observed.mostInFlight <= 3)
            #expect(report.answeredPerSecond > 0)
        }
    }

    @Test func classAndDeadlineTravelAsPriorityAndTimeout() async throws {
        try await withServer { server in
            var plan = plan(server, ["echo"], .closedLoop(outstanding: 1))
            plan.targets[0].highDeadline = .milliseconds(40_000)
            plan.highShare = 0.5
            _ = try await Load.run(plan)
            // The first is the trial.
            let seen = server.observed.seen.dropFirst()
            #expect(seen.contains(.init(model: "echo", priority: 1, timeout: 40_000_000)))
            #expect(seen.contains(.init(model: "echo", priority: 2, timeout: nil)))
            #expect(seen.allSatisfy { ($0.priority == 1) == ($0.timeout != nil) })
        }
    }

    @Test func anAnswerAfterItsDeadlineIsLate() async throws {
        try await withServer { server in
            let report = try await Load.run(
                plan(server, ["echo"], .closedLoop(outstanding: 1), deadline: .microseconds(1)))
            #expect(report.total.sent > 0)
            #expect(report.total.late == report.total.sent)
            #expect(report.total.latency.p50 != nil)
        }
    }

    @Test func errorsAndBrokenConnectionsAreFailuresWithTheirReasons() async throws {
        try await withServer { server in
            let report = try await Load.run(
                plan(server, ["broken", "drop"], .openLoop(requestsPerSecond: 500), deadline: .seconds(60)))
            #expect(report.total.sent > 0)
            #expect(report.total.failed == report.total.sent)
            #expect(report.failures.contains { $0.message.contains(#"broken: status 500 {"error":"it broke"}"#) })
            #expect(report.failures.contains { $0.message.contains("closed the connection") })
        }
    }

    @Test func whatHasNoAnswerAtTheEndFailedAndTheConnectionLimitHolds() async throws {
        try await withServer { server in
            var plan = plan(server, ["hang"], .openLoop(requestsPerSecond: 500), deadline: .seconds(60))
            plan.maximumConnections = 2
            plan.tailWait = .milliseconds(50)
            let report = try await Load.run(plan)
            #expect(report.total.failed == report.total.sent)
            #expect(report.connections == 2)
            #expect(report.waitedForConnection > 0)
            // Two requests got a connection, one of which may have been part of the warm-up or both.
            #expect(server.observed.seen.count == 3)
            #expect(report.failures.contains { $0.message.contains("never sent") })
            #expect(report.warnings.contains { $0.contains("free connection") })
        }
    }

    @Test func aModelThatTheServerLacksIsNamedBeforeAnythingIsSent() async throws {
        try await withServer { server in
            let error = await #expect(throws: LoadError.self) {
                try await Load.run(plan(server, ["absent"], .closedLoop(outstanding: 1)))
            }
            #expect(error?.code == .unknownModel)
            #expect(error?.message.contains("absent") == true)
        }
    }

    @Test func aRefusedTrialCarriesTheServersReason() async throws {
        try await withServer { server in
            let error = await #expect(throws: LoadError.self) {
                try await Load.run(plan(server, ["strict"], .closedLoop(outstanding: 1)))
            }
            #expect(error?.code == .badInput)
            #expect(error?.message.contains(#"input "x" is wrong"#) == true)
        }
    }

    @Test func aServerThatIsNotThereIsUnreachable() async throws {
        let server = try await TestServer.start()
        #expect(await Load.isReady(server.address))
        try await server.stop()
        #expect(await !Load.isReady(server.address))
        let error = await #expect(throws: LoadError.self) {
            try await Load.run(plan(server, ["echo"], .closedLoop(outstanding: 1)))
        }
        #expect(error?.code == .unreachable)
    }

    @Test func pinningDoesNotOutliveTheLoad() async throws {
        try await withServer { server in
            let cores = CoreSet.allowed()
            var plan = plan(server, ["echo"], .closedLoop(outstanding: 1))
            plan.cores = Array(cores.suffix(1))
            _ = try await Load.run(plan)
            #expect(CoreSet.allowed() == cores)
            plan.cores = [1023]
            let error = await #expect(throws: LoadError.self) { try await Load.run(plan) }
            #expect(error?.message.contains("Cannot pin to cores 1023") == true)
        }
    }
}
