// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import VirtualAccelerator

/// What is simulated: devices, models, load and what changes on the way. With a seed it decides everything but what the
/// policy does.
package struct Scenario: Sendable, Hashable {
    /// What people choose it by.
    package var name: String
    /// The models with what is asked of them.
    package var models: [SimulatedModel]
    /// Devices, all alike.
    package var devices = 1
    /// The link of each device.
    package var link = Link()
    /// Bytes per second and direction of the uplink that all devices share; nil if each has its own.
    package var uplink: Double?
    /// The load ρ: Σ arrival rate × solo kernel time at the reference batch / that batch, per device.
    package var load = 1.0
    /// The share of requests that are high.
    package var highShare = 0.3
    /// How requests come.
    package var arrivals = ArrivalKind.poisson
    /// A request's deadline in multiples of its model's solo time (kernels and both copies) at the reference batch.
    package var deadlineFactor = DeadlineFactors()
    /// How co-runners slow each other down.
    package var physics = Physics.waterfill
    /// What changes while it runs.
    package var change = Change.none
    /// Noise of the devices.
    package var noise = NoiseLevels()
    /// How far profiles are off.
    package var profileError = ProfileError()
    /// How long requests arrive.
    package var duration = Duration.seconds(60)
    /// Requests that arrive before this are run but not counted.
    package var warmUp = Duration.seconds(5)

    /// A scenario in which each model takes the same share of device time.
    package init(name: String, models: [SimulatedModel]) {
        self.name = name
        self.models = models
    }

    /// Arrivals a second of each model when each takes the share of device time that `weights` say.
    package func arrivalRates(weights: [Double]) -> [Double] {
        let total = weights.reduce(0, +)
        return models.indices.map { index in
            weights[index] / total * load * Double(devices) / models[index].referenceTimePerRow.seconds
        }
    }

    /// How long after its arrival a request of a model is due.
    package func deadline(of model: Int, _ requestClass: RequestClass) -> Duration {
        let factor = requestClass == .high ? deadlineFactor.high : deadlineFactor.low
        return models[model].soloTime(rows: models[model].referenceRows, over: link) * factor
    }
}

/// Deadlines in multiples of the solo time.
package struct DeadlineFactors: Sendable, Hashable {
    /// For high requests.
    package var high = 3.0
    /// For low requests.
    package var low = 3.0

    /// Three times the solo time for both.
    package init() {}
}

/// A model with what is asked of it.
package struct SimulatedModel: Sendable, Hashable {
    /// What the device runs.
    package var kernels: KernelModel
    /// The batch that load and deadlines are reckoned by.
    package var referenceRows: Int

    /// A model.
    package init(_ kernels: KernelModel, referenceRows: Int) {
        self.kernels = kernels
        self.referenceRows = referenceRows
    }

    /// The solo kernel time of a row in a batch of the reference size.
    var referenceTimePerRow: Duration {
        Duration(nanoseconds: kernels.soloTime(rows: referenceRows)) * (1 / Double(referenceRows))
    }

    /// How long a batch takes alone, with both copies.
    package func soloTime(rows: Int, over link: Link) -> Duration {
        let rate = kernels.isPinned ? link.pinnedRate : link.pageableRate
        let bytes = Double((kernels.bytesInPerRow + kernels.bytesOutPerRow) * rows)
        return Duration(nanoseconds: kernels.soloTime(rows: rows) + 2 * link.overhead) + .seconds(bytes / rate)
    }
}

/// How requests come.
package enum ArrivalKind: String, Sendable, Hashable, CaseIterable {
    /// Each on its own.
    case poisson
    /// In clumps: gaps in each model and class are gamma distributed with a coefficient of variation of 3.
    case gamma
    /// Each model and class for 120 ms on average at five times the rate of the following 180 ms on average.
    case bursts
    /// As a function service sees them: few models get most (Zipf), the load swings slowly, gaps vary by 1.6.
    case azure
}

/// What changes while a scenario runs.
package enum Change: String, Sendable, Hashable, CaseIterable {
    /// Nothing.
    case none
    /// All devices' clocks fall by a quarter at half time.
    case clock
    /// The first model becomes 1.4 times slower at half time.
    case model
    /// Somebody else takes part of each device in the middle third.
    case neighbour
}

/// How far a profile is off what it was measured of: each figure by a uniform error within these bounds.
package struct ProfileError: Sendable, Hashable {
    /// Of kernel times, relative.
    package var time = 0.02
    /// Of demands, relative.
    package var demand = 0.05

    /// The usual errors.
    package init() {}
}
