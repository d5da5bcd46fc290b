// SPDX-License-Identifier: Apache-2.0

// Devices that go, with all that is on them, and come back.

/// Which devices are there, and when that changes.
struct DevicePresence: Sendable {
    private struct Turn: Sendable {
        let at: Int64
        let device: Int
        let isBack: Bool
    }

    private var turns: [Turn] = []
    private var position = 0
    private(set) var isAway: [Bool]
    /// Jobs that were handed in on a device that is gone, which is not told yet.
    private var turnedAway: [Job] = []

    init(_ devices: [SimulatedDevice]) {
        isAway = devices.map { _ in false }
        for (device, description) in devices.enumerated() {
            for outage in description.outages {
                precondition(outage.from < outage.until, "an outage lasts")
                turns.append(Turn(at: outage.from, device: device, isBack: false))
                if outage.until < .max { turns.append(Turn(at: outage.until, device: device, isBack: true)) }
            }
        }
        // Who comes back at an instant does so before another goes.
        turns.sort { ($0.at, $0.isBack ? 0 : 1, $0.device) < ($1.at, $1.isBack ? 0 : 1, $1.device) }
    }

    /// When something happens next; `.max` when nothing will, nil for at once.
    var next: Int64? {
        guard turnedAway.isEmpty else { return nil }
        return position < turns.count ? turns[position].at : .max
    }

    /// Whether a job's device is gone; the job is dropped then.
    mutating func turnAway(_ job: Job) -> Bool {
        guard isAway[job.device] else { return false }
        turnedAway.append(job)
        return true
    }

    /// Jobs that were turned away and not told yet.
    mutating func takeTurnedAway() -> [Job] {
        guard !turnedAway.isEmpty else { return [] }
        defer { turnedAway = [] }
        return turnedAway
    }

    /// The next change that is due.
    mutating func takeTurn(at now: Int64) -> (device: Int, isBack: Bool)? {
        guard position < turns.count, turns[position].at <= now else { return nil }
        defer { position += 1 }
        isAway[turns[position].device] = !turns[position].isBack
        return (turns[position].device, turns[position].isBack)
    }

    /// All devices are there for ever.
    mutating func forgetOutages() {
        position = turns.count
        turnedAway = []
        for device in isAway.indices { isAway[device] = false }
    }
}

extension VirtualAccelerator {
    /// Whether a device is gone at the time to which the devices were advanced.
    package func isAway(_ device: Int) -> Bool { presence.isAway[device] }

    /// The same devices with the same jobs as if all were there and none ever went: what can be known who does not see
    /// outages come.
    package var withoutOutages: VirtualAccelerator {
        var steady = self
        steady.presence.forgetOutages()
        return steady
    }

    mutating func changePresence(_ events: inout [AcceleratorEvent]) {
        for job in presence.takeTurnedAway() {
            events.append(AcceleratorEvent(time: now, job: job.id, kind: .dropped))
        }
        while let (device, isBack) = presence.takeTurn(at: now) {
            events.append(
                AcceleratorEvent(time: now, job: -1, kind: isBack ? .deviceReturned(device) : .deviceLost(device)))
            if !isBack { drop(device, &events) }
        }
    }

    /// Drops all that is on a device.
    private mutating func drop(_ device: Int, _ events: inout [AcceleratorEvent]) {
        copiesIn.drop(device, at: now)
        kernels[device].drop(at: now)
        copiesOut.drop(device, at: now)
        kills.removeAll { records[$0.index].job.device == device }
        for index in records.indices where records[index].stage != .gone && records[index].job.device == device {
            events.append(AcceleratorEvent(time: now, job: records[index].job.id, kind: .dropped))
            free(index)
        }
    }
}
