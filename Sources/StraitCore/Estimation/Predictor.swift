// SPDX-License-Identifier: Apache-2.0

/// Predicts when the batches on a device will be done, with and without one more: by replaying its copies and kernels
/// event by event (design §5). Harm to the others and the candidate's own finish come out of the same call.
///
/// Its storage is used again from call to call; after the first few calls nothing is allocated.
package struct Predictor: Sendable {
    /// One batch in the replay. All times are nanoseconds from now.
    private struct Item {
        /// When its inputs are there; 0 or less where they are.
        var copiedIn: Double
        /// The work of its kernels that is left, at speed 1.
        var left: Double
        let demand: Demand
        /// How long its results take to copy back.
        let copyOut: Double
        var finish: Double
        var isDone: Bool
        var speed = 1.0
        /// Whether it stands still.
        var isPaused = false
    }

    /// A batch that might be staged now.
    package struct Candidate: Sendable {
        /// How long its inputs take to copy, nanoseconds.
        package var copyIn: Double
        /// The work of its kernels, with the model's bias, nanoseconds.
        package var work: Double
        /// What it needs of the shared resources.
        package var demand: Demand
        /// How long its results take to copy back, nanoseconds.
        package var copyOut: Double
        /// The batch itself, for foresight; nil where there is none.
        package var batch: ForeseenBatch?

        /// A batch that nobody foresees.
        package init(copyIn: Double, work: Double, demand: Demand, copyOut: Double) {
            self.copyIn = copyIn
            self.work = work
            self.demand = demand
            self.copyOut = copyOut
        }
    }

    private var base: [Item] = []
    private var items: [Item] = []
    private var active: [Int] = []
    private var running = RunningSet()
    private var theta = SIMD8<Double>()
    private var company = UsualCompany()
    private var outClock = 0.0
    /// What is asked in place of a replay, if anything, and about whom.
    private var foresight: (any Foresight)?
    private var resident: [BatchID] = []

    /// For each batch on the device, in the order of its residents, its predicted finish without a candidate, in
    /// nanoseconds from now.
    package private(set) var alone: [Double] = []
    /// The same beside the last candidate.
    package private(set) var beside: [Double] = []

    package init() {}

    /// Loads what is on a device and predicts it as it is.
    ///
    /// - Complexity: O(batches³).
    package mutating func load(_ state: SchedulerState, _ device: DeviceID, at now: Instant) {
        foresight = state.foresight
        if let foresight {
            resident = state.devices[device].resident
            alone.removeAll(keepingCapacity: true)
            foresight.appendFinishes(of: resident, beside: nil, to: &alone)
            return
        }
        base.removeAll(keepingCapacity: true)
        theta = state.interference.theta
        company = state.devices[device].company
        outClock = 0
        let pending = Double((now - state.devices[device].accountedUntil).nanoseconds)
        for batch in state.devices[device].resident {
            let model = state.batches[live: batch].work.model
            let rows = state.batches[live: batch].rows
            let demand = state.batches[live: batch].run.demand
            let work = state.biasedWork(state.batches[live: batch].run, of: model)
            let out = state.copyOutTime(model, rows: rows, on: device)
            switch state.batches[live: batch].phase {
            case .copyingIn:
                let whole = state.copyInTime(model, rows: rows, on: device)
                let since = Double((now - state.batches[live: batch].stagedAt).nanoseconds)
                base.append(
                    Item(
                        copiedIn: max(whole - since, Self.overrunShare * whole), left: work,
                        demand: demand, copyOut: out, finish: 0, isDone: false))
            case .running:
                let done = state.batches[live: batch].run.done + state.batches[live: batch].run.speed * pending
                base.append(
                    Item(
                        copiedIn: 0, left: max(work - done, Self.overrunShare * work), demand: demand,
                        copyOut: out, finish: 0, isDone: false))
            case .paused:
                let left = max(work - state.batches[live: batch].run.done, Self.overrunShare * work)
                base.append(
                    Item(
                        copiedIn: 0, left: left, demand: demand, copyOut: out, finish: 0, isDone: true, isPaused: true))
            case .copyingOut:
                let since = Double((now - state.batches[live: batch].kernelsDoneAt).nanoseconds)
                let end = max(out - since, Self.overrunShare * out)
                outClock = max(outClock, end)
                base.append(
                    Item(copiedIn: 0, left: 0, demand: demand, copyOut: 0, finish: end, isDone: true))
            }
        }
        replay(nil)
        alone.removeAll(keepingCapacity: true)
        for item in items { alone.append(item.finish) }
    }

    /// The predicted finish of a candidate beside what was loaded, in nanoseconds from now. ``beside`` then has that of
    /// the others.
    ///
    /// - Complexity: O(batches³), without allocation.
    package mutating func finish(of candidate: Candidate) -> Double {
        beside.removeAll(keepingCapacity: true)
        if let foresight, let batch = candidate.batch {
            foresight.appendFinishes(of: resident, beside: batch, to: &beside)
            return beside.removeLast()
        }
        replay(candidate)
        for index in base.indices { beside.append(items[index].finish) }
        return items[base.count].finish
    }

    /// An overdue batch is taken to need this share of its time still.
    private static let overrunShare = 0.05

    private mutating func replay(_ candidate: Candidate?) {
        items.removeAll(keepingCapacity: true)
        items.append(contentsOf: base)
        if let candidate {
            items.append(
                Item(
                    copiedIn: candidate.copyIn, left: candidate.work, demand: candidate.demand,
                    copyOut: candidate.copyOut, finish: 0, isDone: false))
        }
        defer { finishPaused() }
        var time = 0.0
        var copyOutClock = outClock
        // Lanes that free up will be filled again, by nobody knows whom.
        var isLaneFreed = false
        while true {
            active.removeAll(keepingCapacity: true)
            running.removeAll()
            var step = Double.infinity
            var present = 0
            for index in items.indices where !items[index].isDone {
                present += 1
                if items[index].copiedIn > time {
                    step = min(step, items[index].copiedIn - time)
                } else {
                    active.append(index)
                    running.append(items[index].demand)
                }
            }
            guard !active.isEmpty || step < .infinity else { return }
            if isLaneFreed, let missing = company.missing(beside: present) { running.append(missing) }
            // First all speeds, then the step that they allow.
            for (position, index) in active.enumerated() {
                items[index].speed = running.speed(of: position, theta: theta)
                step = min(step, items[index].left / items[index].speed)
            }
            for index in active { items[index].left -= step * items[index].speed }
            time += step
            for index in active where items[index].left <= Self.workDone {
                items[index].isDone = true
                isLaneFreed = true
                copyOutClock = items[index].copyOut > 0 ? max(copyOutClock, time) + items[index].copyOut : copyOutClock
                items[index].finish = items[index].copyOut > 0 ? copyOutClock : time
            }
        }
    }

    /// A paused batch does not progress. As if it went on alone once the others are done: nobody can know better.
    private mutating func finishPaused() {
        var last = 0.0
        for item in items where !item.isPaused { last = max(last, item.finish) }
        for index in items.indices where items[index].isPaused {
            items[index].finish = last + items[index].left + items[index].copyOut
        }
    }

    /// Work of less than half a nanosecond is done; rounding must not keep a batch alive.
    private static let workDone = 0.5
}

/// The demands of the batches that run together, for their features and speeds.
package struct RunningSet: Sendable {
    private var demands: [Demand] = []

    init() {}

    /// How many run.
    var count: Int { demands.count }

    mutating func append(_ demand: Demand) { demands.append(demand) }
    mutating func removeLast() { demands.removeLast() }
    mutating func removeAll() { demands.removeAll(keepingCapacity: true) }

    /// φ of one of them beside the others.
    func features(of index: Int) -> SIMD8<Double> {
        demands.count > 1 ? InterferenceFeatures.of(index, in: demands.span) : SIMD8()
    }

    /// The predicted speed of one of them with its features, 1 being alone.
    func speed(_ features: SIMD8<Double>, theta: SIMD8<Double>) -> Double {
        demands.count > 1 ? InterferenceFeatures.speed(theta, features) : 1
    }

    /// The predicted speed of one of them, 1 being alone.
    func speed(of index: Int, theta: SIMD8<Double>) -> Double { speed(features(of: index), theta: theta) }
}

extension SchedulerState {
    /// How long the inputs of a batch take to copy, in nanoseconds; 0 on a device that does not copy.
    package func copyInTime(_ model: ModelID, rows: Int, on device: DeviceID) -> Double {
        guard options.strait.modelsTransfers, let transfer = transfers[device.index] else { return 0 }
        let time = transfer.copyIn.expectedTime(bytes: profiles.bytes(model, rows: rows).copyIn, model: model)
        return Double(time.nanoseconds) * uplinkShare(device)
    }

    /// How long its results take to copy back, in nanoseconds.
    package func copyOutTime(_ model: ModelID, rows: Int, on device: DeviceID) -> Double {
        guard options.strait.modelsTransfers, let transfer = transfers[device.index] else { return 0 }
        let time = transfer.copyOut.expectedTime(bytes: profiles.bytes(model, rows: rows).copyOut, model: model)
        return Double(time.nanoseconds)
    }

    /// How much longer a copy takes now because other devices copy over the same uplink: it is shared max-min, and all
    /// who copy want all of it.
    private func uplinkShare(_ device: DeviceID) -> Double {
        guard let uplink = devices[device].description.copying?.uplink, devices.all.count > 1 else { return 1 }
        var copying = 1.0
        for (index, other) in devices.all.enumerated() where index != device.index {
            // One that hangs moves no bytes.
            if other.copyStage != nil, !other.isHung, other.description.copying?.uplink == uplink { copying += 1 }
        }
        return copying
    }
}
