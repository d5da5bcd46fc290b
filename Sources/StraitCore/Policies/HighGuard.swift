// SPDX-License-Identifier: Apache-2.0

/// Keeps the high class safe: tells how many high requests, of those that wait and of those to be expected, would be
/// lost for lack of a lane if a candidate were staged.
///
/// It lays out the devices' lanes over time, each until its batch is predicted to leave, puts the candidate on its lane,
/// and then places the high requests that wait in the order in which they have to start, each where it can start first.
/// A lane counts as usable only while the demand for compute beside it leaves room, as the gate would have it.
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

    private var devices: [(index: Int, lanes: Int)] = []
    private var taken: [Taken] = []
    private var plan: [Taken] = []
    private var waiting: [Need] = []
    private var expected: [Need] = []

    /// The least time that any of the high requests to be expected has from arrival to deadline, nanoseconds.
    private(set) var leastPatience = Double.infinity

    /// Models whose high requests are expected: those that suffer most from waiting.
    private static let expectedKept = 8
    /// Devices laid out; with more, the others are as good as free.
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

    /// Takes note of a device and what is on it.
    ///
    /// - Parameter finishes: when its batches are done, nanoseconds from now, in the order of its residents.
    mutating func add(_ device: DeviceID, _ state: SchedulerState, finishes: [Double]) {
        guard devices.count < Self.devicesKept else { return }
        devices.append((device.index, state.devices[device].lanes.count))
        for (index, batch) in state.devices[device].resident.enumerated() {
            guard state.batches[live: batch].phase != .copyingOut else { continue }
            taken.append(
                Taken(
                    device: device.index, until: finishes[index],
                    compute: state.batches[live: batch].run.demand.compute))
        }
    }

    /// Takes note of what waits, and of what is to be expected. `time` tells how long a batch takes beside others.
    ///
    /// - Complexity: O(models + sites log sites).
    mutating func prepare(
        _ backlog: Backlog, _ state: SchedulerState, at now: Instant, demand: (WorkShape, Int) -> Double,
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
            leastPatience = min(leastPatience, stream.leastPatience)
            // The most impatient ones, in order; a handful, so moving them is nothing.
            if expected.count == Self.expectedKept, stream.patience >= expected[Self.expectedKept - 1].allowed {
                continue
            }
            let rows = max(1, Int(stream.rows.rounded()))
            let duration = time(work, rows)
            let need = Need(
                time: duration, least: duration, compute: demand(work, rows), allowed: stream.patience,
                rate: stream.rate)
            if expected.count == Self.expectedKept {
                guard need.latestStart < expected[Self.expectedKept - 1].latestStart else { continue }
                expected.removeLast()
            }
            let position = expected.firstIndex { $0.latestStart > need.latestStart } ?? expected.count
            expected.insert(need, at: position)
        }
    }

    // -- asking ---------------------------------------------------------------------------------------------------

    /// The high requests that would be lost, those of the candidate's own site aside.
    ///
    /// - Parameters:
    ///   - margin: what predicted times of those that wait are taken times: a plan does not know what else will come.
    ///   - bound: what they are taken times for a request alone, and for those to be expected.
    ///   - budget: the compute demand up to which a device takes another batch.
    /// - Complexity: O((sites + 8) · lanes²), without allocation.
    mutating func loss(_ candidate: Candidate, site: Int, margin: Double, bound: Double, budget: Double) -> Double {
        plan.removeAll(keepingCapacity: true)
        plan.append(contentsOf: taken)
        plan.append(
            Taken(device: candidate.device.index, until: candidate.laneFree, compute: candidate.demand.compute))
        var loss = 0.0
        var next = 0
        // In the order in which they have to start: what is to be expected comes behind what waits in more of a hurry.
        for need in waiting where need.site != site {
            while next < expected.count, expected[next].latestStart <= need.latestStart {
                loss += doomed(expected[next], margin: bound, budget: budget)
                next += 1
            }
            let (start, device) = start(need, budget: budget)
            if (start + need.time) * margin > need.allowed, need.least * bound <= need.allowed { loss += 1 }
            plan.append(Taken(device: device, until: start + need.time, compute: need.compute))
        }
        for need in expected[next...] { loss += doomed(need, margin: bound, budget: budget) }
        return loss
    }

    /// The high sites that wait, in the order in which they have to start.
    var order: some Sequence<Int> { waiting.lazy.map(\.site) }

    /// The requests to be expected that find no lane in time: those that come before the wait for one is affordable.
    private func doomed(_ need: Need, margin: Double, budget: Double) -> Double {
        need.rate * max(0, start(need, budget: budget).at - max(0, need.allowed - need.time * margin))
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
