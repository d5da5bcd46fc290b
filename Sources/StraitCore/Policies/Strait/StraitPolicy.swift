// SPDX-License-Identifier: Apache-2.0

/// Dispatch by regret under a guard (docs/scheduler.md): of all batches that could be staged now the one whose requests
/// lose most by waiting and have the least slack, as long as no high request is lost by it; else the most urgent high
/// ones. Nothing is held back for the sake of a fuller batch: a row that waits for one costs more than the batch gains.
package struct StraitPolicy: Policy {
    package let order = QueueOrder.deadline
    package let shedding = Shedding.hopeless
    package let soloLearning = SoloLearning.corrected

    let options: StraitOptions
    private var floor: LowFloor
    var backlog = Backlog()
    var regret: Regret
    var high = HighGuard()
    /// Whether it is to remember what it weighs.
    private let remembers: Bool

    /// A device that is looked at, with what is predicted of it.
    struct Place: Sendable {
        var device: DeviceID
        var predictor = Predictor()
        var gate = SpeedGate()
        var compute = 0.0
    }

    var places: [Place] = []
    var placeCount = 0
    /// What it weighed for its last decision, and the place of what it chose; empty unless that is remembered.
    private var candidates: [Candidate] = []
    private var chosen: Int?
    /// How much longer kernels take beside others than alone, of late: for plans, in which nobody knows yet who that is.
    private var stretch = 1.0
    private var stretchSamples = 0.0

    private static let stretchRange = 1.0...5.0
    /// The weight of a batch in the stretch: a memory of 50 batches.
    private static let stretchGain = 0.02
    /// The shortest time after which it looks again when nothing might run: chances fall without any event.
    private static let retry = Duration.microseconds(500)
    /// Devices looked at: the freest.
    private static let devicesKept = 4

    package init(_ options: SchedulerOptions) {
        self.options = options.strait
        floor = LowFloor(share: options.strait.lowFloor)
        regret = Regret(options.strait)
        remembers = options.explanations > 0
    }

    package mutating func noteFinished(_ batch: BatchRecord, _ times: MeasuredTimes, _ state: SchedulerState) {
        let alone = state.biasedWork(batch.run, of: batch.work.model)
        guard alone > 0 else { return }
        let ratio = Double(times.kernels.nanoseconds) / alone
        let believed = min(max(ratio, Self.stretchRange.lowerBound), Self.stretchRange.upperBound)
        // The first few count for their plain mean.
        stretchSamples += 1
        stretch += max(Self.stretchGain, 1 / stretchSamples) * (believed - stretch)
    }

    /// - Complexity: O(sites · batch sizes · (resident batches³ + lanes²)), bounded by pruning.
    package mutating func decide(_ state: SchedulerState, at now: Instant) -> Decision {
        forgetWeighed()
        floor.account(state, until: now)
        choosePlaces(state, at: now)
        guard placeCount > 0 else { return .wait(until: .never) }
        if let owed = dispatchOwed(state, at: now) { return owed }
        regret.prepare(state, at: now)
        regret.loadResidents(state, places[..<placeCount].lazy.map(\.device), at: now)
        backlog.load(state, mixes: options.mixesClasses, prunes: options.prunes, at: now)
        prepareGuard(state, at: now)
        let best = bestSafe(state) ?? mostUrgentHigh(state)
        guard let chosen = best, let lane = state.devices[chosen.device].freeLane else {
            return .wait(until: now + max(Self.retry, Duration(clamping: state.traffic.dispatchGap / 2)))
        }
        if let share = chosen.lowShare {
            floor.noteServed(state.queues[chosen.queue].work.model, work: chosen.work * share)
        }
        return .dispatch(chosen.dispatch(lane: lane))
    }

    package mutating func forget(_ model: ModelID) { floor.forget(model) }

    package func tellWeighed(to log: inout DecisionLog?, _ state: SchedulerState, at now: Instant) {
        log?.weigh(candidates, chosen: chosen, state, at: now)
    }

    private mutating func forgetWeighed() {
        guard remembers else { return }
        candidates.removeAll(keepingCapacity: true)
        chosen = nil
    }

    // -- preparing ------------------------------------------------------------------------------------------------

    /// The eligible devices that are looked at: the least loaded.
    private mutating func choosePlaces(_ state: SchedulerState, at now: Instant) {
        placeCount = 0
        let isAlert = options.runsOneAtATime(state)
        let kept = options.prunes ? Self.devicesKept : state.devices.all.count
        for index in state.devices.all.indices where state.devices.all[index].isEligible {
            if isAlert, !state.devices.all[index].resident.isEmpty { continue }
            let device = DeviceID(index: index)
            let compute = state.residentDemand(on: device)
            var position = placeCount
            while position > 0, places[position - 1].compute > compute { position -= 1 }
            guard position < kept else { continue }
            if placeCount < kept { placeCount += 1 }
            if places.count < placeCount { places.append(Place(device: device)) }
            // Only what tells the places apart moves; the rest is loaded afterwards.
            for other in stride(from: placeCount - 1, to: position, by: -1) {
                places[other].device = places[other - 1].device
                places[other].compute = places[other - 1].compute
            }
            places[position].device = device
            places[position].compute = compute
        }
        for index in 0..<placeCount {
            places[index].predictor.load(state, places[index].device, at: now)
            places[index].gate.load(state, places[index].device)
        }
    }

    private mutating func prepareGuard(_ state: SchedulerState, at now: Instant) {
        guard options.usesReservation || options.limitsHold else { return }
        high.removeAll()
        for index in 0..<placeCount {
            let device = places[index].device
            let lanes = options.runsOneAtATime(state) ? 1 : state.devices[device].lanes.count
            high.add(device, lanes: lanes, state, finishes: places[index].predictor.alone)
        }
        high.addOthers(state, at: now)
        let device = places[0].device
        let (description, stretch) = (state.devices[device].description, stretch)
        high.prepare(
            backlog, state, weight: options.highWeight,
            demand: { work, rows in state.profiles.demand(work, rows: rows, on: description).compute },
            time: { work, rows in
                state.expectedWork(work, rows: rows, on: device) * stretch
                    + state.copyInTime(work.model, rows: rows, on: device)
                    + state.copyOutTime(work.model, rows: rows, on: device)
            })
    }

    // -- deciding -------------------------------------------------------------------------------------------------

    /// The candidate of the highest rank that costs no high request, nor its neighbours more than it gains.
    private mutating func bestSafe(_ state: SchedulerState) -> Candidate? {
        var best: Candidate?
        for site in backlog.sites.indices {
            var limit = backlog.sites[site].limit
            var takesLow = true
            while var candidate = candidate(site, limit: limit, takesLow: takesLow, state) {
                if remembers { candidates.append(candidate) }
                // A row that comes along costs a fraction of what it will cost alone, so a batch is made smaller only
                // for a reason: it may not join, its high requests would be late, or others'.
                if candidate.isFit {
                    guard candidate.regret >= candidate.harm, candidate.rank > best?.rank ?? -.infinity else { break }
                    let isSafe = isSafe(&candidate, site: site)
                    if remembers { candidates[candidates.count - 1] = candidate }
                    if isSafe {
                        best = candidate
                        chosen = candidates.count - 1
                        break
                    }
                    if candidate.fillerCount > 0 {
                        takesLow = false
                        continue
                    }
                }
                guard options.searchesBatchSizes, !candidate.isSingle else { break }
                limit = candidate.rows / 2
            }
        }
        return best
    }

    /// Whether staging a candidate costs no more high requests than it is worth. What would be lost in any case counts, too:
    /// plans are pessimistic, and in bursts much of what they give up is saved if nothing else gets in its way.
    private mutating func isSafe(_ candidate: inout Candidate, site: Int) -> Bool {
        guard options.usesReservation else { return true }
        let loss = high.loss(candidate, site: site, backlog, planMargin, budget: options.gateBudget)
        candidate.loss = loss
        return loss == 0 || loss * options.highWeight <= candidate.regret - candidate.harm
    }

    private var planMargin: HighGuard.Margin {
        HighGuard.Margin(plan: max(options.guardMargin, regret.margin), bound: regret.margin)
    }

    /// Where no candidate is safe: high requests without low ones, of those that can still be in time the ones with the
    /// least slack; of the others any, since an answer that comes late is an answer.
    private mutating func mostUrgentHigh(_ state: SchedulerState) -> Candidate? {
        guard options.usesReservation else { return nil }
        var best: Candidate?
        for site in high.order {
            var limit = backlog.sites[site].limit
            while let candidate = candidate(site, limit: limit, takesLow: false, state) {
                if remembers { candidates.append(candidate) }
                if candidate.isFit {
                    if isMoreUrgent(candidate, than: best) {
                        best = candidate
                        chosen = candidates.count - 1
                    }
                    break
                }
                guard !candidate.isSingle else { break }
                limit = candidate.rows / 2
            }
        }
        return best
    }

    private func isMoreUrgent(_ candidate: Candidate, than best: Candidate?) -> Bool {
        guard let best else { return true }
        let (canBeSaved, bestCan) = (canBeSaved(candidate), canBeSaved(best))
        return canBeSaved == bestCan ? candidate.highSlack < best.highSlack : canBeSaved
    }

    /// Whether all its high requests are in time if the prediction holds as it is.
    private func canBeSaved(_ candidate: Candidate) -> Bool {
        candidate.highSlack + candidate.finish * (regret.margin - 1) >= 0
    }

    /// A request of the low model that is owed device time, whatever it is worth.
    private mutating func dispatchOwed(_ state: SchedulerState, at now: Instant) -> Decision? {
        let device = places[0].device
        guard let queue = floor.owed(state, on: device), let lane = state.devices[device].freeLane else { return nil }
        // What it is owed is an answer in time: those that would be late are passed over.
        let work = state.queues[queue].work
        for position in 0..<state.queues[queue].count {
            let rows = Int(state.queues[queue][position].rows)
            let time = state.expectedWork(work, rows: rows, on: device)
            guard time + state.copyInTime(work.model, rows: rows, on: device) <= timeLeft(queue, position, state, now)
            else { continue }
            floor.noteServed(work.model, work: time)
            return .dispatch(
                Dispatch(queue: queue, count: 1, skipped: position, device: device, lane: lane, isOwed: true))
        }
        return nil
    }

    private func timeLeft(_ queue: Int, _ position: Int, _ state: SchedulerState, _ now: Instant) -> Double {
        Double((state.queues[queue][position].key - now).nanoseconds)
    }
}
