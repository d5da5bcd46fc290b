// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitSimulation
internal import Testing
internal import VirtualAccelerator

/// Scenarios in which devices are lost and come back.
@Suite struct ScenarioOutageTests {
    /// Centre without chance on some devices, with one request of eight rows of ViT-B/16 at 5 s, which takes 9.83 ms.
    private func single(devices: Int, _ changes: [ChangeEvent]) -> Scenario {
        var scenario = ScenarioLibrary.centre
        scenario.noise = .none
        scenario.devices = devices
        scenario.duration = .seconds(10)
        scenario.warmUp = .zero
        scenario.changes = changes
        scenario.trace = [Arrival(at: .zero + .seconds(5), model: 3, .high, deadline: .seconds(1), rows: 8)]
        return scenario
    }

    private func ending(_ scenario: Scenario, _ policy: PolicyName) throws -> (Recording.Ending?, milliseconds: Double)
    {
        let setup = PolicySetup(policy, lanes: 1)
        let recording = try Simulation.record(scenario, setup, seed: 1, window: .zero ..< .never).recording
        #expect(recording.answers.count == 1)
        let answer = recording.answers.first
        return (answer?.ending, ((answer?.at ?? .zero) - .zero - .seconds(5)).milliseconds)
    }

    private static let alone = 9.6 + 4.832 / 24 + 0.024

    @Test func `a request whose device is lost begins again on another`() throws {
        let lost = ChangeEvent.lost(0, from: .seconds(5.004), until: .seconds(7))
        for policy in [PolicyName.strait, .edfPriority, .fifo] {
            let (ending, latency) = try ending(single(devices: 2, [lost]), policy)
            #expect(ending == .met && (latency - 4 - Self.alone).magnitude < 2e-5, "\(policy): \(latency)")
        }
    }

    @Test func `with a second device it has failed`() throws {
        let lost = [
            ChangeEvent.lost(0, from: .seconds(5.004), until: .seconds(5.005)),
            .lost(1, from: .seconds(5.008), until: .seconds(5.009)),
        ]
        let (ending, latency) = try ending(single(devices: 3, lost), .edfPriority)
        #expect(ending == .failed && (latency - 8).magnitude < 1e-9)
    }

    @Test func `without a device who has no deadlines waits, and who has refuses`() throws {
        let lost = ChangeEvent.lost(0, from: .share(0.4), until: .seconds(5.5))
        let (waited, latency) = try ending(single(devices: 1, [lost]), .fifo)
        #expect(waited == .met && (latency - 500 - Self.alone).magnitude < 2e-5, "\(latency)")
        let (refused, at) = try ending(single(devices: 1, [lost]), .edfPriority)
        if case .shed = refused {} else { Issue.record("\(String(describing: refused))") }
        #expect(at == 0)
    }

    /// Three devices, of which for a while none is there.
    private func busy() -> Scenario {
        var scenario = ScenarioLibrary.centre
        scenario.devices = 3
        scenario.uplink = 30e9
        scenario.arrivals = .gamma
        scenario.closedLoop = [ClientGroup(model: 4, .low, clients: 6)]
        scenario.duration = .seconds(0.2)
        scenario.warmUp = .zero
        scenario.changes = [
            .lost(1, from: .seconds(0.06), until: .share(0.6)), .lost(0, from: .seconds(0.1), until: .seconds(0.14)),
            .lost(2, from: .seconds(0.11), until: .seconds(0.18)),
            .lost(0, from: .seconds(0.14), until: .seconds(0.142)), .lost(0, from: .seconds(0.16), until: nil),
            .clock(factor: 0.7, at: .seconds(0.08), device: 1),
        ]
        return scenario
    }

    @Test(arguments: PolicyName.allCases) func `every request is answered once whoever decides`(policy: PolicyName)
        throws
    {
        // The checker follows every step; all tables are inspected now and then.
        let result = try Simulation.run(busy(), PolicySetup(policy), seed: 1, stepsBetweenInspections: 97)
        for part in result.classes { #expect(part.met + part.late + part.shed == part.arrivals && part.met > 0) }
    }

    @Test func `a recording tells when devices were away, and nothing ran on them then`() throws {
        let (result, recording) = try Simulation.record(busy(), PolicySetup(.edfPriority), seed: 3)
        #expect(result.jsonLines == (try Simulation.run(busy(), PolicySetup(.edfPriority), seed: 3)).jsonLines)
        #expect(recording.answers.count == recording.arrivals.count)
        #expect(Set(recording.answers.map(\.arrival)).count == recording.arrivals.count)
        let told = recording.changes.map {
            "\($0.device) \($0.serves ? "back" : "lost") \($0.at.nanoseconds / 1_000_000)"
        }
        #expect(
            told == [
                "1 lost 60", "0 lost 100", "2 lost 110", "1 back 120", "0 back 140", "0 lost 140", "0 back 142",
                "0 lost 160", "2 back 180",
            ])
        let withdrawn = recording.batches.filter { $0.end == .withdrawn }
        #expect(!withdrawn.isEmpty && withdrawn.allSatisfy { $0.met + $0.late == 0 })
        for change in recording.changes where !change.serves {
            let back = recording.changes.first { $0.device == change.device && $0.serves && $0.at > change.at }
            let away = change.at..<(back?.at ?? .never)
            for batch in recording.batches where batch.device == change.device && batch.stagedAt < batch.endedAt {
                #expect(batch.endedAt <= away.lowerBound || batch.stagedAt >= away.upperBound)
            }
        }
    }

    @Test func `fewer devices do less, and the scenario of the library says so`() throws {
        var scenario = try ScenarioLibrary.scenario(named: "lost-device")
        scenario.duration = .seconds(0.6)
        scenario.warmUp = .zero
        let lost = try Simulation.run(scenario, PolicySetup(.edfPriority), seed: 0)
        scenario.changes = []
        let steady = try Simulation.run(scenario, PolicySetup(.edfPriority), seed: 0)
        #expect(lost[.low].violation > steady[.low].violation + 0.02)
    }

    // -- files ----------------------------------------------------------------------------------------------------

    private func read(_ changes: String, devices: Int = 3) throws(SimulationError) -> [ChangeEvent] {
        let text = "base: centre\ndevices: \(devices)\nchanges:\n\(changes)\n"
        return try ScenarioFile.scenario(Array(text.utf8), file: "my.yaml").changes
    }

    @Test func `a file says when which device is lost and back`() throws {
        let changes = try read(
            "  - {lost: 2, from: 20, until: 35}\n  - {lost: 0, from: 50%, until: 75%}\n  - {lost: 1, from: 10}")
        #expect(
            changes == [
                .lost(2, from: .seconds(20), until: .seconds(35)), .lost(0, from: .share(0.5), until: .share(0.75)),
                .lost(1, from: .seconds(10), until: nil),
            ])
    }

    @Test(arguments: [
        ("{lost: 3, from: 20}", "4: changes[0].lost: expected a whole number from 0 to 2, found \"3\""),
        ("{lost: 1}", "4: changes[0].from: missing; expected seconds from 0 to 100000, or a share from 0% to 100%"),
        ("{lost: 1, from: 20, until: 20}", "4: changes[0].until: expected to be after from"),
        ("{lost: 1, at: 20}", "4: changes[0]: unknown key \"at\"; expected one of lost, from, until"),
        (
            "{lost: 1, from: 20, until: 30}\n  - {lost: 1, from: 29, until: 40}",
            "4: changes: expected a device that serves: device 1 is lost again before it is back"
        ),
        (
            "{lost: 0, from: 20}\n  - {lost: 1, from: 20}\n  - {lost: 2, from: 20, until: 70}",
            "4: changes: expected a device that serves: no device is back while requests arrive"
        ),
    ]) func `a mistake is named with its place`(changes: String, words: String) {
        let error = #expect(throws: SimulationError.self) { try read("  - \(changes)") }
        #expect(error?.message == "my.yaml:\(words)")
    }

    @Test func `a scenario of fewer devices than are lost is refused`() throws {
        let text = "base: lost-device\ndevices: 2\n"
        let error = #expect(throws: SimulationError.self) {
            try ScenarioFile.scenario(Array(text.utf8), file: "my.yaml")
        }
        #expect(
            error?.message
                == "my.yaml:2: devices: expected a device that serves: device 2 is lost, of 2 that count from 0")
        var scenario = try ScenarioLibrary.scenario(named: "lost-device")
        scenario.devices = 2
        #expect(throws: SimulationError.self) { try Simulation.run(scenario, PolicySetup(.fifo), seed: 0) }
    }
}
