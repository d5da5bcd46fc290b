// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import Testing
internal import VirtualAccelerator

@testable internal import StraitSimulation

/// The simulated counterpart of a recorded server. A simulation takes the server's place: its truth is known.
@Suite struct FidelityTests {
    /// A server of two models on a device that does not copy. Batches hardly pay, as on processor cores.
    private func server(load: Double = 0.9, slowerFrom: Double? = nil) -> Scenario {
        func model(_ name: String, perRow: Int64, seed: UInt64) -> SimulatedModel {
            var model = SimulatedModel(
                KernelModel(
                    name: name, baseTime: 1_000_000, timePerRow: perRow, maximumRows: 8, bytesInPerRow: 0,
                    bytesOutPerRow: 0, demand: ResourceDemand(compute: 0.5, bandwidth: 0, cache: 0),
                    cacheSensitivity: 0,
                    seed: seed), referenceRows: 1)
            let points = [1, 2, 4, 8].map { rows in
                ModelProfile.Point(
                    rows: rows, kernelTime: Duration(nanoseconds: model.kernels.soloTime(rows: rows)))
            }
            model.told = ModelDescription(
                maximumBatch: 8, profile: ModelProfile(curves: [ModelProfile.Curve(bucket: 0, points: points)]))
            return model
        }
        var scenario = Scenario(
            name: "server",
            models: [model("short", perRow: 6_000_000, seed: 1), model("long", perRow: 18_000_000, seed: 2)]
        )
        scenario.copies = false
        scenario.load = load
        scenario.deadlineFactor.high = 6...6
        scenario.deadlineFactor.low = 15...15
        scenario.link.overhead = 100_000
        scenario.noise = .none
        scenario.noise.batch = 0.1
        scenario.duration = .seconds(60)
        scenario.warmUp = .zero
        if let slowerFrom { scenario.changes = [.clock(factor: 0.7, at: .seconds(slowerFrom))] }
        return scenario
    }

    private func recording(
        _ scenario: Scenario, _ policy: PolicyName = .strait, lanes: Int = 1
    ) throws -> Recording {
        try Simulation.record(scenario, PolicySetup(policy, lanes: lanes), seed: 1).recording
    }

    private func rows(
        _ live: Recording, _ times: Twin.Times, calibration: Recording? = nil
    ) throws -> [FidelityFile.Row] {
        let twin = try Twin(of: live, times: times, calibration: calibration)
        let simulated = try (10..<13).map { try twin.record(seed: $0) }
        return FidelityFile.Row.comparing(
            live, with: simulated, name: "r", times: times.rawValue, from: .zero + .seconds(5))
    }

    @Test(arguments: Twin.Times.allCases, [1, 2])
    func theTwinOfASimulationIsLikeIt(times: Twin.Times, lanes: Int) throws {
        let live = try recording(
            server(load: lanes == 1 ? 0.9 : 1.5), lanes == 1 ? .strait : .edfPriority, lanes: lanes)
        var lighter = server(load: 0.6)
        lighter.duration = .seconds(20)
        let calibration = try Simulation.record(lighter, PolicySetup(.fifo, lanes: lanes), seed: 9).recording
        let rows = try rows(live, times, calibration: calibration)
        #expect(rows.map(\.model) == [nil, "short", "long", nil, "short", "long"])
        for row in rows {
            #expect(row.requests > 100)
            #expect(row.meetsInTime && row.meetsP50 && row.meetsP95, "\(row)")
        }
    }

    @Test func onlyRecordedTimesFollowAMachineThatBecomesSlower() throws {
        let live = try recording(server(slowerFrom: 30))
        #expect(try rows(live, .recorded).allSatisfy { $0.meetsInTime && $0.meetsP50 && $0.meetsP95 })
        // The profile knows nothing of it, so the simulated server has an easier time.
        let low = try #require(rows(live, .profile).first { $0.requestClass == .low && $0.model == nil })
        #expect(low.inTimePoints > 2)
    }

    @Test func timesAndSpeedsAreMeasuredInTheRecording() throws {
        var server = server(slowerFrom: 30)
        server.noise.batch = 0.02
        let live = try recording(server)
        // A profile that is a third off; what was recorded is right whatever it says.
        let profiled = server.models.map { model in
            (1...8).map { Double(model.kernels.soloTime(rows: $0)) * 1.33 }
        }
        let measured = RecordedTimes(live, profiled: profiled).measured(followingSpeed: true)
        func mean(_ span: Range<Double>) -> Double {
            let speeds = measured.speeds.filter { span.contains(($0.from - .zero).seconds) }.map(\.factor)
            return speeds.reduce(0, +) / Double(speeds.count)
        }
        #expect(abs(mean(35..<59) / mean(1..<29) - 0.7) < 0.01)
        for (index, model) in server.models.enumerated() {
            let ratio = measured.times[index][0] / Double(model.kernels.soloTime(rows: 1)) / mean(1..<29)
            #expect(abs(ratio - 1) < 0.01, "\(ratio)")
        }
        #expect(abs(measured.factors.reduce(0, +) / Double(measured.factors.count) - 1) < 1e-9)
        let spread = RecordedTimes(live, profiled: profiled).spread.sorted()
        #expect(spread.count == live.batches.count)
        // Copies have no bytes here: two overheads a batch.
        #expect(abs(RecordedTimes(live, profiled: profiled).overhead - 200_000) < 1000)
    }

    @Test func aDeviceThatDoesNotCopyIsRunByEveryPolicy() throws {
        var server = server(load: 1.2)
        server.duration = .seconds(4)
        for policy in PolicyName.allCases {
            let recording = try recording(server, policy, lanes: 2)
            #expect(!recording.batches.isEmpty && recording.head.devices[0].copies == false)
            // The lane is held to the end, not to that of the kernels.
            for lane in 0...1 {
                let batches = recording.batches.filter { $0.lane == lane }
                #expect(zip(batches, batches.dropFirst()).allSatisfy { $0.endedAt <= $1.stagedAt })
            }
        }
    }

    @Test func whatHasNoCounterpartIsRefusedWithAReason() throws {
        var scenario = server()
        scenario.duration = .seconds(1)
        let good = try recording(scenario)
        func refusal(_ change: (inout Recording) -> Void) -> String {
            var recording = good
            change(&recording)
            do throws(SimulationError) {
                _ = try Twin(of: recording, times: .profile)
                return ""
            } catch { return error.message }
        }
        #expect(refusal { _ in } == "")
        #expect(refusal { $0.head.devices[0].copies = true }.contains("its devices copy"))
        #expect(refusal { $0.arrivals = [] }.contains("no request came"))
        #expect(throws: SimulationError.self) { try Twin(of: good, times: .calibrated) }
        #expect(throws: SimulationError.self) {
            var other = good
            other.head.models.swapAt(0, 1)
            return try Twin(of: good, times: .calibrated, calibration: other)
        }
        #expect(refusal { $0.head.policy = "none" }.contains("policy none is not known"))
        #expect(refusal { $0.head.models[1].profile = nil }.contains("the server had no profile of long"))
        #expect(
            refusal { $0.head.devices.append(Recording.Device(name: "b", lanes: 9, copies: false)) }
                .contains("different numbers of lanes"))
    }

    @Test func whatMakesTheTwoDifferIsSaid() throws {
        var scenario = server()
        scenario.duration = .seconds(1)
        var recording = try recording(scenario)
        #expect(try Twin(of: recording, times: .profile).cautions == [])
        recording.head.hasLearned = true
        recording.dropped = 3
        recording.end = nil
        recording.answers[0].ending = .cancelled
        recording.arrivals[0].bucket = 5
        recording.batches[0].end = .failed
        let cautions = try Twin(of: recording, times: .profile).cautions
        for words in [
            "had learned", "3 records are missing", "cut off", "1 requests were cancelled", "2 sizes",
            "1 batches failed",
        ] {
            #expect(cautions.contains { $0.contains(words) }, "\(words)")
        }
    }
}

/// The counterpart of a server on virtual devices. Again a simulation takes its place.
@Suite struct VirtualFidelityTests {
    /// A server on virtual devices of a speed: all that the scenario's devices do takes 1/speed of the time.
    private func served(_ scenario: Scenario, speed: Double) throws -> Recording {
        var server = scenario
        for index in server.models.indices {
            server.models[index].kernels.baseTime = Int64(Double(server.models[index].kernels.baseTime) / speed)
            server.models[index].kernels.timePerRow = Int64(Double(server.models[index].kernels.timePerRow) / speed)
        }
        server.link.overhead = Int64(Double(server.link.overhead) / speed)
        server.link.pinnedRate *= speed
        server.link.pageableRate *= speed
        server.uplink = server.uplink.map { $0 * speed }
        server.noise.shortestHiccup = Int64(Double(server.noise.shortestHiccup) / speed)
        server.noise.longestHiccup = Int64(Double(server.noise.longestHiccup) / speed)
        server.duration = .seconds(1 / speed)
        server.warmUp = .zero
        return try Simulation.record(server, PolicySetup(.edfPriority), seed: 3).recording
    }

    /// To the nanosecond: the same luck for the same requests.
    @Test(arguments: [1.0, 0.25])
    func theTwinDoesTheSame(speed: Double) throws {
        let scenario = try ScenarioLibrary.scenario(named: "devices-2")
        let live = try served(scenario, speed: speed)
        let twin = try Twin(of: live, on: scenario, speed: speed)
        #expect(twin.cautions.isEmpty && live.answers.count > 2000)
        let same = try twin.record(seed: 3)
        #expect(same.answers == live.answers)
        #expect(same.batches.map(\.kernelsDoneAt) == live.batches.map(\.kernelsDoneAt))
        // At another speed it is another server.
        #expect(try Twin(of: live, on: scenario, speed: speed / 2).record(seed: 3).answers != live.answers)
    }

    /// Devices that were out of service are so in the twin, as a server's health and probes had it.
    @Test func theTwinLosesTheSameDevices() throws {
        var scenario = try ScenarioLibrary.scenario(named: "devices-2")
        scenario.changes = [
            .lost(1, from: .seconds(0.2), until: .seconds(0.500_000_001)), .lost(1, from: .seconds(0.7), until: nil),
        ]
        let live = try served(scenario, speed: 1)
        #expect(live.changes.count == 3)
        let twin = try Twin(of: live, on: ScenarioLibrary.scenario(named: "devices-2"), speed: 1)
        #expect(twin.cautions.isEmpty && twin.scenario.changes == scenario.changes)
        #expect(try twin.record(seed: 3).answers == live.answers)
    }

    @Test func whatDoesNotMatchIsRefused() throws {
        let scenario = try ScenarioLibrary.scenario(named: "centre")
        var short = scenario
        short.duration = .seconds(1)
        short.warmUp = .zero
        let live = try Simulation.record(short, PolicySetup(.fifo), seed: 1).recording
        var fewer = scenario
        fewer.models.removeLast()
        #expect(throws: SimulationError.self) { try Twin(of: live, on: fewer, speed: 1) }
        #expect(throws: SimulationError.self) { try Twin(of: live, on: scenario, speed: 0) }
        var larger = scenario
        larger.models[0].kernels.maximumRows = 64
        #expect(throws: SimulationError.self) { try Twin(of: live, on: larger, speed: 1) }
        short.copies = false
        let plain = try Simulation.record(short, PolicySetup(.fifo), seed: 1).recording
        #expect(throws: SimulationError.self) { try Twin(of: plain, on: scenario, speed: 1) }
    }

    @Test func aScenarioIsWrittenAsARepository() throws {
        let repository = try VirtualRepository(ScenarioLibrary.scenario(named: "devices-4"))
        let configurations = repository.configurations
        #expect(configurations.map(\.name).last == "detector-640" && configurations.count == 6)
        let detector = try #require(configurations.last?.text)
        for words in [
            "max_batch_size: 8", "base_ms\" value { string_value: \"2.0\"", "row_ms\" value { string_value: \"2.6\"",
            "input_bytes\" value { string_value: \"4900000\"", "pinned\" value { string_value: \"false\"",
        ] { #expect(detector.contains(words), "\(words)") }
        #expect(repository.load.contains("\"requests_per_second\":57"))
        #expect(repository.load.contains("{\"name\":\"resnet-50\",\"share\":0.31"))
        var clumped = try ScenarioLibrary.scenario(named: "centre")
        clumped.arrivals = .gamma
        #expect(throws: SimulationError.self) { try VirtualRepository(clumped) }
    }
}
