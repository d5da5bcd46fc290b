// SPDX-License-Identifier: Apache-2.0

// What must hold after every step (design §4). Plain loops: the tests look after each of millions of steps, unoptimised.

extension Scheduler {
    /// What is wrong with the scheduler, in words; nil when all is well. For tests and simulations.
    ///
    /// - Complexity: O(everything); the cheap checks are preconditions of the steps themselves.
    package func brokenInvariant() -> String? { brokenTable() ?? brokenEstimate() }

    /// What is wrong with the tables: requests, queues, batches, devices and the timer.
    package func brokenTable() -> String? {
        brokenQueue() ?? brokenRequest() ?? brokenModel() ?? brokenDevice() ?? brokenTimer()
    }

    // -- requests and queues --------------------------------------------------------------------------------------

    private func brokenQueue() -> String? {
        var waiting = [0, 0]
        var times = [Duration.zero, Duration.zero]
        for queue in state.queues.active {
            let count = state.queues[queue].count
            let requestClass = state.queues[queue].key.requestClass.rawValue
            if count == 0 { return "queue \(queue) is listed as active but holds nothing" }
            var rows = 0
            for position in 0..<count {
                let entry = state.queues[queue][position]
                rows += Int(entry.rows)
                if position > 0, !state.queues[queue][position - 1].precedes(entry) {
                    return "queue \(queue) is out of order at sequence \(entry.sequence)"
                }
            }
            if rows != state.queues[queue].rows { return "queue \(queue) miscounts its rows" }
            waiting[requestClass] += count
            times[requestClass] += state.queues[queue].queuedTime
        }
        if waiting != state.queues.waiting { return "\(state.queues.waiting) counted as waiting, \(waiting) found" }
        if times != state.queues.queuedTime { return "\(state.queues.queuedTime) summed as queued, \(times) found" }
        return nil
    }

    private func brokenRequest() -> String? {
        var waiting = 0
        // Those that came back from killed batches may be beyond the limits.
        var first = [0, 0]
        var live = [0, 0]
        for record in state.requests.records {
            let id = record.request.id
            switch record.state {
            case .free: continue
            case .probing: if state.pendingProbe != id { return "\(id) probes but is not pending" }
            case .running(let batch):
                guard let batch = state.batches[batch], batch.members.contains(id) else {
                    return "\(id) runs in a batch that does not know it"
                }
                if batch.work != record.request.work { return "\(id) runs in a batch of other work" }
            case .waiting(let queue, let key, let sequence):
                waiting += 1
                if !record.isReturned { first[record.request.requestClass.rawValue] += 1 }
                let entry = QueueEntry(key: key, sequence: sequence, request: id, rows: Int32(record.request.rows))
                if !state.queues[queue].holds(entry) { return "\(id) waits in a queue that does not hold it" }
            }
            live[record.request.requestClass.rawValue] += 1
        }
        // As many as the queues hold, and each is in its queue: so the queues hold nothing else.
        if waiting != state.queues.waitingInAll { return "a queue holds a request that does not wait" }
        if first[0] + first[1] > state.limits.maximumWaiting { return "more requests wait than may" }
        if first[RequestClass.low.rawValue] > state.limits.room(for: .low) { return "more low requests wait than may" }
        if let probe = state.pendingProbe, state.requests[probe]?.state != .probing { return "no \(probe) is to probe" }
        for index in live.indices {
            let counters = state.counters[index]
            if counters.arrived != counters.ended + live[index] {
                return
                    "class \(index): \(counters.arrived) arrived, \(counters.ended) ended and \(live[index]) are left"
            }
        }
        return nil
    }

    private func brokenModel() -> String? {
        var waiting = 0
        var shedding = 0
        for index in state.models.indices {
            let model = state.models[index]
            waiting += model.waiting
            if model.hasShedSince { shedding += 1 }
            if let limit = model.description.maximumQueued, model.waiting - returned(to: index) > limit {
                return "\(model.waiting) requests wait for model \(index), which takes \(limit)"
            }
            if let broken = brokenStage(index) { return broken }
            if model.isProbing != (probes(of: index) == 1) { return "model \(index) has \(probes(of: index)) probes" }
        }
        if waiting != state.queues.waitingInAll { return "a model miscounts what waits for it" }
        if shedding != state.modelsShedding { return "models that shed are miscounted" }
        return nil
    }

    /// A model that was removed has nothing that waits, and one of which nothing runs is gone.
    private func brokenStage(_ index: Int) -> String? {
        let model = state.models[index]
        var batches = 0
        for batch in state.batches.records where batch.isLive && batch.work.model.index == index { batches += 1 }
        if model.stage != .served, model.waiting > 0 {
            return "\(model.waiting) wait for model \(index), which is removed"
        }
        if model.stage == .leaving, batches == 0 { return "nothing is left of model \(index), and yet it is not gone" }
        if model.stage == .gone, batches > 0 { return "\(batches) batches are left of model \(index), which is gone" }
        if (model.stage == .gone) != state.freeModels.contains(index) { return "number \(index) is free, or is it?" }
        return nil
    }

    /// Requests of a model that wait again after their batch was killed.
    private func returned(to model: Int) -> Int {
        var returned = 0
        for record in state.requests.records where record.isReturned && record.request.work.model.index == model {
            if case .waiting = record.state { returned += 1 }
        }
        return returned
    }

    private func probes(of model: Int) -> Int {
        var probes = 0
        if let id = state.pendingProbe, state.requests[id]?.request.work.model.index == model { probes += 1 }
        for batch in state.batches.records where batch.isLive && batch.isProbe && batch.work.model.index == model {
            probes += 1
        }
        return probes
    }

    // -- devices and batches --------------------------------------------------------------------------------------

    private func brokenDevice() -> String? {
        var (resident, eligible, serving, present) = (0, 0, 0, 0)
        for index in state.devices.all.indices {
            resident += state.devices.all[index].resident.count
            if state.devices.all[index].isEligible { eligible += 1 }
            if !state.devices.all[index].isRemoved { present += 1 }
            if state.devices.all[index].isServing { serving += state.devices.all[index].lanes.count }
            if let broken = broken(state.devices.all[index]) { return "device \(index): \(broken)" }
            for id in state.devices.all[index].resident {
                guard let batch = state.batches[id], batch.device.index == index else { return "\(id) is not there" }
                if let broken = broken(batch) { return "\(id): \(broken)" }
            }
        }
        if resident != state.batches.liveCount {
            return "\(resident) batches on devices, \(state.batches.liveCount) live"
        }
        if eligible != state.devices.eligibleCount { return "eligible devices are miscounted" }
        if present != state.devices.presentCount { return "devices that are there are miscounted" }
        if serving != state.devices.servingLanes { return "serving lanes are miscounted" }
        if serving == 0, state.pendingProbe != nil { return "a probe waits for a lane that may never be free" }
        return nil
    }

    private func broken(_ device: DeviceRecord) -> String? {
        var free = 0
        for lane in device.lanes.indices {
            guard let id = device.lanes[lane] else {
                free += 1
                continue
            }
            guard let batch = state.batches[id], batch.lane.index == lane, batch.phase != .copyingOut,
                device.resident.contains(id)
            else { return "lane \(lane) holds a batch that is not there" }
        }
        if device.isRemoved, !device.resident.isEmpty { return "it is removed, and batches are on it" }
        if free != device.freeLanes { return "free lanes are miscounted" }
        var (hung, running, copyingIn) = (0, 0, 0)
        for id in device.resident {
            guard let batch = state.batches[id] else { continue }
            if batch.isHung { hung += 1 }
            if batch.phase != .copyingOut { running += 1 }
            if batch.phase == .copyingIn { copyingIn += 1 }
        }
        if running != device.lanes.count - free { return "a batch holds no lane, or two" }
        if hung != device.hungBatches { return "\(hung) batches hang, \(device.hungBatches) are counted" }
        if copyingIn != (device.copyStage == nil ? 0 : 1) { return "\(copyingIn) batches are copying in" }
        if let id = device.copyStage, state.batches[id]?.phase != .copyingIn {
            return "the copy stage holds a batch that is not copying in"
        }
        return nil
    }

    private func broken(_ batch: BatchRecord) -> String? {
        var rows = 0
        for id in batch.members {
            guard let member = state.requests[id], member.state == .running(batch.id) else {
                return "its member \(id) does not run in it"
            }
            rows += member.request.rows
        }
        // Members that were cancelled have left their rows behind.
        if rows > batch.rows { return "\(rows) rows of members in a batch of \(batch.rows)" }
        if batch.rows < 1 || batch.rows > state.models[batch.work.model.index].description.maximumBatch {
            return "\(batch.rows) rows are not a batch of model \(batch.work.model.index)"
        }
        if let broken = state.brokenPreemption(batch) { return broken }
        if batch.stagedAt > lastStep { return "staged in the future" }
        if batch.predictedFinish <= batch.stagedAt || batch.predictedFinish == .never {
            return "predicted to finish at \(batch.predictedFinish), staged at \(batch.stagedAt)"
        }
        if batch.isHung != (batch.hangsFrom <= lastStep) {
            return "it hangs from \(batch.hangsFrom) on, and at \(lastStep) that is not so"
        }
        if !batch.isHung, batch.hangsFrom < timer.nextHang { return "nobody looks when it may hang" }
        return nil
    }

    private func brokenTimer() -> String? {
        let next = min(timer.earliest, timer.nextHang, timer.policyWake)
        return timer.armed > next ? "the timer comes at \(timer.armed), which is later than \(next)" : nil
    }
}
