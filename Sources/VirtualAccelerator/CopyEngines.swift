// SPDX-License-Identifier: Apache-2.0

/// The copy engines of all devices in one direction: one each, first in first out, some behind a shared uplink.
struct CopyEngines: Sendable {
    private struct Transfer: Sendable {
        var job: Int
        var bytes: Double
        /// Bytes per nanosecond of its memory and its link.
        var ownRate: Double
    }

    private struct Engine: Sendable {
        let overhead: Int64
        let uplink: Int?
        var queue: [Transfer] = []
        /// The transfer that is served, if any, and since when.
        var current: Transfer?
        /// When its bytes begin to flow.
        var flowsAt: Int64 = 0
        var remaining = 0.0
        var rate = 0.0

        func flows(at now: Int64) -> Bool { current != nil && flowsAt <= now }
    }

    private var engines: [Engine]
    /// Bytes per nanosecond of each uplink.
    private let uplinks: [Double]
    private var updatedAt: Int64 = 0
    /// When something happens next; `.max` when nothing will.
    private(set) var next = Int64.max

    init(_ description: AcceleratorDescription) {
        engines = description.devices.map { Engine(overhead: $0.link.overhead, uplink: $0.link.uplink) }
        uplinks = description.uplinks.map { $0 / 1e9 }
        for engine in engines {
            precondition(
                engine.uplink.map { uplinks.indices.contains($0) } ?? true, "a device names an uplink there is")
        }
    }

    /// Adds a copy at the end of a device's queue.
    ///
    /// - Parameter rate: bytes per second when nobody else uses the uplink.
    /// - Returns: whether its service starts at once.
    mutating func submit(job: Int, device: Int, bytes: Double, rate: Double, at now: Int64) -> Bool {
        let transfer = Transfer(job: job, bytes: bytes, ownRate: rate / 1e9)
        guard engines[device].current == nil else {
            engines[device].queue.append(transfer)
            return false
        }
        progress(to: now)
        serve(transfer, on: device, at: now)
        refresh(at: now)
        return true
    }

    /// Lets bytes flow until `now`, which is not later than `next`.
    ///
    /// - Parameters:
    ///   - done: gets the jobs whose copy is done.
    ///   - started: gets the jobs whose service starts now.
    mutating func advance(to now: Int64, done: inout [Int], started: inout [Int]) {
        progress(to: now)
        for device in engines.indices {
            // A byte or less: the next instant was rounded up to a nanosecond.
            guard engines[device].flows(at: now), engines[device].remaining <= 1e-6,
                let current = engines[device].current
            else { continue }
            done.append(current.job)
            engines[device].current = nil
            guard !engines[device].queue.isEmpty else { continue }
            let transfer = engines[device].queue.removeFirst()
            started.append(transfer.job)
            serve(transfer, on: device, at: now)
        }
        refresh(at: now)
    }

    /// Takes a copy out, served or not.
    ///
    /// - Parameter started: gets the job whose service starts now in its place.
    mutating func cancel(job: Int, device: Int, at now: Int64, started: inout [Int]) {
        guard engines[device].current?.job == job else {
            engines[device].queue.removeAll { $0.job == job }
            return
        }
        progress(to: now)
        engines[device].current = nil
        if !engines[device].queue.isEmpty {
            let transfer = engines[device].queue.removeFirst()
            started.append(transfer.job)
            serve(transfer, on: device, at: now)
        }
        refresh(at: now)
    }

    /// Takes all copies of a device out.
    mutating func drop(_ device: Int, at now: Int64) {
        progress(to: now)
        engines[device].queue.removeAll()
        engines[device].current = nil
        refresh(at: now)
    }

    private mutating func serve(_ transfer: Transfer, on device: Int, at now: Int64) {
        engines[device].current = transfer
        engines[device].flowsAt = now + engines[device].overhead
        engines[device].remaining = transfer.bytes
        engines[device].rate = 0
    }

    private mutating func progress(to now: Int64) {
        let elapsed = Double(now - updatedAt)
        updatedAt = now
        guard elapsed > 0 else { return }
        for device in engines.indices { engines[device].remaining -= elapsed * engines[device].rate }
    }

    private mutating func refresh(at now: Int64) {
        for device in engines.indices {
            engines[device].rate = engines[device].flows(at: now) ? engines[device].current?.ownRate ?? 0 : 0
        }
        for (uplink, capacity) in uplinks.enumerated() { share(uplink, capacity) }
        next = .max
        for engine in engines where engine.current != nil {
            if engine.flows(at: now) {
                next = min(next, now + nanosecondsUp(engine.remaining / engine.rate))
            } else {
                next = min(next, engine.flowsAt)
            }
        }
    }

    /// Shares an uplink max-min fairly among those whose bytes flow through it.
    private mutating func share(_ uplink: Int, _ capacity: Double) {
        var asked = 0.0
        for engine in engines where engine.uplink == uplink { asked += engine.rate }
        guard asked > capacity else { return }
        let members = engines.indices.filter { engines[$0].uplink == uplink && engines[$0].rate > 0 }
        let level = waterLevel(of: members.count, capacity: capacity) { engines[members[$0]].rate }
        for member in members { engines[member].rate = min(engines[member].rate, level) }
    }
}
