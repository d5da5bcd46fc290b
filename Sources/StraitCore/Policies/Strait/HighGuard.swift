// SPDX-License-Identifier: Apache-2.0

/// Keeps the high class safe: tells how many high requests, of those that wait and of those to be expected, would be
/// lost for lack of a lane if a candidate were staged.
///
/// It lays out the devices' lanes over time, each until its batch is predicted to leave, puts the candidate on its lane,
/// and then places the high requests that wait in the order in which they have to start, each where it can start first.
/// A lane counts as usable only while the demand for compute beside it leaves room: about what the gate would let in, which
/// nobody can tell for plans.
struct HighGuard: Sendable {
    /// A lane that is taken until a time, nanoseconds from now.
    private struct Taken: Sendable {
        let device: Int
        let until: Double
        let compute: Double
    }

    /// What high requests of one model and shape need: a place for a batch.
    private struct Need: Sendable {
        /// How long its batch takes beside others, its first request alone, and what it needs of a device.
        let time: Double
        let least: Double
        let compute: Double
        /// Until when it must be done, nanoseconds from now; from an arrival on for those to be expected.
        let allowed: Double
        /// Where it waits; −1 for those to be expected.
        var site = -1
        /// Requests a nanosecond, of those to be expected.
        var rate = 0.0

        var latestStart: Double { allowed - time }
    }

    /// What predicted times are taken times.
    struct Margin: Sendable {
        /// In a plan, which does not know what else will come.
        var plan: Double
        /// For a request by itself, so that it is kept in 99 of 100 cases.
        var bound: Double
    }

    private var devices: [(index: Int, lanes: Int)] = []
    private var taken: [Taken] = []
    private var plan: [Taken] = []
    private var waiting: [Need] = []
    private var expected: [Need] = []

    /// The least time that high requests to be expected have from arrival to deadline, nanoseconds, of streams that are
    /// worth it: one that comes so rarely that less than one low request's worth of it is lost meanwhile is not.
    private(set) var leastPatience = Double.infinity

    /// Sites with high requests that are planned for: those that have to start first. Their plan takes the time that is at
    /// stake; what comes behind them has time.
    private static let waitingPlanned = 8
    /// Models whose high requests are expected: the most impatient.
    private static let expectedKept = 8
    /// Devices laid out: a plan over all lanes of many devices would take longer than it is worth. Those left out could
    /// only take more.
    private static let devicesKept = 4

    // -- preparing ------------------------------------------------------------------------------------------------

    /// Starts a decision: no devices, no needs.
    mutating func removeAll() {
        devices.removeAll(keepingCapacity: true)
        taken.removeAll(keepingCapacity: true)
        waiting.removeAll(keepingCapacity: true)
        expected.removeAll(keepingCapacity: true)
        leastPatience = .infinity
    }

    /// Takes note of a device that is looked at, and what is on it.
    ///
    /// - Parameters:
    ///   - lanes: how many batches it may run.
    ///   - finishes: when its batches are done, nanoseconds from now, in the order of its residents.
    mutating func add(_ device: DeviceID, lanes: Int, _ state: SchedulerState, finishes: [Double]) {
        devices.append((device.index, lanes))
        for (index, batch) in state.devices[device].resident.enumerated() {
            take(device, batch, until: finishes[index], state)
        }
    }

    /// Takes note of devices that are full at present, as far as there is room.
    mutating func addOthers(_ state: SchedulerState, at now: Instant) {
        for index in state.devices.all.indices {
            guard devices.count < Self.devicesKept else { return }
            if !state.devices.all[index].isServing || devices.contains(where: { $0.index == index }) { continue }
            devices.append((index, state.devices.all[index].lanes.count))
            for batch in state.devices.all[index].resident {
                let finish = state.expectedFinish(of: batch, at: now)
                take(DeviceID(index: index), batch, until: Double((finish - now).nanoseconds), state)
            }
        }
    }

    private mutating func take(_ device: DeviceID, _ batch: BatchID, until: Double, _ state: SchedulerState) {
        guard state.batches[live: batch].phase != .copyingOut else { return }
        taken.append(
            Taken(device: device.index, until: until, compute: state.batches[live: batch].run.demand.compute))
    }

    /// Takes note of what waits, and of what is to be expected. `time` tells how long a batch takes beside others.
    ///
    /// - Parameter weight: what a high request is worth in low ones.
    /// - Complexity: O(models + sites log sites).
    mutating func prepare(
        _ backlog: Backlog, _ state: SchedulerState, weight: Double, demand: (WorkShape, Int) -> Double,
        time: (WorkShape, Int) -> Double
    ) {
        for (index, site) in backlog.sites.enumerated() where site.highCount > 0 {
            let head = backlog.members[site.first]
            waiting.append(
                Need(
                    time: time(site.work, site.highRows), least: time(site.work, head.rows),
                    compute: demand(site.work, site.highRows), allowed: head.allowed, site: index))
        }
        waiting.sort { $0.latestStart < $1.latestStart }
        for model in state.models.indices {
            let stream = state.traffic.stream(model, .high)
            // Without patience there was none so far that anybody could have answered in time.
            guard stream.rate > 0, stream.patience > 0, let work = state.models[model].latestWork else { continue }
            if stream.rate * stream.leastPatience * weight >= 1 {
                leastPatience = min(leastPatience, stream.leastPatience)
            }
            if expected.count == Self.expectedKept {
                guard stream.patience < expected[Self.expectedKept - 1].allowed else { continue }
                expected.removeLast()
            }
            let rows = max(1, Int(stream.rows.rounded()))
            let duration = time(work, rows)
            let position = expected.firstIndex { $0.allowed > stream.patience } ?? expected.count
            expected.insert(
                Need(
                    time: duration, least: duration, compute: demand(work, rows), allowed: stream.patience,
                    rate: stream.rate), at: position)
        }
        expected.sort { $0.latestStart < $1.latestStart }
    }

    /// The high sites that wait, in the order in which they have to start.
    var order: some Sequence<Int> { waiting.lazy.map(\.site) }

    // -- asking ---------------------------------------------------------------------------------------------------

    /// The high requests that would be lost, those of one site aside.
    ///
    /// - Complexity: O((sites + 8) · devices · lanes² + high requests), without allocation.
    mutating func loss(
        _ candidate: Candidate, site: Int, _ backlog: Backlog, _ margin: Margin, budget: Double
    ) -> Double {
        plan.removeAll(keepingCapacity: true)
        plan.append(contentsOf: taken)
        plan.append(
            Taken(device: candidate.device.index, until: candidate.laneFree, compute: candidate.demand.compute))
        var loss = 0.0
        var next = 0
        // In the order in which they have to start: what is to be expected comes behind what waits in more of a hurry.
        for need in waiting.prefix(Self.waitingPlanned) where need.site != site {
            while next < expected.count, expected[next].latestStart <= need.latestStart {
                loss += doomed(expected[next], bound: margin.bound, budget: budget)
                next += 1
            }
            let (start, device) = start(need, budget: budget)
            let finish = (start + need.time) * margin.plan
            let members =
                backlog.sites[need.site].first..<backlog.sites[need.site].first
                + backlog.sites[need.site].highCount
            for member in members {
                let allowed = backlog.members[member].allowed
                guard finish > allowed else { break }  // the others are due later still
                if need.least * margin.bound <= allowed { loss += 1 }
            }
            plan.append(Taken(device: device, until: start + need.time, compute: need.compute))
        }
        for need in expected[next...] { loss += doomed(need, bound: margin.bound, budget: budget) }
        return loss
    }

    /// The requests to be expected that find no lane in time: those that come before the wait for one is affordable.
    private func doomed(_ need: Need, bound: Double, budget: Double) -> Double {
        need.rate * max(0, start(need, budget: budget).at - max(0, need.allowed - need.time * bound))
    }

    /// When and where a batch can start first.
    private func start(_ need: Need, budget: Double) -> (at: Double, device: Int) {
        var best = (at: Double.infinity, device: devices.first?.index ?? 0)
        for device in devices {
            // It can start now, or when some batch leaves.
            for probe in -1..<plan.count {
                guard probe < 0 || plan[probe].device == device.index else { continue }
                let time = probe < 0 ? 0 : plan[probe].until
                guard time < best.at else { continue }
                var busy = 0
                var compute = 0.0
                for lane in plan where lane.device == device.index && lane.until > time {
                    busy += 1
                    compute += lane.compute
                }
                guard busy < device.lanes, busy == 0 || compute + need.compute <= budget else { continue }
                best = (time, device.index)
            }
        }
        return best
    }
}
