// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable internal import VirtualAccelerator

/// High batches on high streams: how fast they and the others are.
@Suite struct StreamPriorityTests {
    private static func kernel(
        _ user: SharedDemand.User, compute: Double = 0, bandwidth: Double = 0, cache: Double = 0,
        sensitivity: Double = 0
    ) -> SharedDemand {
        SharedDemand(
            demand: ResourceDemand(compute: compute, bandwidth: bandwidth, cache: cache),
            cacheSensitivity: sensitivity, user: user)
    }

    /// Without priorities, and with them.
    private static func speeds(
        _ kernels: [SharedDemand], leakage: Double, law: Physics = .waterfill
    ) -> (off: [Double], on: [Double]) {
        var off: [Double] = []
        law.speeds(of: kernels, into: &off)
        var on = off
        var priority = StreamPriority(leakage: leakage)
        priority.favour(kernels, under: law, speeds: &on)
        return (off, on)
    }

    private static func near(_ speeds: [Double], _ expected: [Double]) -> Bool {
        speeds.count == expected.count && zip(speeds, expected).allSatisfy { ($0 - $1).magnitude < 1e-9 }
    }

    @Test func `under waterfill a high kernel beside a low one feels the part that leaks, and the low one pays`() {
        // Each asks for 0.8 of the bandwidth and gets 0.5: a speed of 0.625, less 2.5 % for the other's launches.
        let shared = 0.625 / 1.025
        let (off, on) = Self.speeds(
            [Self.kernel(.high, bandwidth: 0.8), Self.kernel(.low, bandwidth: 0.8)], leakage: 0.35)
        #expect(Self.near(off, [shared, shared]))
        let high = 1 - 0.35 * (1 - shared)
        #expect(Self.near(on, [high, 2 * shared - high]))
    }

    @Test func `under thresholds it is the same`() {
        // 0.8 asked for beyond its own 0.8, at 0.45 each, and 2 % for the other's launches.
        let shared = 1 / (1 + 0.45 * 0.8 + 0.02)
        let (off, on) = Self.speeds(
            [Self.kernel(.low, bandwidth: 0.8), Self.kernel(.high, bandwidth: 0.8)], leakage: 0.6, law: .threshold)
        #expect(Self.near(off, [shared, shared]))
        let high = 1 - 0.6 * (1 - shared)
        #expect(Self.near(on, [2 * shared - high, high]))
    }

    @Test func `a smaller low kernel pays in work: speed times demand`() {
        // A high kernel asks for all compute, a low one for 0.3: water stands at 0.7.
        let kernels = [Self.kernel(.high, compute: 1), Self.kernel(.low, compute: 0.3)]
        let (off, on) = Self.speeds(kernels, leakage: 0.5)
        #expect(Self.near(off, [0.7 / 1.025, 1 / 1.025]))
        let gain = 0.5 * (1 - 0.7 / 1.025)
        // What the high one gains is 1 × gain of compute, of which 1 − 1 / 1.025 was left over before; in work nothing is.
        #expect(Self.near(on, [0.7 / 1.025 + gain, 1 / 1.025 - gain / 0.3]))
    }

    @Test func `where a resource is full, low ones pay in that one`() {
        // The low kernel's work is its bandwidth, but what the high one takes is compute.
        let kernels = [Self.kernel(.high, compute: 1), Self.kernel(.low, compute: 0.5, bandwidth: 1)]
        let (off, on) = Self.speeds(kernels, leakage: 0.8)
        #expect(Self.near(off, [0.5 / 1.025, 1 / 1.025]))
        let gain = 0.2 * (1 - 0.5 / 1.025)
        let spare = 1 - 1 / 1.025
        #expect(Self.near(on, [0.5 / 1.025 + gain, 1 / 1.025 - (gain - spare) / 0.5]))
        #expect((on[0] + 0.5 * on[1] - 1).magnitude < 1e-9)
    }

    @Test func `high ones are slowed down by each other as ever`() {
        // Three that ask for 0.8 get a third each; two of them alone would get a half.
        let kernels = [Self.kernel(.high, bandwidth: 0.8), Self.kernel(.high, bandwidth: 0.8)]
        let low = Self.kernel(.low, bandwidth: 0.8)
        let (off, on) = Self.speeds(kernels + [low], leakage: 0.5)
        let (all, pair) = (1 / 2.4 / 1.05, 0.625 / 1.025)
        #expect(Self.near(off, [all, all, all]))
        let high = (all + pair) / 2
        #expect(Self.near(on, [high, high, 3 * all - 2 * high]))
        let (alone, same) = Self.speeds(kernels, leakage: 0.5)
        #expect(alone == same)
    }

    @Test func `high ones gain no more than low ones can pay, who keep a tenth`() {
        // Ten low kernels of 0.01 cannot pay for a high one's time lost to their launches.
        let kernels =
            [Self.kernel(.high, compute: 1)] + (0..<10).map { _ in Self.kernel(.low, compute: 0.01) }
        let (off, on) = Self.speeds(kernels, leakage: 0)
        let tenLow = { (speed: Double) in Array(repeating: speed, count: 10) }
        // Water stands at 0.9 for the high one; launches of ten others take a quarter.
        #expect(Self.near(off, [0.72] + tenLow(0.8)))
        // Nine tenths of their work of 0.08 is the high one's.
        #expect(Self.near(on, [0.792] + tenLow(0.08)))
        // One that asks for nothing has nothing to pay with.
        let (idle, same) = Self.speeds([Self.kernel(.high, compute: 1), Self.kernel(.low)], leakage: 0)
        #expect(idle == same)
    }

    @Test func `somebody else on the device slows down as ever and pays nothing`() {
        let kernels = [
            Self.kernel(.high, bandwidth: 0.8), Self.kernel(.neighbour, bandwidth: 0.8),
            Self.kernel(.low, bandwidth: 0.8),
        ]
        let (all, pair) = (1 / 2.4 / 1.05, 0.625 / 1.025)
        let (_, on) = Self.speeds(kernels, leakage: 0)
        #expect(Self.near(on, [pair, all, 2 * all - pair]))
    }

    /// Kernels of all kinds.
    private static func kernels(_ key: UInt64) -> [SharedDemand] {
        (0..<2 + Noise.mix(key, 0) % 7).map { index in
            func unit(_ what: UInt64) -> Double { Noise.unit(Noise.mix(Noise.mix(key, index + 1), what)) }
            return kernel(
                unit(0) < 0.4 ? .high : unit(0) < 0.9 ? .low : .neighbour, compute: unit(1), bandwidth: unit(2),
                cache: unit(3), sensitivity: unit(4))
        }
    }

    @Test(arguments: Physics.allCases) func `nothing is made of nothing, and nobody stands still`(law: Physics) {
        var favoured = 0
        for key in 0..<UInt64(2000) {
            let kernels = Self.kernels(key)
            let leakage = Noise.unit(Noise.mix(key, 99))
            let (off, on) = Self.speeds(kernels, leakage: leakage, law: law)
            let most = Self.speeds(kernels, leakage: 0, law: law).on
            func total(_ speeds: [Double], _ part: (ResourceDemand) -> Double) -> Double {
                zip(kernels, speeds).reduce(0) { $0 + part($1.0.demand) * $1.1 }
            }
            #expect(total(on) { max($0.compute, $0.bandwidth) } <= total(off) { max($0.compute, $0.bandwidth) } + 1e-9)
            #expect(total(on, \.compute) <= max(1, total(off, \.compute)) + 1e-9)
            #expect(total(on, \.bandwidth) <= max(1, total(off, \.bandwidth)) + 1e-9)
            for (index, kernel) in kernels.enumerated() {
                switch kernel.user {
                case .high: #expect(on[index] >= off[index] && on[index] <= most[index] + 1e-9 && most[index] <= 1)
                case .low: #expect(on[index] <= off[index] && on[index] >= 0.1 * off[index] - 1e-12)
                case .neighbour: #expect(on[index] == off[index])
                }
            }
            if on != off { favoured += 1 }
        }
        #expect(favoured > 1000)
    }

    // -- whole batches --------------------------------------------------------------------------------------------

    @Test(arguments: Physics.allCases) func `off, or all leaking, is the same to the nanosecond`(law: Physics) {
        func events(_ leakage: Double?) -> [AcceleratorEvent] {
            var description = quiet(physics: law)
            description.noise = NoiseLevels()
            description.devices[0].leakage = leakage
            let models = (1...3).map { model(UInt64($0), bytesIn: 100_000) }
            let jobs = (0..<12).map { id in
                var job = job(id, model: id % 3, rows: 1 + id)
                job.isHigh = id % 2 == 0
                return job
            }
            return run(description, models, jobs, seed: 5)
        }
        #expect(events(nil) == events(1))
        #expect(events(nil) != events(0.9))
    }

    @Test func `a high batch beside a low one takes what the hand calculates`() throws {
        // Every phase asks for more than half of the bandwidth, so each gets a half whatever the other's phase.
        let course = { (seed: UInt64) in KernelCourse(model(seed, compute: 0.1, bandwidth: 0.75, cache: 0)) }
        func demands(_ seed: UInt64) -> [Double] {
            course(seed).phases.indices.map { course(seed).demand(rows: 32, phase: $0).bandwidth }
        }
        let seed = try #require((1...200).first { demands($0).allSatisfy { $0 > 0.5 && $0 < 0.999 } })
        var description = quiet()
        description.devices[0].leakage = 0.35
        // One low batch after the other.
        description.devices[0].streams = 2
        var high = job(0, rows: 32)
        high.isHigh = true
        let low = (1...3).map { job($0, rows: 32) }
        let events = run(description, [course(seed).model], [high] + low)
        let kernels = Double(try #require(times(of: 0, in: events)).kernels)
        var expected = 0.0
        for (phase, demand) in zip(course(seed).phases, demands(seed)) {
            let shared: Double = 0.5 / demand / 1.025
            expected += 17e6 * phase.share / (1 - 0.35 * (1 - shared))
        }
        #expect((kernels - expected).magnitude < 30)
        description.devices[0].leakage = nil
        let blind = run(description, [course(seed).model], [high] + low)
        #expect(Double(try #require(times(of: 0, in: blind)).kernels) > kernels + 1e6)
    }
}
