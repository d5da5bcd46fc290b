// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitProtocol
internal import Synchronization

// What the engine does now, looked at from outside. The lock is held for a piece at a time.

extension Engine {
    /// A look at the engine.
    ///
    /// - Parameter seconds: the whole seconds that counts are of, besides the one that has begun.
    /// - Complexity: O(models + lanes + requests that are remembered, wait or run).
    func snapshot(seconds: Int) -> ServerSnapshot {
        var (snapshot, names, since) = state.withLock { state in
            let now = max(state.scheduler.lastStep, clock.now())
            return state.snapshot(seconds: seconds, at: now)
        }
        let oldest = oldestWaiting()
        for index in snapshot.classes.indices {
            snapshot.classes[index].oldest = oldest[snapshot.classes[index].requestClass.rawValue]
        }
        noteLatencies(&snapshot, names, since: since)
        return snapshot
    }

    /// When the oldest request arrived that waits, by class; nil where none does.
    ///
    /// - Complexity: O(requests that wait or run), of which a piece at a time is under the lock: some microseconds.
    func oldestWaiting() -> [Instant?] {
        var oldest: [Instant?] = RequestClass.allCases.map { _ in nil }
        var next = 0
        var isDone = false
        while !isDone {
            state.withLock { state in
                let end = min(next + Self.slotsLookedAt, state.slots.length)
                while next < end {
                    if let waiting = state.waiting(slot: next) {
                        let index = waiting.requestClass.rawValue
                        oldest[index] = min(oldest[index] ?? .never, waiting.arrived)
                    }
                    next += 1
                }
                isDone = next >= state.slots.length
            }
        }
        return oldest
    }

    /// Collects the latencies of answers, newest first.
    ///
    /// - Parameter places: for the scheduler's numbers of models their places in the snapshot; −1 for none.
    private func noteLatencies(_ snapshot: inout ServerSnapshot, _ places: [Int], since: Instant) {
        guard let reach = state.withLock({ $0.history?.reach.numbers }) else { return }
        var next = reach.upperBound
        while next >= reach.lowerBound {
            let end =
                next - reach.lowerBound >= UInt64(Self.slotsLookedAt)
                ? next - UInt64(Self.slotsLookedAt) : reach.lowerBound - 1
            state.withLock { state in
                while next > end {
                    defer { next -= 1 }
                    guard let request = state.history?.requests[next], request.fate == .met || request.fate == .late,
                        request.ended.instant(from: request.arrived) >= since
                    else { continue }
                    let index = Int(request.model)
                    guard index < places.count, places[index] >= 0 else { continue }
                    snapshot.models[places[index]].latencies.append(request.ended.span)
                }
            }
        }
    }

    /// Requests looked at while the lock is held once.
    private static let slotsLookedAt = 1024
}

extension Engine.State {
    /// The arrival and class of the request in a slot, if it waits.
    fileprivate func waiting(slot: Int) -> (arrived: Instant, requestClass: RequestClass)? {
        guard slot < scheduler.state.requests.records.count else { return nil }
        switch scheduler.state.requests.records[slot].state {
        case .waiting, .probing: return slots.arrival(at: slot)
        case .free, .running: return nil
        }
    }

    /// All but the ages of what waits and the latencies; with the places of models by their numbers, and since when counts
    /// are.
    fileprivate mutating func snapshot(
        seconds: Int, at now: Instant
    ) -> (snapshot: ServerSnapshot, places: [Int], since: Instant) {
        let (counts, busy, since) = window.sums(ofLast: seconds, at: now)
        var classCounts = [TrafficWindow.Counts(), TrafficWindow.Counts()]
        for (index, count) in counts.enumerated() { classCounts[index % 2] += count }
        var running = [0, 0]
        let length = now - since
        var states: [ServerSnapshot.DeviceState] = []
        for (index, device) in scheduler.state.devices.all.enumerated() {
            let id = DeviceID(index: index)
            let lanes = device.lanes.enumerated().map { lane, batch in
                let place = window.place(of: id, LaneID(index: lane))
                var held = busy[place]
                if let batch, scheduler.state.batches.isLive(batch) {
                    held += (now - max(since, scheduler.state.batches[live: batch].stagedAt)).nanoseconds
                }
                let share = Double(held) / Double(max(1, length.nanoseconds))
                return ServerSnapshot.LaneState(busy: min(1, max(0, share)), batch: batch.flatMap(running(_:)))
            }
            for batch in device.resident {
                for request in scheduler.state.batches[live: batch].members {
                    guard let record = scheduler.state.requests[request] else { continue }
                    running[record.request.requestClass.rawValue] += 1
                }
            }
            let copyingOut = device.resident.count { scheduler.state.batches[live: $0].phase == .copyingOut }
            states.append(ServerSnapshot.DeviceState(lanes: lanes, copyingOut: copyingOut))
        }
        let classes = RequestClass.allCases.map { requestClass in
            var coverage = Coverage()
            for model in scheduler.state.coverage[requestClass.rawValue] { coverage.add(model) }
            return ServerSnapshot.ClassState(
                requestClass: requestClass, counts: classCounts[requestClass.rawValue],
                totals: scheduler.counters(of: requestClass), waiting: scheduler.waiting(requestClass),
                queuedTime: scheduler.state.queues.queuedTime[requestClass.rawValue],
                running: running[requestClass.rawValue], coverage: coverage)
        }
        var places: [Int] = []
        var modelStates: [ServerSnapshot.ModelState] = []
        for (index, entry) in models.enumerated() {
            guard !entry.isFreed else {
                places.append(-1)
                continue
            }
            places.append(modelStates.count)
            modelStates.append(
                ServerSnapshot.ModelState(
                    name: entry.model.specification.name, version: entry.model.specification.version,
                    counts: Array(counts[(index * 2)...(index * 2 + 1)]),
                    waiting: scheduler.state.models[index].waiting))
        }
        var snapshot = ServerSnapshot(window: length, classes: classes, models: modelStates, devices: states)
        snapshot.isAlert = scheduler.state.watchdog.isAlert
        snapshot.remembered = history?.requests.count ?? 0
        snapshot.capacity = history?.requests.capacity ?? 0
        return (snapshot, places, since)
    }

    /// A batch that holds a lane.
    private func running(_ id: BatchID) -> ServerSnapshot.RunningBatch? {
        guard let batch = scheduler.state.batches[id] else { return nil }
        let calibration = scheduler.state.calibrations[batch.requestClass.rawValue]
        let bound = PredictedEnd(batch.predictedFinish, from: batch.stagedAt, calibration).bound95
        return ServerSnapshot.RunningBatch(
            number: history?.batches.number(of: id) ?? 0, model: batch.work.model, requestClass: batch.requestClass,
            rows: batch.rows, requests: batch.members.count, phase: batch.phase, stagedAt: batch.stagedAt,
            predictedFinish: batch.predictedFinish, bound95: bound)
    }
}
