// SPDX-License-Identifier: Apache-2.0

/// Dispatch by regret (design §6): of all batches that could be staged now, the one whose gain over being dispatched one
/// opportunity later, less the harm to what runs and to what is expected, is the largest for the device time it takes.
/// If no gain is above zero, it waits.
package struct StraitPolicy: Policy {
    package let order = QueueOrder.deadline
    package let shedding = Shedding.hopeless
    package let soloLearning = SoloLearning.corrected

    private let options: StraitOptions
    private var gate: DemandGate
    private var speedGate = SpeedGate()
    private var floor: LowFloor
    private var valuation: Valuation
    private var predictor = Predictor()
    private var log: DecisionLog?

    /// What waits of one model and shape.
    private struct Site: Sendable {
        var high: Int?
        var low: Int?
        var urgency: Instant
    }

    private var sites: [Site] = []
    private var candidates: [Candidate] = []

    /// How soon to look again when nothing was worth dispatching: chances fall as deadlines near, without any event.
    private static let retry = Duration.microseconds(500)
    /// Models looked at in full: the most urgent.
    private static let sitesKept = 16
    /// Candidates for which the reservation is worked out: the best without it.
    private static let candidatesReserved = 4
    /// Devices looked at: the freest.
    private static let devicesKept = 2

    package init(_ options: SchedulerOptions) {
        self.options = options.strait
        gate = DemandGate(options.strait)
        floor = LowFloor(share: options.strait.lowFloor)
        valuation = Valuation(options.strait)
        log = options.explanations > 0 ? DecisionLog(capacity: options.explanations) : nil
    }

    package var decisions: DecisionLog? { log }

    /// - Complexity: O(models · batch sizes · resident batches³), bounded by pruning.
    package mutating func decide(_ state: SchedulerState, at now: Instant) -> Decision {
        gate.reopen(state)
        floor.account(state, until: now)
        collectSites(state)
        candidates.removeAll(keepingCapacity: true)
        let isAlert = state.watchdog.isAlert(at: now)
        var looked = 0
        for device in devices(state) {
            guard !options.prunes || looked < Self.devicesKept else { break }
            if isAlert, !state.devices[device].resident.isEmpty { continue }
            looked += 1
            predictor.load(state, device, at: now)
            valuation.prepare(state, device, predictor, at: now)
            speedGate.load(state, device)
            if let owed = floor.owed(state, on: device) { return dispatchOwed(owed, device, state, at: now) }
            for site in sites { consider(site, on: device, state, at: now) }
            reserve(on: device, state, at: now)
        }
        let best = candidates.indices.filter { candidates[$0].value > 0 }.max {
            candidates[$0].rank < candidates[$1].rank
        }
        log?.record(candidates, chosen: best, state, at: now)
        guard let best, let lane = state.devices[candidates[best].device].freeLane else {
            return .wait(until: looked > 0 ? now + Self.retry : .never)
        }
        let chosen = candidates[best]
        if let queue = chosen.lowQueue {
            floor.noteServed(state.queues[queue].work.model, work: chosen.work)
        }
        return .dispatch(chosen.dispatch(lane: lane))
    }

    // -- candidates -----------------------------------------------------------------------------------------------

    /// Eligible devices, the freest first.
    private func devices(_ state: SchedulerState) -> [DeviceID] {
        guard state.devices.all.count > 1 else {
            return state.devices.eligibleCount > 0 ? [DeviceID(index: 0)] : []
        }
        return state.devices.all.indices.filter { state.devices.all[$0].isEligible }
            .map { (device: DeviceID(index: $0), load: state.residentDemand(on: DeviceID(index: $0))) }
            .sorted { ($0.load, $0.device.index) < ($1.load, $1.device.index) }.map(\.device)
    }

    /// The models and shapes with work, the most urgent first; high before low.
    private mutating func collectSites(_ state: SchedulerState) {
        sites.removeAll(keepingCapacity: true)
        for queue in state.queues.active {
            guard let head = state.queues[queue].first else { continue }
            let key = state.queues[queue].key
            if key.requestClass == .high {
                let low = state.queues.find(QueueKey(model: key.model, shape: key.shape, requestClass: .low))
                let filler = low.flatMap { state.queues[$0].isEmpty ? nil : $0 }
                sites.append(Site(high: queue, low: filler, urgency: head.key))
            } else {
                let high = state.queues.find(QueueKey(model: key.model, shape: key.shape, requestClass: .high))
                if high.map({ state.queues[$0].isEmpty }) ?? true {
                    sites.append(Site(high: nil, low: queue, urgency: head.key))
                }
            }
        }
        guard options.prunes, sites.count > Self.sitesKept else { return }
        sites.sort { left, right in
            (left.high == nil) == (right.high == nil) ? left.urgency < right.urgency : left.high != nil
        }
        sites.removeLast(sites.count - Self.sitesKept)
    }

    /// Adds the candidates of one model and shape on one device: all that is queued, halved down to one row; where there
    /// are both classes and they may not mix, and in any case for low ones alone, those of each class.
    private mutating func consider(_ site: Site, on device: DeviceID, _ state: SchedulerState, at now: Instant) {
        if let high = site.high {
            addSizes(lead: high, filler: options.mixesClasses ? site.low : nil, .high, on: device, state, at: now)
        }
        if let low = site.low { addSizes(lead: low, filler: nil, .low, on: device, state, at: now) }
    }

    private mutating func addSizes(
        lead: Int, filler: Int?, _ requestClass: RequestClass, on device: DeviceID, _ state: SchedulerState,
        at now: Instant
    ) {
        guard let head = state.queues[lead].first else { return }
        let work = state.queues[lead].work
        let limit = state.models[work.model.index].description.maximumBatch
        let queued = state.queues[lead].rows + (filler.map { state.queues[$0].rows } ?? 0)
        var rows = min(limit, queued)
        // A model of which too little is known runs at batch 1.
        if state.profiles.kernelTime(work, rows: 1) == nil {
            rows = min(rows, max(Int(head.rows), state.estimator.efficientRows(work, limit: limit)))
        }
        let excess = requestClass == .low ? valuation.excess(of: work.model) : 0
        let budget = gate.budget(requestClass, devices: state.devices.all.count, excess: excess)
        let resident = state.residentDemand(on: device)
        let isOpen = gate.isOpen(to: lead, requestClass)
        var isAdmitted = false
        var best: (candidate: Candidate, score: Double)?
        while rows >= 1 {
            var candidate = Candidate(queue: lead, filler: filler, device: device, requestClass: requestClass)
            guard candidate.fill(rows, state) else { break }
            let description = state.devices[device].description
            candidate.demand = state.profiles.demand(work, rows: candidate.rows, on: description)
            if fits(candidate, excess: excess, beside: resident, budget: budget) {
                isAdmitted = true
                if isOpen {
                    evaluate(&candidate, work, state, at: now)
                    let score = Self.score(candidate)
                    if score > best?.score ?? -.infinity { best = (candidate, score) }
                }
            } else if requestClass == .low, !options.shrinksLowToFit {
                break
            }
            guard options.searchesBatchSizes, candidate.rows > 1 else { break }
            rows = candidate.rows / 2
        }
        if let best { candidates.append(best.candidate) }
        if !isAdmitted, options.usesGate { gate.noteBlocked(lead, head, requestClass, at: now) }
    }

    /// By what the sizes of one model's batch are compared: hardly by time, unlike models among each other, because a row
    /// that comes along costs a fraction of what it will cost alone. For a low batch the value itself; for one that high
    /// requests lead, over the fourth root of its work, because other high ones wait for it.
    private static func score(_ candidate: Candidate) -> Double {
        guard candidate.requestClass == .high else { return candidate.value }
        return candidate.value / candidate.work.squareRoot().squareRoot()
    }

    /// Whether the gate lets a batch join what is on its device.
    private mutating func fits(
        _ candidate: Candidate, excess: Double, beside resident: Double, budget: Double
    ) -> Bool {
        guard options.usesGate, resident > 0 else { return true }
        switch options.gateRule {
        case .demand: return gate.admits(candidate.demand.compute, beside: resident, budget: budget)
        case .speed:
            let needed =
                candidate.requestClass == .high
                ? options.gateSpeedGainHigh : options.gateSpeedGain - options.equitySpeed * excess
            return speedGate.gain(of: candidate.demand) >= needed
        }
    }

    private mutating func evaluate(
        _ candidate: inout Candidate, _ work: WorkShape, _ state: SchedulerState, at now: Instant
    ) {
        let solo = state.soloWork(work, rows: candidate.rows, on: candidate.device)
        let bias = options.usesBias ? state.interference.bias(of: work.model.index) : 0
        candidate.work = solo * max(0.1, 1 + bias)
        candidate.copyIn = state.copyInTime(work.model, rows: candidate.rows, on: candidate.device)
        candidate.copyOut = state.copyOutTime(work.model, rows: candidate.rows, on: candidate.device)
        candidate.finish = predictor.finish(of: candidate.prediction)
        candidate.allDone = predictor.beside.reduce(candidate.finish, max)
        valuation.passOverHopeless(&candidate, state, at: now)
        valuation.value(&candidate, state, predictor, at: now)
    }

    /// Takes the reservation off the best candidates of a device, and drops the others: with it they could only fall.
    private mutating func reserve(on device: DeviceID, _ state: SchedulerState, at now: Instant) {
        guard options.usesReservation else { return }
        var own = candidates.indices.filter { candidates[$0].device == device && candidates[$0].value > 0 }
        own.sort { candidates[$0].rank > candidates[$1].rank }
        if options.prunes, own.count > Self.candidatesReserved {
            for index in own[Self.candidatesReserved...] { candidates[index].value = 0 }
            own.removeLast(own.count - Self.candidatesReserved)
        }
        for index in own { valuation.reserve(&candidates[index], state, &predictor, at: now) }
    }

    private mutating func dispatchOwed(
        _ queue: Int, _ device: DeviceID, _ state: SchedulerState, at now: Instant
    ) -> Decision {
        guard let lane = state.devices[device].freeLane else { return .wait(until: .never) }
        let work = state.queues[queue].work
        floor.noteServed(work.model, work: state.soloWork(work, rows: Int(state.queues[queue][0].rows), on: device))
        return .dispatch(Dispatch(queue: queue, count: 1, device: device, lane: lane))
    }
}
