// SPDX-License-Identifier: Apache-2.0

// What could be staged: how a batch is filled, whether it may join, when it would be done, and what it is worth.

extension StraitPolicy {
    /// The batch of up to so many rows of one model and shape, on the device where it is done first; nil if not even
    /// one request fits.
    mutating func candidate(
        _ index: Int, limit: Int, takesLow: Bool, _ state: SchedulerState
    ) -> Candidate? {
        let site = backlog.sites[index]
        let isHigh = site.highCount > 0
        guard let lead = isHigh ? site.high : site.low else { return nil }
        var candidate = Candidate(
            queue: lead, filler: isHigh ? site.low : nil, device: places[0].device,
            requestClass: isHigh ? .high : .low)
        let (highs, lows) = fill(&candidate, site, limit: limit, takesLow: takesLow, state)
        guard candidate.rows > 0 else { return nil }
        var best: Int?
        for place in 0..<placeCount {
            var option = candidate
            predict(&option, site, on: place, state)
            guard option.isAdmitted, best == nil || option.finish < candidate.finish else { continue }
            candidate = option
            best = place
        }
        guard let best else {
            candidate.isAdmitted = false
            return candidate
        }
        value(&candidate, site, highs: highs, lows: lows, on: best, state)
        return candidate
    }

    /// Takes high requests and then low ones for up to so many rows; returns how many of each.
    private func fill(
        _ candidate: inout Candidate, _ site: Backlog.Site, limit: Int, takesLow: Bool, _ state: SchedulerState
    ) -> (highs: Int, lows: Int) {
        var (highs, lows) = (0, 0)
        while highs < site.highCount {
            let rows = backlog.members[site.first + highs].rows
            guard candidate.rows + rows <= limit else { break }
            candidate.rows += rows
            highs += 1
        }
        if takesLow, highs == site.highCount {
            let bearable = min(limit, rowsWithinHold(site, limit: limit, on: candidate.device, state))
            while lows < site.lowCount {
                let rows = candidate.rows + backlog.members[site.first + site.highCount + lows].rows
                // The first request is taken however long it holds the lane.
                guard rows <= (candidate.rows == 0 ? limit : bearable) else { break }
                candidate.rows = rows
                lows += 1
            }
        }
        candidate.count = site.highCount > 0 ? highs : lows
        candidate.fillerCount = site.highCount > 0 ? lows : 0
        return (highs, lows)
    }

    /// The most rows, up to a limit, whose batch low requests may make hold the lane.
    ///
    /// - Complexity: O(log limit) times asked for.
    private func rowsWithinHold(
        _ site: Backlog.Site, limit: Int, on device: DeviceID, _ state: SchedulerState
    ) -> Int {
        let hold = longestHold(site.work.model)
        var (least, most) = (0, min(limit, site.limit))
        guard state.expectedWork(site.work, rows: most, on: device) > hold else { return most }
        while most - least > 1 {
            let middle = (least + most) / 2
            if state.expectedWork(site.work, rows: middle, on: device) <= hold { least = middle } else { most = middle }
        }
        return least
    }

    /// How long a batch may hold a lane alone for the sake of its low requests, nanoseconds: a share of the least time
    /// that high requests have, or the next one finds all lanes taken. A model that fares worse than others may longer.
    private func longestHold(_ model: ModelID) -> Double {
        guard options.limitsHold else { return .infinity }
        return options.holdShare * high.leastPatience * (1 + options.equityHold * regret.excess(of: model))
    }

    /// Works out whether a candidate may run on a device, and when it would be done.
    private mutating func predict(
        _ candidate: inout Candidate, _ site: Backlog.Site, on place: Int, _ state: SchedulerState
    ) {
        let device = places[place].device
        let model = site.work.model
        candidate.device = device
        candidate.demand = state.profiles.demand(site.work, rows: candidate.rows, on: state.devices[device].description)
        candidate.isAdmitted = admits(candidate, on: place)
        guard candidate.isAdmitted else { return }
        candidate.work = state.expectedWork(site.work, rows: candidate.rows, on: device)
        candidate.copyIn = state.copyInTime(model, rows: candidate.rows, on: device)
        candidate.copyOut = state.copyOutTime(model, rows: candidate.rows, on: device)
        candidate.finish = places[place].predictor.finish(of: candidate.prediction(of: model, state))
    }

    private mutating func admits(_ candidate: Candidate, on place: Int) -> Bool {
        guard options.usesGate, !places[place].gate.isIdle else { return true }
        switch options.gateRule {
        case .speed: return places[place].gate.gain(of: candidate.demand) >= options.gateSpeedGain
        case .demand:
            let bonus = candidate.requestClass == .high ? options.gateHighBonus : 0
            return places[place].compute + candidate.demand.compute <= options.gateBudget + bonus
        }
    }

    /// Works out what a candidate is worth, after its finish was predicted on its place.
    private mutating func value(
        _ candidate: inout Candidate, _ site: Backlog.Site, highs: Int, lows: Int, on place: Int,
        _ state: SchedulerState
    ) {
        let curve = regret.curve(candidate.requestClass, finish: candidate.finish)
        let bounded = candidate.finish * regret.margin
        for index in site.first..<site.first + highs {
            let allowed = backlog.members[index].allowed
            candidate.regret += regret.loss(curve, allowed: allowed)
            candidate.highSlack = min(candidate.highSlack, allowed - bounded)
        }
        if highs > 0 {
            // High requests are in a hurry before their time, so that they wait for lanes less often than low ones; and
            // beyond it: predicted late, they may still be in time.
            candidate.slack =
                candidate.highSlack
                - options.highAdvance * state.traffic.stream(site.work.model.index, .high).patience
        }
        let firstLow = site.first + site.highCount
        // Hopeless ones give their place to those behind, who have to be no larger, so that the prediction holds.
        while lows > 0, candidate.skipped + lows < site.lowCount,
            curve.chance(allowed: backlog.members[firstLow + candidate.skipped].allowed) < options.hopelessHead,
            backlog.members[firstLow + candidate.skipped + lows].rows
                <= backlog.members[firstLow + candidate.skipped].rows
        {
            candidate.skipped += 1
        }
        for index in firstLow + candidate.skipped..<firstLow + candidate.skipped + lows {
            let allowed = backlog.members[index].allowed
            candidate.regret += regret.loss(curve, allowed: allowed)
            // Low ones that would be late anyway do not hurry anybody.
            if allowed >= candidate.finish { candidate.slack = min(candidate.slack, allowed - bounded) }
        }
        candidate.slack = min(candidate.slack, Self.noHurry)
        if options.usesHarm { candidate.harm = regret.harm(places[place].predictor, on: place) }
        candidate.rank = candidate.regret - candidate.harm
        if options.usesUrgency { candidate.rank -= candidate.slack / regret.horizon }
        if lows > 0 { candidate.rank += options.equityHurry * regret.excess(of: site.work.model) }
    }

    /// The slack of a batch in which all are late or have no deadline: any other comes first.
    private static let noHurry = 1e12
}
