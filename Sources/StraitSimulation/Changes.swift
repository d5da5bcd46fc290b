// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import VirtualAccelerator

/// What changes while a scenario runs, by name: the events that evaluations ask for most.
package enum Change: String, Sendable, Hashable, CaseIterable {
    /// Nothing.
    case none
    /// All devices' clocks fall by a quarter at half time.
    case clock
    /// The first model becomes 1.4 times slower at half time.
    case model
    /// Somebody else takes part of each device in the middle third.
    case neighbour

    /// What it stands for.
    package var events: [ChangeEvent] {
        switch self {
        case .none: []
        case .clock: [.clock(factor: 0.75, at: .share(0.5))]
        case .model: [.model(0, factor: 1.4, at: .share(0.5))]
        case .neighbour:
            [
                .neighbour(
                    ResourceDemand(compute: 0.3, bandwidth: 0.3, cache: 0.3), from: .share(1.0 / 3),
                    until: .share(2.0 / 3))
            ]
        }
    }
}

/// Something that changes about the devices on the way. A device's position of nil means all of them.
package enum ChangeEvent: Sendable, Hashable {
    /// A clock is a factor of its normal one from then on.
    case clock(factor: Double, at: Moment, device: Int? = nil)
    /// A clock goes evenly to a factor of its normal one, and stays there.
    case throttle(factor: Double, from: Moment, until: Moment, device: Int? = nil)
    /// Batches of a model that start from then on take this many times their normal time.
    case model(Int, factor: Double, at: Moment)
    /// Somebody else uses part of a device.
    case neighbour(ResourceDemand, from: Moment, until: Moment, device: Int? = nil)
    /// A device is gone, with all that is on it, and is back, or never where `until` is nil.
    case lost(Int, from: Moment, until: Moment?)
}

/// A point in a run: a time, or a share of how long requests arrive.
package enum Moment: Sendable, Hashable {
    /// Seconds from the start.
    case seconds(Double)
    /// A share of the scenario's duration, 0…1.
    case share(Double)

    /// When it is in a run of a duration.
    package func instant(in duration: Duration) -> Instant {
        switch self {
        case .seconds(let seconds): .zero + .seconds(seconds)
        case .share(let share): .zero + duration * share
        }
    }
}

extension Scenario {
    /// The devices' truth.
    func accelerator(seed: UInt64) -> VirtualAccelerator {
        var device = SimulatedDevice()
        device.link = link
        device.streams = streams
        device.isShared = isShared
        device.leakage = leakage
        if uplink != nil { device.link.uplink = 0 }
        var description = AcceleratorDescription(devices: Array(repeating: device, count: devices))
        description.physics = physics
        description.noise = noise
        description.uplinks = uplink.map { [$0] } ?? []
        for event in change.events + changes { apply(event, to: &description) }
        for index in description.devices.indices { description.devices[index].clock.sort { $0.at < $1.at } }
        description.modelChanges.sort { $0.at < $1.at }
        return VirtualAccelerator(description, models: models.map(\.kernels), seed: seed)
    }

    private func apply(_ event: ChangeEvent, to description: inout AcceleratorDescription) {
        func time(_ moment: Moment) -> Int64 { moment.instant(in: duration).nanoseconds }
        func each(_ device: Int?) -> Range<Int> { device.map { $0..<$0 + 1 } ?? description.devices.indices }
        switch event {
        case .clock(let factor, let at, let device):
            for index in each(device) {
                description.devices[index].clock.append(ClockChange(at: time(at), factor: factor))
            }
        case .throttle(let factor, let from, let until, let device):
            for index in each(device) {
                let steps = Self.ramp(
                    from: description.devices[index].clock.last { $0.at <= time(from) }?.factor ?? 1, to: factor,
                    between: time(from), time(until))
                description.devices[index].clock += steps
            }
        case .model(let model, let factor, let at):
            description.modelChanges.append(ModelChange(at: time(at), model: model, factor: factor))
        case .neighbour(let demand, let from, let until, let device):
            for index in each(device) {
                description.devices[index].neighbours.append(
                    Neighbour(from: time(from), until: time(until), demand: demand))
            }
        case .lost(let device, let from, let until):
            description.devices[device].outages.append(Outage(from: time(from), until: until.map(time) ?? .max))
        }
    }

    /// Even steps from one clock to another.
    private static func ramp(from start: Double, to end: Double, between from: Int64, _ until: Int64) -> [ClockChange] {
        (1...rampSteps).map { step in
            let share = Double(step) / Double(rampSteps)
            return ClockChange(
                at: from + Int64(Double(until - from) * share), factor: start + (end - start) * share)
        }
    }

    /// Small enough for a tenth of a clock to be a smooth ramp.
    private static let rampSteps = 20
}
