// SPDX-License-Identifier: Apache-2.0

// VirtualAccelerator: the physics of simulated devices: kernels as phases, contention, copies, noise and drift. Pure,
// stepped by anyone's clock, and sharing nothing with the scheduler's estimator, so that it can be wrong about it.

/// One or more simulated devices. Jobs go through copy in, kernels and copy out; time moves when it is told to.
///
/// A value: the same jobs at the same times give the same events, on every machine. Times are nanoseconds since the
/// start and never go back.
package struct VirtualAccelerator: Sendable {
    /// The devices.
    package let description: AcceleratorDescription
    /// The models.
    package private(set) var models: [KernelModel]

    /// How far a job has come.
    enum Stage: Sendable {
        case copyingIn
        case onKernels
        case copyingOut
        case gone
    }

    struct Record: Sendable {
        var job: Job
        var stage = Stage.copyingIn
        /// Whether its kernels stand still when they start.
        var isHeld = false
        var key: UInt64
        var startedAt: Int64 = 0
        var times = ServiceTimes()
    }

    private let seed: UInt64
    var now: Int64 = 0
    var records: [Record] = []
    var freeRecords: [Int] = []
    var copiesIn: CopyEngines
    var copiesOut: CopyEngines
    var kernels: [KernelEngine]
    /// Jobs that are being killed and when they will be gone, in that order.
    var kills: [(at: Int64, index: Int)] = []
    private var done: [Int] = []
    var started: [Int] = []
    var presence: DevicePresence

    /// Idle devices at time 0.
    ///
    /// - Parameter seed: decides all that is left to chance.
    package init(_ description: AcceleratorDescription, models: [KernelModel], seed: UInt64) {
        self.description = description
        self.models = models
        self.seed = seed
        copiesIn = CopyEngines(description)
        copiesOut = CopyEngines(description)
        presence = DevicePresence(description.devices)
        let courses = models.map(KernelCourse.init)
        kernels = description.devices.map {
            KernelEngine(
                $0, physics: description.physics, noise: description.noise, preemption: description.preemption,
                courses: courses)
        }
    }

    /// Jobs that were submitted and have not finished.
    package var liveJobs: Int { records.count - freeRecords.count }

    /// Adds a model behind the others.
    ///
    /// - Returns: its position.
    @discardableResult
    package mutating func add(_ model: KernelModel) -> Int {
        models.append(model)
        let course = KernelCourse(model)
        for device in kernels.indices { kernels[device].courses.append(course) }
        return models.count - 1
    }

    /// When something happens next of which somebody is told; nil when nothing will. What is submitted until then may
    /// bring it forward.
    ///
    /// - Complexity: that of `advance` until then, on a copy.
    package var nextTold: Int64? {
        var future = self
        var events: [AcceleratorEvent] = []
        while let next = future.nextEvent {
            future.advance(to: next, into: &events)
            if let first = events.first { return first.time }
        }
        return nil
    }

    /// When something happens next, a change that nobody is told of included; nil when nothing will.
    package var nextEvent: Int64? {
        var next = min(copiesIn.next, copiesOut.next)
        for engine in kernels { next = min(next, engine.next) }
        if let kill = kills.first { next = min(next, kill.at) }
        next = min(next, presence.next ?? now)
        return next == .max ? nil : next
    }

    /// Hands in a job at a time: its copy in joins its device's queue. Whatever was due before must have been taken
    /// with `advance`. On a device that is gone it is dropped at once.
    package mutating func submit(_ job: Job, at time: Int64) {
        precondition(time >= now && time <= nextEvent ?? .max, "jobs are handed in in the order of time")
        precondition(job.rows > 0 && job.rows <= models[job.model].maximumRows, "a batch is within its model's bounds")
        now = time
        guard !presence.turnAway(job) else { return }
        let key = Noise.mix(seed, job.noiseKey)
        let record = Record(job: job, key: key, startedAt: time)
        let index: Int
        if let free = freeRecords.popLast() {
            index = free
            records[index] = record
        } else {
            index = records.count
            records.append(record)
        }
        _ = copiesIn.submit(
            job: index, device: job.device,
            bytes: bytes(job.bytesIn, models[job.model].bytesInPerRow, of: job, luck: Noise.mix(key, 101)),
            rate: rate(for: job),
            at: time)
    }

    /// Lets time pass until `limit`; appends to `events`, in the order of time, what is to be told of it.
    package mutating func advance(to limit: Int64, into events: inout [AcceleratorEvent]) {
        while let time = nextEvent, time <= limit {
            now = time
            advanceCopiesIn(&events)
            for device in kernels.indices where kernels[device].next <= now { advanceKernels(on: device, &events) }
            advanceCopiesOut(&events)
            carryOutKills(&events)
            changePresence(&events)
        }
        now = max(now, limit)
    }

    private mutating func advanceCopiesIn(_ events: inout [AcceleratorEvent]) {
        guard copiesIn.next <= now else { return }
        clearLists()
        copiesIn.advance(to: now, done: &done, started: &started)
        for index in done {
            let job = records[index].job
            records[index].times.copyIn = now - records[index].startedAt
            records[index].startedAt = now
            records[index].stage = .onKernels
            events.append(AcceleratorEvent(time: now, job: job.id, kind: .copiedIn))
            _ = kernels[job.device].start(
                job: index, model: job.model, rows: job.rows, isHigh: job.isHigh,
                slowdown: slowdown(of: job.model), key: records[index].key, isHeld: records[index].isHeld, at: now)
        }
        for index in started { records[index].startedAt = now }
    }

    private mutating func advanceKernels(on device: Int, _ events: inout [AcceleratorEvent]) {
        clearLists()
        kernels[device].advance(to: now, done: &done, started: &started)
        for (position, index) in done.enumerated() {
            let job = records[index].job
            records[index].times.kernels = now - records[index].startedAt - kernels[device].heldTimes[position]
            records[index].startedAt = now
            records[index].stage = .copyingOut
            // What ends before it is gone was not killed.
            kills.removeAll { $0.index == index }
            events.append(AcceleratorEvent(time: now, job: job.id, kind: .kernelsDone))
            _ = copiesOut.submit(
                job: index, device: device,
                bytes: bytes(
                    job.bytesOut, models[job.model].bytesOutPerRow, of: job, luck: Noise.mix(records[index].key, 102)),
                rate: rate(for: job), at: now)
        }
        for index in started { records[index].startedAt = now }
    }

    private mutating func advanceCopiesOut(_ events: inout [AcceleratorEvent]) {
        guard copiesOut.next <= now else { return }
        clearLists()
        copiesOut.advance(to: now, done: &done, started: &started)
        for index in done {
            records[index].times.copyOut = now - records[index].startedAt
            events.append(
                AcceleratorEvent(time: now, job: records[index].job.id, kind: .finished(records[index].times)))
            free(index)
        }
        for index in started { records[index].startedAt = now }
    }

    mutating func free(_ index: Int) {
        records[index].stage = .gone
        freeRecords.append(index)
    }

    mutating func clearLists() {
        done.removeAll(keepingCapacity: true)
        started.removeAll(keepingCapacity: true)
    }

    private func rate(for job: Job) -> Double {
        let link = description.devices[job.device].link
        return models[job.model].isPinned ? link.pinnedRate : link.pageableRate
    }

    private func bytes(_ known: Int?, _ bytesPerRow: Int, of job: Job, luck: UInt64) -> Double {
        Double(known ?? bytesPerRow * job.rows) * Noise.factor(sigma: description.noise.copy, luck)
    }

    private func slowdown(of model: Int) -> Double {
        var factor = 1.0
        for change in description.modelChanges where change.model == model && change.at <= now {
            factor = change.factor
        }
        return factor
    }
}

/// A batch to run.
package struct Job: Sendable, Hashable {
    /// The caller's number for it, which its events carry.
    package var id: Int
    /// The device's position.
    package var device: Int
    /// The model's position.
    package var model: Int
    /// Rows, at least 1.
    package var rows: Int
    /// What its luck depends on, with the seed: name the work, not the run, and policies can be compared under the same
    /// luck.
    package var noiseKey: UInt64
    /// Whether it runs on a high stream, which counts on devices whose streams have priorities.
    package var isHigh: Bool
    /// Bytes to copy to the device; nil for what its model says of its rows.
    package var bytesIn: Int?
    /// Bytes to copy back; nil for what its model says of its rows.
    package var bytesOut: Int?

    /// A job.
    package init(id: Int, device: Int, model: Int, rows: Int, noiseKey: UInt64, isHigh: Bool = false) {
        self.id = id
        self.device = device
        self.model = model
        self.rows = rows
        self.noiseKey = noiseKey
        self.isHigh = isHigh
    }
}

/// How long a job was served, in nanoseconds, waiting for its turn not counted.
package struct ServiceTimes: Sendable, Hashable {
    /// Copying to the device.
    package var copyIn: Int64 = 0
    /// The kernels, slowed down by co-runners or not.
    package var kernels: Int64 = 0
    /// Copying back.
    package var copyOut: Int64 = 0

    /// No time.
    package init() {}
}

/// What happened to a job.
package struct AcceleratorEvent: Sendable, Hashable {
    /// What can happen, in this order.
    package enum Kind: Sendable, Hashable {
        /// Its inputs are on the device; its kernels start, or wait for a stream.
        case copiedIn
        /// Its kernels are done; its results are being copied back, or wait for that.
        case kernelsDone
        /// Its results are on the host.
        case finished(ServiceTimes)
        /// It was killed and is gone, after it was served for so long.
        case killed(ServiceTimes)
        /// It is gone with its device.
        case dropped
        /// A device is gone; what was on it is dropped next. No job's.
        case deviceLost(Int)
        /// A device is back, with nothing on it. No job's.
        case deviceReturned(Int)
    }

    /// When.
    package var time: Int64
    /// The caller's number of the job; −1 for what happens to a device.
    package var job: Int
    /// What.
    package var kind: Kind
}
