// SPDX-License-Identifier: Apache-2.0

internal import StraitDevices
internal import StraitFormats
internal import StraitSimulation
internal import StraitTensor
internal import Testing
internal import VirtualAccelerator

@testable internal import StraitCore
@testable internal import StraitServing

/// The whole live engine over virtual devices, with a clock that a test advances, beside the simulator: the same requests
/// end the same, to the nanosecond. There is nothing between them but two drivers of one scheduler and one physics.
@Suite struct SimulatorAgreementTests {
    /// How a request ended.
    struct End: Hashable {
        var at: Int64
        var isInTime: Bool
        var hasRun: Bool
    }

    private let folder = Folder()
    private let pool = SlabPool(budget: 1 << 30)

    private func scenario(_ name: String, load: Double) throws -> Scenario {
        var scenario = try ScenarioLibrary.scenario(named: name)
        scenario.load = load
        // A catalog loads models in the order of their names.
        scenario.models.sort { $0.kernels.name < $1.kernels.name }
        // Luck follows the order of batches here and that of requests there.
        scenario.noise = .none
        scenario.profileError.time = 0
        scenario.profileError.demand = 0
        scenario.duration = .milliseconds(300)
        scenario.warmUp = .zero
        return scenario
    }

    private func simulated(_ scenario: Scenario, _ policy: PolicyName) throws -> [End] {
        let recording = try Simulation.record(scenario, PolicySetup(policy, lanes: 4), seed: 7).recording
        return recording.answersByArrival.map { answer in
            End(
                at: answer?.at.nanoseconds ?? -1, isInTime: answer?.ending == .met,
                hasRun: answer?.ending == .met || answer?.ending == .late)
        }
    }

    private func live(
        _ scenario: Scenario, _ policy: PolicyName, on device: String, lines: Lines = Lines()
    ) throws -> [End] {
        let clock = VirtualClock()
        clock.time = .zero
        let (timer, upkeep) = (VirtualTimer(), VirtualTimer())
        let group = VirtualGroup(
            try VirtualSpec(device), environment: nil, pool: pool, clock: { clock.now().nanoseconds }, isThreaded: false
        ) { _ in }
        let devices = group.devices()
        let engine = Engine(
            policy: policy, devices: devices, clock: clock, timer: timer, upkeep: upkeep, log: lines.note)
        // Models declare what an L4 takes; what another device takes follows from that.
        for (name, text) in try VirtualRepository(ScenarioLibrary.centre).configurations {
            folder.write(text, to: "\(name)/config.pbtxt")
        }
        let knowledge = try PriorKnowledge(
            for: devices, profile: .beside(repository: folder.path), learned: nil, quickProfiler: nil
        ) { _ in }
        let catalog = try ModelCatalog(
            repository: folder.path, engine: engine, pool: pool, knowledge: knowledge)
        engine.start()
        let models = try scenario.models.map { try catalog.find($0.kernels.name, version: nil) }
        let arrivals = scenario.arrivals(seed: 7)
        let ends = Ends(count: arrivals.count)
        let slab = try pool.take(4)
        var position = 0
        while true {
            let deviceAt = group.look().map { Instant(nanoseconds: $0) } ?? .never
            let arrivalAt = position < arrivals.count ? arrivals[position].at : .never
            let next = min(arrivalAt, deviceAt, timer.alarm.instant, upkeep.alarm.instant)
            guard next < .never, arrivalAt < .never || ends.left > 0 else { break }
            clock.time = max(clock.time, next)
            if deviceAt <= next {
                continue
            } else if upkeep.alarm.instant <= next {
                upkeep.fire()
            } else if timer.alarm.instant <= next {
                timer.fire()
            } else {
                let (index, arrival) = (position, arrivals[position])
                position += 1
                let input = Tensor(name: "input", type: .fp32, shape: [1, 1], slab: slab, range: 0..<4)
                engine.submit(
                    Submission(
                        model: models[arrival.model], inputs: [input], rows: 1, requestClass: arrival.requestClass,
                        arrived: clock.now(), deadline: clock.now() + arrival.deadline)
                ) { reply in
                    ends.note(
                        index,
                        End(
                            at: clock.now().nanoseconds, isInTime: reply.answer?.isLate == false,
                            hasRun: reply.answer != nil))
                }
            }
        }
        engine.stop()
        return ends.all.map { $0 ?? End(at: -1, isInTime: false, hasRun: false) }
    }

    /// How requests ended so far.
    // @unchecked: a run stays on the test's own thread.
    private final class Ends: @unchecked Sendable {
        private(set) var all: [End?]
        private(set) var left: Int

        init(count: Int) {
            all = Array(repeating: nil, count: count)
            left = count
        }

        func note(_ index: Int, _ end: End) {
            #expect(all[index] == nil, "request \(index) is answered twice")
            all[index] = end
            left -= 1
        }
    }

    @Test(
        arguments: [PolicyName.strait, .edfPriority, .fifo],
        [
            ("centre", 0.9, "l4,noise=0"), ("centre", 1.4, "l4,noise=0"), ("a100", 1.2, "a100,noise=0"),
            ("devices-2", 1.1, "l4,noise=0,count=2,uplink-gb=24"),
        ])
    func theEngineDoesWhatTheSimulatorDoes(policy: PolicyName, on place: (name: String, load: Double, device: String))
        throws
    {
        let scenario = try scenario(place.name, load: place.load)
        let expected = try simulated(scenario, policy)
        let found = try live(scenario, policy, on: place.device)
        #expect(found.count == expected.count && expected.count > 300)
        let first = zip(found, expected).enumerated().first { $0.element.0 != $0.element.1 }
        #expect(first == nil, "from request \(first?.offset ?? 0) on: \(String(describing: first?.element))")
        #expect(expected.contains { !$0.isInTime } || place.load < 1.2)
    }

    /// A lost device is found, drained, probed and brought back by the engine as a real one is. The first probe, when the last
    /// of its batches is reported, and so at once, finds it away; the second, 200 ms later, finds it back.
    @Test(arguments: [PolicyName.strait, .edfPriority])
    func aDeviceThatIsLostAndADriftAreWhatTheyAreInTheSimulator(policy: PolicyName) throws {
        var scenario = try scenario("devices-2", load: 0.8)
        scenario.duration = .milliseconds(400)
        scenario.changes = [
            .lost(1, from: .seconds(0.1), until: .seconds(0.3)), .clock(factor: 0.7, at: .seconds(0.35)),
        ]
        let expected = try simulated(scenario, policy)
        let lines = Lines()
        let found = try live(
            scenario, policy, on: "l4,noise=0,count=2,uplink-gb=24,lost=1@0.1-0.25,clock=0.7@0.35", lines: lines)
        #expect(found.count == expected.count && expected.count > 300)
        let first = zip(found, expected).enumerated().first { $0.element.0 != $0.element.1 }
        #expect(first == nil, "from request \(first?.offset ?? 0) on: \(String(describing: first?.element))")
        #expect(lines.all.count == 2, "\(lines.all)")
        #expect(lines.have("(2 of 2) is out of service: lost, as its option lost has it;"), "\(lines.all)")
        #expect(lines.have("(2 of 2) serves again after 200 ms"), "\(lines.all)")
    }
}
