// SPDX-License-Identifier: Apache-2.0

/// What a candidate is worth: the chances of being in time that its requests lose if they wait for the next opportunity
/// (their regret), less the chances that it takes from the batches it would run beside.
///
/// A high request counts no more than a low one in the regret: what protects the high class is the ``HighGuard``, not a
/// price, because under a price enough low requests outbid any high one.
struct Regret: Sendable {
    private let options: StraitOptions
    private var highWeight = 1.0
    private var excesses: [Double] = []
    private var calibrations = [Calibration](repeating: Calibration(), count: RequestClass.allCases.count)
    private var widened = 1.0
    private var factor = 1.0
    /// How far the next opportunity is away, nanoseconds.
    private(set) var horizon = 1.0
    /// What a high request's predicted time is taken times, so that it is kept in 99 of 100 cases.
    private(set) var margin = 1.0

    /// A request in a batch that is on the device.
    private struct Resident: Sendable {
        let place: Int
        let batch: Int
        let requestClass: RequestClass
        let weight: Double
        let allowed: Double
        let margin: Double
    }

    private var residents: [Resident] = []

    /// A running batch may need this share of its work more than predicted.
    private static let residentMargin = 0.02

    init(_ options: StraitOptions) { self.options = options }

    /// Prepares for a decision.
    ///
    /// - Complexity: O(models).
    mutating func prepare(_ state: SchedulerState, at now: Instant) {
        highWeight = options.highWeight
        let mean = state.traffic.meanLowMisses
        excesses.removeAll(keepingCapacity: true)
        for model in state.models.indices {
            let excess = options.usesEquity ? max(0, state.traffic.stream(model, .low).misses - mean) : 0
            excesses.append(excess)
        }
        let isCalibrated = options.usesCalibration && options.fixedMargin == nil
        for requestClass in RequestClass.allCases {
            calibrations[requestClass.rawValue] =
                isCalibrated ? state.calibrations[requestClass.rawValue] : Calibration.point
        }
        factor = options.fixedMargin ?? 1
        margin = isCalibrated ? calibrations[RequestClass.high.rawValue].q99 : factor
        widened = options.runsOneAtATime(state) ? Watchdog.widening : 1
        margin *= widened
        horizon = options.horizonGaps * state.traffic.dispatchGap
    }

    /// How much larger the share of misses of a model's low requests is than the low class's.
    func excess(of model: ModelID) -> Double { excesses[model.index] }

    /// The chances of a batch of a class with a predicted finish.
    func curve(_ requestClass: RequestClass, finish: Double) -> ChanceCurve {
        ChanceCurve(calibrations[requestClass.rawValue], predicted: finish * factor, widened: widened)
    }

    /// What a request loses that may take `allowed` nanoseconds.
    func loss(_ curve: ChanceCurve, allowed: Double) -> Double {
        curve.chance(allowed: allowed) - curve.chance(allowed: allowed - horizon)
    }

    // -- harm -----------------------------------------------------------------------------------------------------

    /// Takes note of what runs on devices; to be called after ``prepare(_:at:)``.
    mutating func loadResidents(_ state: SchedulerState, _ devices: some Collection<DeviceID>, at now: Instant) {
        residents.removeAll(keepingCapacity: true)
        guard options.usesHarm else { return }
        for (place, device) in devices.enumerated() { loadResidents(state, device, place: place, at: now) }
    }

    private mutating func loadResidents(_ state: SchedulerState, _ device: DeviceID, place: Int, at now: Instant) {
        for (index, batch) in state.devices[device].resident.enumerated() {
            guard state.batches[live: batch].phase != .copyingOut else { continue }
            let requestClass = state.batches[live: batch].requestClass
            let margin = Self.residentMargin * state.batches[live: batch].run.soloWork
            for member in state.batches[live: batch].members {
                guard let request = state.requests[member]?.request else { continue }
                residents.append(
                    Resident(
                        place: place, batch: index, requestClass: requestClass,
                        weight: request.requestClass == .high ? highWeight : 1,
                        allowed: Double((request.deadline - now).nanoseconds), margin: margin))
            }
        }
    }

    /// The chances that the requests on a device lose by the candidate that was predicted there last, weighted.
    func harm(_ predictor: Predictor, on place: Int) -> Double {
        var harm = 0.0
        for request in residents where request.place == place {
            let (before, after) = (predictor.alone[request.batch], predictor.beside[request.batch])
            guard after > before else { continue }
            let chanceBefore = curve(request.requestClass, finish: before + request.margin)
                .chance(allowed: request.allowed)
            let chanceAfter = curve(request.requestClass, finish: after + request.margin)
                .chance(allowed: request.allowed)
            harm += request.weight * max(0, chanceBefore - chanceAfter)
        }
        return harm
    }
}
