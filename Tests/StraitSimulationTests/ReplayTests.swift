// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Synchronization
internal import Testing
internal import VirtualAccelerator

@testable internal import StraitSimulation

/// What a run says when it breaks a rule, and how it is seen again.
@Suite struct ReplayTests {
    private final class Lines: Sendable {
        let all = Mutex<[String]>([])
    }

    private func scenario() throws -> Scenario {
        var scenario = try ScenarioLibrary.scenario(named: "centre")
        scenario.duration = .seconds(0.5)
        scenario.warmUp = .zero
        return scenario
    }

    /// As if the policy sent batches to nowhere: the first that is done after 0.3 s breaks a rule.
    private let planted: Simulation.Watch = { now, event, _ in
        guard case .finished = event, now > .zero + .seconds(0.3) else { return nil }
        return "a batch came back from nowhere"
    }

    private func failure(_ scenario: Scenario, _ setup: PolicySetup) -> String {
        do throws(SimulationError) {
            _ = try Simulation.run(scenario, setup, seed: 11, watch: planted)
            return ""
        } catch { return error.code == .brokenRule ? error.message : "" }
    }

    @Test func aBrokenRuleNamesTheRunAndTheCommandThatShowsIt() throws {
        var scenario = try scenario()
        scenario.arrivals = .gamma
        scenario.load = 1.15
        var options = SchedulerOptions()
        options.estimator = .ewma
        let message = failure(scenario, PolicySetup(.strait, lanes: 3, options: options))
        #expect(message.hasPrefix("a batch came back from nowhere, at 300"))
        #expect(message.contains("in scenario centre (load 1.15, gamma, waterfill), policy strait, seed 11."))
        #expect(
            message.contains(
                "\n  strait simulate centre --loads 1.15 --arrivals gamma --seconds 0.5 --lanes 3 --estimator ewma "
                    + "--replay strait:11 --until 300"))
        // The warm-up cannot be said with an option.
        #expect(message.hasSuffix("\n(but the scenario was changed beyond what options can say)"))
    }

    @Test func whatTheCommandLineMadeIsSaidWithoutCaution() throws {
        var scenario = try ScenarioLibrary.scenario(named: "centre")
        scenario.physics = .threshold
        scenario.duration = .seconds(6)
        scenario.devices = 2
        let message = failure(scenario, PolicySetup(.edfPriority))
        #expect(
            message.contains(
                "\n  strait simulate centre --physics threshold --devices 2 --seconds 6.0 --replay edf-priority:11 --until "
            ))
        #expect(!message.contains("but the"))
        scenario.source = "there/my.yaml"
        #expect(failure(scenario, PolicySetup(.fifo)).contains("\n  strait simulate there/my.yaml --replay fifo:11"))
    }

    @Test func aReplayTellsWhatLedToTheMomentAndFailsAgain() throws {
        let scenario = try scenario()
        let message = failure(scenario, PolicySetup(.strait))
        let until = try #require(
            message.split(separator: "--until ").last?.prefix { $0.isNumber }
        ).description
        let replay = Replay(
            scenario, PolicySetup(.strait), seed: 11, until: Instant(nanoseconds: try #require(Int64(until))))
        let lines = Lines()
        do throws(SimulationError) {
            try replay.run(watch: planted) { line in lines.all.withLock { $0.append(line) } }
            Issue.record("the replay went through")
        } catch { #expect(error.message == message) }
        let told = lines.all.withLock { $0 }
        // All within 20 ms, in the order of time, the last one the culprit.
        let times = told.filter { !$0.hasPrefix(" ") }.compactMap { Int64($0.prefix { $0.isNumber }) }
        #expect(times == times.sorted() && times.last == Int64(until))
        #expect(times.allSatisfy { $0 >= replay.until.nanoseconds - Replay.before.nanoseconds })
        let culprit = try #require(told.last { !$0.hasPrefix(" ") })
        #expect(culprit.contains(" is done: copied in in "))
        for words in [" comes: ", "stage batch", "answer request", "timer at", "is copied in", "has run its kernels"] {
            #expect(told.contains { $0.contains(words) }, "nothing like '\(words)'")
        }
    }

    @Test func replaysAreNamedByPolicyAndSeed() throws {
        func named(_ text: String) throws -> (setup: PolicySetup, seed: UInt64) {
            try Replay.named(text) { (name) throws(SimulationError) in try PolicySetup(named: name) }
        }
        #expect(try named("edf-priority:12") == (PolicySetup(.edfPriority), 12))
        for text in ["", "strait", "strait:", ":1", "strait:1:2", "strat:1", "strait:-1"] {
            #expect(throws: SimulationError.self, "\(text)") { try named(text) }
        }
    }
}
