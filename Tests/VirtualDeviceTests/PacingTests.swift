// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import VirtualAccelerator

@testable internal import StraitDevices

@Suite struct PacingTests {
    /// Batches that are given at given host times.
    struct Script {
        let epoch: Int64
        let jobs: [(at: Int64, job: Job)]
        let description: AcceleratorDescription

        init(seed: UInt64, noisy: Bool) {
            var generator = Seeded(state: seed)
            var description = VirtualSpec.made("l4,count=3,uplink-gb=20").description
            if !noisy { description.noise = .none }
            self.description = description
            epoch = Int64.random(in: 0...1_000_000_000_000, using: &generator)
            var at = epoch
            jobs = (0..<200).map { id in
                at += Int64.random(in: 0...600_000, using: &generator)
                let model = Int.random(in: 0..<PacingTests.models.count, using: &generator)
                var job = Job(
                    id: id, device: Int.random(in: 0..<3, using: &generator), model: model,
                    rows: Int.random(in: 1...8, using: &generator), noiseKey: generator.next(),
                    isHigh: Bool.random(using: &generator))
                if Bool.random(using: &generator) { job.bytesIn = Int.random(in: 0...2_000_000, using: &generator) }
                return (at, job)
            }
        }

        /// What the physics alone makes of it, by its own time.
        func expected(speed: Double) -> [AcceleratorEvent] {
            var physics = VirtualAccelerator(description, models: PacingTests.models, seed: 5)
            var events: [AcceleratorEvent] = []
            for (at, job) in jobs {
                let time = speed == 1 ? at - epoch : Int64(Double(at - epoch) * speed)
                physics.advance(to: time, into: &events)
                physics.submit(job, at: time)
            }
            while let next = physics.nextEvent { physics.advance(to: next, into: &events) }
            return events
        }

        func paced(speed: Double) -> PacedAccelerator {
            PacedAccelerator(
                VirtualAccelerator(description, models: PacingTests.models, seed: 5), speed: speed, epoch: epoch)
        }
    }

    static let models = (0..<4).map { index in
        KernelModel(
            name: "m\(index)", baseTime: 300_000 * Int64(index + 1), timePerRow: 90_000, maximumRows: 8,
            bytesInPerRow: 150_000 * index, bytesOutPerRow: 4000, isPinned: index != 3,
            demand: ResourceDemand(compute: 0.8, bandwidth: 0.6, cache: 0.4), cacheSensitivity: 0.4, seed: UInt64(index)
        )
    }

    @Test(arguments: [1.0, 0.25, 0.3, 1.7, 40], [1, 2, 3] as [UInt64])
    func eventsComeAtThePhysicsOwnInstants(speed: Double, seed: UInt64) {
        let script = Script(seed: seed, noisy: seed != 3)
        var paced = script.paced(speed: speed)
        var due: [PacedAccelerator.Due] = []
        var jobs = script.jobs[...]
        // A host that is never late: it sleeps exactly until it is to wake, or until it is given a batch.
        while true {
            let wake = paced.nextWake
            if let (at, job) = jobs.first, wake.map({ at < $0 }) ?? true {
                paced.submit(job, at: at)
                jobs.removeFirst()
                continue
            }
            guard let wake else { break }
            let before = due.count
            paced.step(to: wake - 1, into: &due)
            #expect(due.count == before, "nothing is due before the wake-up")
            paced.step(to: wake, into: &due)
            #expect(due.count > before, "something is due at the wake-up")
            #expect(due[before...].allSatisfy { $0.at == wake }, "a host that wakes on time is not late")
        }
        let expected = script.expected(speed: speed)
        #expect(due.map(\.event) == expected)
        #expect(expected.count == 600)
        if speed == 1 { #expect(due.map(\.at) == expected.map { script.epoch + $0.time }) }
        #expect(paced.liveJobs == 0)
    }

    /// What happens does so when the physics has it happen, however late the host is to look.
    @Test(arguments: [1.0, 0.3], [4, 5, 6] as [UInt64])
    func aLateHostChangesNothingButItsLateness(speed: Double, seed: UInt64) {
        let script = Script(seed: seed, noisy: true)
        var paced = script.paced(speed: speed)
        var generator = Seeded(state: seed)
        var due: [PacedAccelerator.Due] = []
        for (at, job) in script.jobs {
            if Bool.random(using: &generator) { paced.step(to: at, into: &due) }
            paced.submit(job, at: at)
        }
        paced.step(to: .max / 4, into: &due)
        #expect(due.map(\.event) == script.expected(speed: speed))
    }

    /// Their time begins when they start, and a loss is told once.
    @Test func aLossIsCountedFromTheBeginning() {
        var description = VirtualSpec.made("l4,count=2,lost=1@0.001-0.002").drilled
        description.noise = .none
        var paced = PacedAccelerator(
            VirtualAccelerator(description, models: Self.models, seed: 5), speed: 1, epoch: 5_000_000)
        paced.begin(at: 7_000_000)
        #expect(paced.nextWake == 8_000_000)
        var due: [PacedAccelerator.Due] = []
        let lost = Job(id: 0, device: 1, model: 3, rows: 1, noiseKey: 1)
        paced.submit(lost, at: 7_000_000)
        paced.begin(at: 7_500_000)
        #expect(!paced.isAway(1, at: 7_999_999) && paced.isAway(1, at: 8_000_000))
        paced.submit(Job(id: 1, device: 1, model: 0, rows: 1, noiseKey: 2), at: 8_500_000)
        #expect(paced.liveJobs == 1)
        paced.step(to: 8_999_999, into: &due)
        #expect(due.filter { $0.event.kind != .copiedIn }.map(\.event.kind) == [.deviceLost(1), .dropped, .dropped])
        #expect(due.last?.at == 8_500_000 && paced.liveJobs == 0)
        #expect(!paced.isAway(1, at: 9_000_000) && !paced.isAway(0, at: 9_000_000))
    }

    @Test func aClockThatGoesBackIsWaitedFor() {
        let script = Script(seed: 9, noisy: false)
        var paced = script.paced(speed: 1)
        paced.submit(script.jobs[0].job, at: script.epoch + 5_000_000)
        paced.submit(script.jobs[1].job, at: script.epoch + 1_000_000)
        var due: [PacedAccelerator.Due] = []
        paced.step(to: script.epoch + 4_000_000, into: &due)
        #expect(due.isEmpty)
        paced.step(to: script.epoch + 1_000_000_000, into: &due)
        #expect(due.count == 6)
    }

    /// A model that joins while others run changes nothing for them.
    @Test func modelsMayJoinLater() {
        let script = Script(seed: 11, noisy: true)
        var paced = PacedAccelerator(
            VirtualAccelerator(script.description, models: [], seed: 5), speed: 1, epoch: script.epoch)
        var due: [PacedAccelerator.Due] = []
        for (index, model) in Self.models.enumerated() { #expect(paced.add(model) == index) }
        for (at, job) in script.jobs { paced.submit(job, at: at) }
        paced.step(to: .max / 4, into: &due)
        #expect(due.map(\.event) == script.expected(speed: 1))
    }

    @Test func quantilesAreThoseOfWhatWasCounted() {
        var errors = PacingErrors()
        #expect(errors.quantile(0.5) == nil)
        for value in 1...1000 { errors.note(Int64(value) * 1000) }
        errors.note(-5)
        #expect(errors.count == 1001)
        #expect(errors.maximum == 1_000_000)
        for (share, value) in [(0.5, 500_000.0), (0.99, 990_000), (0.999, 999_000)] {
            let quantile = Double(errors.quantile(share) ?? 0)
            #expect(quantile >= value * 0.999 && quantile <= value * 1.07, "\(share): \(quantile)")
        }
        #expect(errors.quantile(1) == 1_000_000)
        errors.note(.max)
        #expect(errors.quantile(1) == (1 << 40) - 1)
    }

    /// Each number is in a bucket that ends at it or above, but not far above.
    @Test func bucketsAreNarrow() {
        for exponent in 0..<39 {
            for value in [Int64(1) << exponent, (Int64(1) << exponent) + 1, (Int64(3) << exponent) / 2] {
                var errors = PacingErrors()
                errors.note(value)
                errors.note(1 << 41)
                let end = errors.quantile(0.5) ?? 0
                #expect(end >= value && Double(end) <= Double(value) * 1.07, "\(value): \(end)")
            }
        }
    }
}

extension VirtualSpec {
    /// What a test asks for.
    static func made(_ text: String) -> VirtualSpec {
        do { return try VirtualSpec(text) } catch { preconditionFailure("\(error)") }
    }
}

/// SplitMix64.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
