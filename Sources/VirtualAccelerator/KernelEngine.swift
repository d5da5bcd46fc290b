// SPDX-License-Identifier: Apache-2.0

/// The kernels on one device: which run, how fast, and when the next thing happens to one of them.
struct KernelEngine: Sendable {
    /// Whether and how a batch is stopped.
    enum Hold: Sendable, Hashable {
        /// It runs.
        case none
        /// What was launched runs out: so many nanoseconds at full speed are left.
        case draining(Double)
        /// It stands still.
        case held
        /// It stands still until then, being launched again.
        case relaunching(until: Int64)
    }

    struct Kernel: Sendable {
        var job: Int
        var model: Int
        var rows: Int
        /// Whether its stream is high, which counts where streams have priorities.
        var isHigh: Bool
        /// −1 while it hangs.
        var phase: Int
        /// Nanoseconds left of the phase at full speed.
        var remaining: Double
        var speed = 1.0
        /// What the whole batch takes, noise and change included.
        var time: Double
        var key: UInt64
        var hold = Hold.none
        /// Since when it has stood still, while it does, and for how long before.
        var heldSince: Int64 = 0
        var heldTime: Int64 = 0

        /// Whether it uses the device.
        var moves: Bool {
            switch hold {
            case .none, .draining: true
            case .held, .relaunching: false
            }
        }
    }

    private let device: SimulatedDevice
    private let physics: Physics
    private var priority: StreamPriority?
    private let noise: NoiseLevels
    let preemption: PreemptionCosts
    var courses: [KernelCourse]
    var running: [Kernel] = []
    var waiting: [Kernel] = []
    private var updatedAt: Int64 = 0
    /// When something happens next; `.max` when nothing will.
    private(set) var next = Int64.max
    /// For how long each job that `advance` called done had stood still.
    private(set) var heldTimes: [Int64] = []
    private var demands: [SharedDemand] = []
    private var speeds: [Double] = []

    init(
        _ device: SimulatedDevice, physics: Physics, noise: NoiseLevels, preemption: PreemptionCosts,
        courses: [KernelCourse]
    ) {
        precondition(device.streams > 0, "a device needs at least one stream")
        self.device = device
        self.physics = physics
        priority = device.leakage.map(StreamPriority.init)
        self.noise = noise
        self.preemption = preemption
        self.courses = courses
    }

    /// Starts a batch, or lets it wait for a stream.
    ///
    /// - Parameters:
    ///   - isHigh: whether its stream is high.
    ///   - isHeld: whether it stands still until it is resumed.
    /// - Returns: whether it started.
    mutating func start(
        job: Int, model: Int, rows: Int, isHigh: Bool, slowdown: Double, key: UInt64, isHeld: Bool, at now: Int64
    ) -> Bool {
        let solo = Double(courses[model].model.soloTime(rows: rows))
        var time = solo * slowdown * Noise.batchFactor(noise, Noise.mix(key, 0))
        if noise.times == .exponential { time *= Noise.exponential(Noise.mix(key, 103)) }
        var kernel = Kernel(
            job: job, model: model, rows: rows, isHigh: isHigh, phase: -1, remaining: 0, time: time, key: key)
        if Noise.unit(Noise.mix(key, 1)) < noise.hiccups {
            let span = Double(noise.longestHiccup - noise.shortestHiccup)
            kernel.remaining = Double(noise.shortestHiccup) + span * Noise.unit(Noise.mix(key, 2))
        }
        if isHeld {
            kernel.hold = .held
            kernel.heldSince = now
        }
        guard running.count < device.streams else {
            waiting.append(kernel)
            return false
        }
        progress(to: now)
        enter(kernel)
        refresh(at: now)
        return true
    }

    /// Lets kernels run until `now`, which is not later than `next`.
    ///
    /// - Parameters:
    ///   - done: gets the jobs whose kernels are done.
    ///   - started: gets the jobs that waited for a stream and start now.
    mutating func advance(to now: Int64, done: inout [Int], started: inout [Int]) {
        progress(to: now)
        heldTimes.removeAll(keepingCapacity: true)
        var index = 0
        while index < running.count {
            // The next instant was rounded up, so what ends now has nothing left.
            while running[index].remaining <= 0, running[index].phase < courses[running[index].model].phases.count {
                beginNextPhase(of: index)
            }
            if running[index].phase >= courses[running[index].model].phases.count {
                done.append(running[index].job)
                heldTimes.append(running[index].heldTime)
                running.remove(at: index)
            } else {
                running[index].turn(at: now)
                index += 1
            }
        }
        admitWaiting(&started)
        refresh(at: now)
    }

    mutating func admitWaiting(_ started: inout [Int]) {
        while running.count < device.streams, !waiting.isEmpty {
            started.append(waiting[0].job)
            enter(waiting.removeFirst())
        }
    }

    private mutating func enter(_ kernel: Kernel) {
        running.append(kernel)
        if kernel.remaining <= 0 { beginNextPhase(of: running.count - 1) }
    }

    private mutating func beginNextPhase(of index: Int) {
        running[index].phase += 1
        let phases = courses[running[index].model].phases
        guard running[index].phase < phases.count else { return }
        let luck = Noise.mix(running[index].key, UInt64(3 + running[index].phase))
        running[index].remaining =
            running[index].time * phases[running[index].phase].share * Noise.factor(sigma: noise.phase, luck)
    }

    mutating func progress(to now: Int64) {
        let elapsed = Double(now - updatedAt)
        updatedAt = now
        guard elapsed > 0 else { return }
        for index in running.indices { running[index].pass(elapsed) }
    }

    /// Finds everybody's speed from now on, and the next instant at which that changes.
    mutating func refresh(at now: Int64) {
        next = .max
        guard !running.isEmpty else { return }
        demands.removeAll(keepingCapacity: true)
        for kernel in running where kernel.phase >= 0 && kernel.moves {
            demands.append(
                SharedDemand(
                    demand: courses[kernel.model].demand(rows: kernel.rows, phase: kernel.phase),
                    cacheSensitivity: courses[kernel.model].model.cacheSensitivity,
                    user: kernel.isHigh ? .high : .low))
        }
        for neighbour in device.neighbours {
            if neighbour.from > now { next = min(next, neighbour.from) }
            if neighbour.until > now { next = min(next, neighbour.until) }
            if neighbour.from <= now, neighbour.until > now {
                demands.append(SharedDemand(demand: neighbour.demand, cacheSensitivity: 0, user: .neighbour))
            }
        }
        var clock = 1.0
        for change in device.clock {
            if change.at <= now { clock = change.factor } else { next = min(next, change.at) }
        }
        if device.isShared {
            physics.speeds(of: demands, into: &speeds)
            priority?.favour(demands, under: physics, speeds: &speeds)
        } else {
            speeds.removeAll(keepingCapacity: true)
            for _ in demands { speeds.append(1) }
        }
        var position = 0
        for index in running.indices {
            guard running[index].moves else {
                running[index].speed = 0
                if case .relaunching(let until) = running[index].hold { next = min(next, until) }
                continue
            }
            if running[index].phase < 0 {
                running[index].speed = 1  // a hiccup takes its time whatever the clock
            } else {
                running[index].speed = speeds[position] * clock
                position += 1
            }
            next = min(next, now + nanosecondsUp(running[index].leftUntilTurn / running[index].speed))
        }
    }
}
