// SPDX-License-Identifier: Apache-2.0

/// The simulated devices and what happens to them over time. Times are nanoseconds since the start.
package struct AcceleratorDescription: Sendable, Hashable {
    /// The devices.
    package var devices: [SimulatedDevice]
    /// How co-runners slow each other down.
    package var physics = Physics.waterfill
    /// What is random.
    package var noise = NoiseLevels()
    /// What it costs to stop batches.
    package var preemption = PreemptionCosts()
    /// Models that become slower or faster at a time.
    package var modelChanges: [ModelChange] = []
    /// Bytes per second of each shared uplink and direction, by the number that devices name.
    package var uplinks: [Double] = []

    /// Devices that are all the same all the time.
    package init(devices: [SimulatedDevice]) { self.devices = devices }
}

/// One simulated device.
package struct SimulatedDevice: Sendable, Hashable {
    /// Batches whose kernels can run at the same time; more wait in the order of their copies.
    package var streams = 16
    /// Whether batches that run at the same time slow each other down.
    package var isShared = true
    /// Of the slow-down by low batches the part, 0…1, that high ones feel on a device whose streams have priorities; nil
    /// for one whose streams have none, which is the same as 1.
    package var leakage: Double?
    /// How it is linked to the host.
    package var link = Link()
    /// What its clock is from given times on, as a factor; ascending by time.
    package var clock: [ClockChange] = []
    /// Others that use the device for a while.
    package var neighbours: [Neighbour] = []
    /// When it is gone, with all that is on it; no two of them overlap.
    package var outages: [Outage] = []

    /// A device at its normal clock that nobody else uses.
    package init() {}
}

/// One copy engine per direction, first in first out, each copy an overhead and then its bytes.
package struct Link: Sendable, Hashable {
    /// Nanoseconds for each copy beside its bytes.
    package var overhead: Int64 = 12_000
    /// Bytes per second from and to pinned memory: what PCIe 4 with 16 lanes gives.
    package var pinnedRate = 24e9
    /// Bytes per second from and to pageable memory.
    package var pageableRate = 6e9
    /// The uplink it shares with other devices; nil for one of its own.
    package var uplink: Int?

    /// The link of a device on PCIe 4.
    package init() {}
}

/// A device's clock from a time on.
package struct ClockChange: Sendable, Hashable {
    /// From when.
    package var at: Int64
    /// Speed relative to normal, above 0.
    package var factor: Double

    /// A change.
    package init(at: Int64, factor: Double) {
        self.at = at
        self.factor = factor
    }
}

/// Somebody else's load on a device.
package struct Neighbour: Sendable, Hashable {
    /// From when.
    package var from: Int64
    /// Until when.
    package var until: Int64
    /// What it takes.
    package var demand: ResourceDemand

    /// A neighbour.
    package init(from: Int64, until: Int64, demand: ResourceDemand) {
        self.from = from
        self.until = until
        self.demand = demand
    }
}

/// A time in which a device is gone.
package struct Outage: Sendable, Hashable {
    /// From when.
    package var from: Int64
    /// When it is back, with nothing on it; `.max` for never.
    package var until: Int64

    /// An outage, which lasts.
    package init(from: Int64, until: Int64) {
        self.from = from
        self.until = until
    }
}

/// A model that takes a different time for batches that start from a time on.
package struct ModelChange: Sendable, Hashable {
    /// From when.
    package var at: Int64
    /// The model's position.
    package var model: Int
    /// Its time relative to normal, above 0.
    package var factor: Double

    /// A change.
    package init(at: Int64, model: Int, factor: Double) {
        self.at = at
        self.model = model
        self.factor = factor
    }
}

/// How much is left to chance.
package struct NoiseLevels: Sendable, Hashable {
    /// What the kernel time of a batch is drawn from, beside the noise below.
    package enum Distribution: String, Sendable, Hashable, CaseIterable {
        /// The model's own time.
        case steady
        /// Exponential with the model's time as its mean, as in the queues of textbooks.
        case exponential
    }

    /// What kernel times are drawn from.
    package var times = Distribution.steady
    /// Deviation of the logarithm of a batch's time.
    package var batch = 0.03
    /// The same for each of its phases.
    package var phase = 0.02
    /// The same for the bytes of a copy.
    package var copy = 0.02
    /// The share of batches that hang for a moment.
    package var hiccups = 0.001
    /// The shortest of those moments, in nanoseconds.
    package var shortestHiccup: Int64 = 5_000_000
    /// The longest.
    package var longestHiccup: Int64 = 20_000_000
    /// Factors on a batch's time that were measured, to draw from; where there are any they take the place of `batch`.
    package var factors: [Double] = []

    /// The usual noise.
    package init() {}

    /// No noise at all.
    package static var none: NoiseLevels {
        var levels = NoiseLevels()
        levels.batch = 0
        levels.phase = 0
        levels.copy = 0
        levels.hiccups = 0
        return levels
    }
}
