// SPDX-License-Identifier: Apache-2.0

internal import VirtualAccelerator

/// Simulated devices whose time passes as a host's does, or faster or slower by a factor. A value: whoever holds it says
/// what time it is.
///
/// All times here are the host's, in nanoseconds of its monotonic clock; what happens does so at the very instants at
/// which the physics alone would have it happen for the same jobs.
struct PacedAccelerator: Sendable {
    /// Something that happened on a device, and when it was to be told.
    struct Due: Sendable, Hashable {
        var event: AcceleratorEvent
        var at: Int64
    }

    private(set) var physics: VirtualAccelerator
    private let speed: Double
    private var epoch: Int64
    /// How far the devices' own time has come.
    private var latest: Int64 = 0
    /// What happened and was not taken yet.
    private var happened: [AcceleratorEvent] = []

    /// - Parameters:
    ///   - speed: nanoseconds of the devices' time to one of the host's.
    ///   - epoch: the host's time when the devices' begins.
    init(_ physics: VirtualAccelerator, speed: Double, epoch: Int64) {
        precondition(speed > 0, "time passes")
        self.physics = physics
        self.speed = speed
        self.epoch = epoch
    }

    /// Jobs that were submitted and whose last event was not taken yet.
    var liveJobs: Int {
        physics.liveJobs
            + happened.count { event in
                switch event.kind {
                case .finished, .dropped: true
                default: false
                }
            }
    }

    /// When to take what happens next; nil when nothing will. What is submitted until then may bring it forward.
    var nextWake: Int64? { (happened.first?.time ?? physics.nextTold).map(hostTime) }

    /// Adds a model; its position.
    mutating func add(_ model: KernelModel) -> Int { physics.add(model) }

    /// Lets the devices' time begin now, unless it has passed already.
    mutating func begin(at now: Int64) { if latest == 0, liveJobs == 0 { epoch = now } }

    /// Whether a device is gone now.
    mutating func isAway(_ device: Int, at now: Int64) -> Bool {
        pass(to: now)
        return physics.isAway(device)
    }

    /// Hands in a job now.
    mutating func submit(_ job: Job, at now: Int64) {
        pass(to: now)
        physics.submit(job, at: latest)
    }

    /// Takes what has happened until now, in the order in which it did; appends to `events`.
    mutating func step(to now: Int64, into events: inout [Due]) {
        pass(to: now)
        for event in happened { events.append(Due(event: event, at: hostTime(event.time))) }
        happened.removeAll(keepingCapacity: true)
    }

    private mutating func pass(to now: Int64) {
        latest = max(latest, deviceTime(now))
        physics.advance(to: latest, into: &happened)
    }

    private func deviceTime(_ now: Int64) -> Int64 {
        speed == 1 ? now - epoch : Int64(Double(now - epoch) * speed)
    }

    /// The first nanosecond of the host's at which the devices' time has come to one of theirs.
    private func hostTime(_ time: Int64) -> Int64 {
        guard speed != 1 else { return epoch + time }
        var host = epoch + Int64(Double(time) / speed)
        while deviceTime(host) < time { host += 1 }
        return host
    }
}
