// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import VirtualAccelerator

/// What is simulated: devices, models, load and what changes on the way. With a seed it decides everything but what the
/// policy does.
package struct Scenario: Sendable, Hashable {
    /// What people choose it by.
    package var name: String
    /// What `strait simulate` makes it of; nil for its name.
    package var source: String?
    /// The models with what is asked of them, in the order in which they join.
    package var models: [SimulatedModel]
    /// Devices, all alike.
    package var devices = 1
    /// Whether they copy. The scheduler is told nothing of a batch but its end by those that do not.
    package var copies = true
    /// Whether batches that run on one at the same time slow each other down.
    package var isShared = true
    /// Batches whose kernels a device can run at the same time.
    package var streams = 16
    /// The part of the slow-down by low batches, 0…1, that high ones feel on their high streams; nil where streams have no
    /// priorities.
    package var leakage: Double?
    /// The link of each device.
    package var link = Link()
    /// Bytes per second and direction of the uplink that all devices share; nil if each has its own.
    package var uplink: Double?
    /// The load ρ: Σ arrival rate × solo kernel time at the reference batch / that batch, per device. Requests of a trace
    /// and of clients that wait for their answers are not reckoned by it.
    package var load = 1.0
    /// The share of requests that are high, of models that do not say it themselves.
    package var highShare = 0.3
    /// How requests come.
    package var arrivals = ArrivalKind.poisson
    /// Requests as they were recorded, in the order of time; nil where they are drawn as `arrivals` says.
    package var trace: [Arrival]?
    /// Clients that wait for their answer before they send again, beside the other requests.
    package var closedLoop: [ClientGroup] = []
    /// A request's deadline in multiples of its model's solo time (kernels and both copies) at the reference batch.
    package var deadlineFactor = DeadlineFactors()
    /// How co-runners slow each other down.
    package var physics = Physics.waterfill
    /// What changes while it runs: one of those that have a name …
    package var change = Change.none
    /// … and others beside it.
    package var changes: [ChangeEvent] = []
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
        guard total > 0 else { return models.map { _ in 0 } }
        return models.indices.map { index in
            weights[index] / total * load * Double(devices) / models[index].referenceTimePerRow.seconds
        }
    }

    /// How long after its arrival a request of a model is due, at a multiple of its solo time.
    package func deadline(of model: Int, factor: Double) -> Duration {
        models[model].soloTime(rows: models[model].referenceRows, over: link) * factor
    }

    /// The load that comes from outside: `load`, or what a trace brings.
    package var offeredLoad: Double {
        guard let trace else { return load }
        let played = trace.lazy.prefix { $0.at < .zero + duration }
        let work = played.reduce(0.0) { $0 + models[$1.model].referenceTimePerRow.seconds * Double($1.rows) }
        return work / duration.seconds / Double(devices)
    }

    /// What results call the way in which requests come.
    package var arrivalsName: String { trace == nil ? arrivals.rawValue : "trace" }

    /// What results call the change: that of many has no name of its own.
    package var changeName: String { changes.isEmpty ? change.rawValue : "events" }
}

/// Deadlines in multiples of the solo time. Each request's is drawn from a range, uniformly.
package struct DeadlineFactors: Sendable, Hashable {
    /// For high requests.
    package var high = 3.0...3.0
    /// For low requests.
    package var low = 3.0...3.0

    /// Three times the solo time for both.
    package init() {}

    /// The range for a class.
    subscript(requestClass: RequestClass) -> ClosedRange<Double> { requestClass == .high ? high : low }
}

/// A model with what is asked of it.
package struct SimulatedModel: Sendable, Hashable {
    /// What the device runs.
    package var kernels: KernelModel
    /// The batch that load and deadlines are reckoned by.
    package var referenceRows: Int
    /// How much of the devices' time its requests ask for, relative to the other models'; 0 for no requests but those of
    /// clients that wait for their answers.
    package var weight = 1.0
    /// The share of its requests that are high; nil for the scenario's.
    package var highShare: Double?
    /// When it is there. Requests for it come from then on; until then the load is less by its share.
    package var joins = Moment.seconds(0)
    /// Whether the scheduler is given a profile of it.
    package var isProfiled = true
    /// What the scheduler is told of it, word for word; nil for what is true of it, more or less.
    package var told: ModelDescription?

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

/// Clients that each send a request, wait for the answer, think, and send the next: a backlog that never runs out.
package struct ClientGroup: Sendable, Hashable {
    /// The model that they ask.
    package var model: Int
    /// In which class.
    package var requestClass: RequestClass
    /// How many there are.
    package var clients: Int
    /// How long each waits after an answer.
    package var think: Duration

    /// A group.
    package init(model: Int, _ requestClass: RequestClass, clients: Int, think: Duration = .zero) {
        self.model = model
        self.requestClass = requestClass
        self.clients = clients
        self.think = think
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

/// How far a profile is off what it was measured of: each figure by a uniform error within these bounds.
package struct ProfileError: Sendable, Hashable {
    /// Of kernel times, relative.
    package var time = 0.02
    /// Of demands, relative.
    package var demand = 0.05

    /// The usual errors.
    package init() {}
}
