// SPDX-License-Identifier: Apache-2.0

/// What a candidate is worth (design §6): the regret of not dispatching it now, less what it costs others.
package struct Valuation: Sendable {
    private let options: StraitOptions
    /// The weight of a high request, and of each model's low ones.
    private var highWeight = 1.0
    private var meanLowMisses = 0.0
    private var lowMisses: [Double] = []
    /// How far the next opportunity is away, nanoseconds.
    private var highHorizon = 0.0
    private var lowHorizon = 0.0
    private var calibrations = [Calibration](repeating: Calibration(), count: RequestClass.allCases.count)
    private var widened = 1.0
    private var margin = 1.0

    /// A model whose high requests wait or are expected, for the reservation.
    private struct Reserved: Sendable {
        var model: ModelID
        var prediction: Predictor.Candidate
        /// How many, and when the first of them is due, in nanoseconds from now.
        var count: Double
        var allowed: Double
        /// The rate of arrivals, where none waits.
        var rate: Double
        var chanceAlone: Double
    }

    private var reserved: [Reserved] = []
    /// Requests of the batches on the device, by batch: their weights and what they are allowed, and the chance as is.
    private var resident: [(weight: Double, allowed: Double, margin: Double, requestClass: RequestClass, index: Int)] =
        []

    /// Expected misses below this decide nothing.
    private static let negligible = 1e-3
    /// Models that are reserved for: the heaviest.
    private static let reservedKept = 8
    /// A running batch may need this share of its work more than predicted.
    private static let residentMargin = 0.02

    init(_ options: StraitOptions) { self.options = options }

    /// Prepares for the candidates of a device, which the predictor has loaded.
    mutating func prepare(_ state: SchedulerState, _ device: DeviceID, _ predictor: Predictor, at now: Instant) {
        let misses = state.traffic.highMisses
        highWeight = min(options.highWeight * (1 + options.highWeightGrowth * misses), options.highWeightLimit)
        meanLowMisses = state.traffic.meanLowMisses
        lowMisses.removeAll(keepingCapacity: true)
        for model in state.models.indices { lowMisses.append(state.traffic.stream(model, .low).misses) }
        let gap = state.traffic.dispatchGap
        highHorizon = options.highHorizonGaps * gap
        lowHorizon = options.lowHorizonGaps * gap
        for requestClass in RequestClass.allCases {
            calibrations[requestClass.rawValue] =
                options.usesCalibration && options.fixedMargin == nil
                ? state.calibrations[requestClass.rawValue] : Calibration.point
        }
        margin = options.fixedMargin ?? 1
        widened = state.watchdog.isAlert(at: now) ? Watchdog.widening : 1
        prepareResidents(state, device, at: now)
        reserved.removeAll(keepingCapacity: true)
    }

    /// How much worse a model's low requests fare than the low class's average.
    func excess(of model: ModelID) -> Double { max(0, lowMisses[model.index] - meanLowMisses) }

    private func curve(_ requestClass: RequestClass, finish: Double) -> ChanceCurve {
        ChanceCurve(calibrations[requestClass.rawValue], predicted: finish * margin, widened: widened)
    }

    private func chance(_ requestClass: RequestClass, finish: Double, allowed: Double) -> Double {
        curve(requestClass, finish: finish).chance(allowed: allowed)
    }

    private func lowWeight(_ model: ModelID) -> Double { 1 + lowMisses[model.index] }

    // -- gain -----------------------------------------------------------------------------------------------------

    /// Passes over the heads of a low candidate that are unlikely to be met, while others wait behind them.
    func passOverHopeless(_ candidate: inout Candidate, _ state: SchedulerState, at now: Instant) {
        guard candidate.requestClass == .low else { return }
        let queue = state.queues[candidate.queue]
        let curve = curve(.low, finish: candidate.finish)
        while candidate.skipped + candidate.count < queue.count {
            let allowed = Double((queue[candidate.skipped].key - now).nanoseconds)
            guard curve.chance(allowed: allowed) < options.hopelessHead else { return }
            // The one behind takes its place only if it is no larger: the prediction stays as it is.
            guard queue[candidate.skipped + candidate.count].rows <= queue[candidate.skipped].rows else { return }
            candidate.skipped += 1
        }
    }

    /// Works out gain, harm, value and rank of a candidate whose finish was just predicted.
    mutating func value(_ candidate: inout Candidate, _ state: SchedulerState, _ predictor: Predictor, at now: Instant)
    {
        var gain = 0.0
        let lead = state.queues[candidate.queue]
        let curve = curve(candidate.requestClass, finish: candidate.finish)
        for position in candidate.skipped..<(candidate.skipped + candidate.count) {
            gain += regret(lead[position], lead.key, curve, at: now)
        }
        if let filler = candidate.filler {
            let queue = state.queues[filler]
            for position in 0..<candidate.fillerCount { gain += regret(queue[position], queue.key, curve, at: now) }
        }
        candidate.gain = gain
        candidate.harm = options.usesHarm ? harm(predictor) : 0
        candidate.value = candidate.gain - candidate.harm
        let root = candidate.work.squareRoot()
        let equity = candidate.requestClass == .low && options.usesEquity
        let excess = equity ? excess(of: lead.work.model) : 0
        // Work to the power of ¾, without a power function: that of two roots.
        candidate.rank = candidate.value * (1 + options.equityWeight * excess) / (root * root.squareRoot())
    }

    private func regret(_ entry: QueueEntry, _ key: QueueKey, _ curve: ChanceCurve, at now: Instant) -> Double {
        let allowed = Double((entry.key - now).nanoseconds)
        let isHigh = key.requestClass == .high
        var regret = curve.chance(allowed: allowed)
        if options.usesDeferral {
            // What waiting costs is the wait itself: the finish moves by as much as is allowed less.
            let later = curve.chance(allowed: allowed - (isHigh ? highHorizon : lowHorizon))
            regret -= (isHigh ? options.highPatience : options.lowPatience) * later
        }
        return (isHigh ? highWeight : lowWeight(key.model)) * regret
    }

    // -- harm -----------------------------------------------------------------------------------------------------

    private mutating func prepareResidents(_ state: SchedulerState, _ device: DeviceID, at now: Instant) {
        resident.removeAll(keepingCapacity: true)
        guard options.usesHarm else { return }
        for (index, batch) in state.devices[device].resident.enumerated() {
            guard let record = state.batches[batch], record.phase != .copyingOut else { continue }
            for member in record.members {
                guard let request = state.requests[member]?.request else { continue }
                resident.append(
                    (
                        weight: request.requestClass == .high ? highWeight : lowWeight(request.work.model),
                        allowed: Double((request.deadline - now).nanoseconds),
                        margin: Self.residentMargin * record.run.soloWork, requestClass: record.requestClass,
                        index: index
                    ))
            }
        }
    }

    private func harm(_ predictor: Predictor) -> Double {
        var harm = 0.0
        for request in resident {
            let (before, after) = (predictor.alone[request.index], predictor.beside[request.index])
            guard after > before else { continue }
            let chanceBefore = chance(
                request.requestClass, finish: before + request.margin, allowed: request.allowed)
            let chanceAfter = chance(request.requestClass, finish: after + request.margin, allowed: request.allowed)
            harm += request.weight * max(0, chanceBefore - chanceAfter)
        }
        return harm
    }

    // -- reservation ----------------------------------------------------------------------------------------------

    /// Takes off what a candidate costs high requests of other models that wait, or are expected while it runs.
    mutating func reserve(
        _ candidate: inout Candidate, _ state: SchedulerState, _ predictor: inout Predictor, at now: Instant
    ) {
        if reserved.isEmpty { collectReserved(on: candidate.device, state, &predictor, at: now) }
        let model = state.queues[candidate.queue].work.model
        let isLastLane = state.devices[candidate.device].freeLanes == 1
        var cost = 0.0
        for other in reserved where candidate.requestClass == .low || other.model != model {
            let count = other.count > 0 ? other.count : other.rate * candidate.finish
            guard count * other.chanceAlone > Self.negligible else { continue }
            // Most can even wait for that; then there is nothing to work out.
            let latest = candidate.allDone + other.prediction.copyIn + other.prediction.work + other.prediction.copyOut
            guard other.chanceAlone - chance(.high, finish: latest, allowed: other.allowed) > Self.negligible else {
                continue
            }
            let finish = predictor.finish(of: other.prediction, after: candidate.prediction, whenLaneFrees: isLastLane)
            let chanceBeside = chance(.high, finish: finish, allowed: other.allowed)
            cost += count * max(0, other.chanceAlone - chanceBeside)
        }
        candidate.reservation = highWeight * cost
        let before = candidate.value
        candidate.value -= candidate.reservation
        if before > 0 { candidate.rank *= candidate.value / before }
    }

    private mutating func collectReserved(
        on device: DeviceID, _ state: SchedulerState, _ predictor: inout Predictor, at now: Instant
    ) {
        for queue in state.queues.active where state.queues[queue].key.requestClass == .high {
            guard let head = state.queues[queue].first else { continue }
            let limit = state.models[state.queues[queue].work.model.index].description.maximumBatch
            reserve(
                state.queues[queue].work, rows: min(limit, state.queues[queue].rows),
                count: Double(state.queues[queue].count), allowed: Double((head.key - now).nanoseconds), rate: 0,
                on: device,
                state, &predictor)
        }
        for model in state.models.indices {
            let stream = state.traffic.stream(model, .high)
            guard stream.rate > 0, !reserved.contains(where: { $0.model.index == model }),
                let work = state.models[model].latestWork
            else { continue }
            reserve(
                work, rows: max(1, Int(stream.rows.rounded())), count: 0, allowed: stream.patience, rate: stream.rate,
                on: device, state, &predictor)
        }
        guard options.prunes, reserved.count > Self.reservedKept else { return }
        reserved.sort { Self.weight($0) > Self.weight($1) }
        reserved.removeLast(reserved.count - Self.reservedKept)
    }

    private static func weight(_ reserved: Reserved) -> Double {
        (reserved.count > 0 ? reserved.count : reserved.rate * reserved.prediction.work) * reserved.prediction.work
    }

    private mutating func reserve(
        _ work: WorkShape, rows: Int, count: Double, allowed: Double, rate: Double, on device: DeviceID,
        _ state: SchedulerState, _ predictor: inout Predictor
    ) {
        let bias = options.usesBias ? state.interference.bias(of: work.model.index) : 0
        let prediction = Predictor.Candidate(
            copyIn: state.copyInTime(work.model, rows: rows, on: device),
            work: state.soloWork(work, rows: rows, on: device) * max(0.1, 1 + bias),
            demand: state.profiles.demand(work, rows: rows, on: state.devices[device].description),
            copyOut: state.copyOutTime(work.model, rows: rows, on: device))
        let finish = predictor.finish(of: prediction)
        reserved.append(
            Reserved(
                model: work.model, prediction: prediction, count: count, allowed: allowed, rate: rate,
                chanceAlone: chance(.high, finish: finish, allowed: allowed)))
    }
}
