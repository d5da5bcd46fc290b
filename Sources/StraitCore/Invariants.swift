// SPDX-License-Identifier: Apache-2.0

extension Scheduler {
    /// What is wrong with the scheduler's tables, in words; nil when all is well. For tests and simulations.
    ///
    /// - Complexity: O(everything); the cheap checks are preconditions of the steps themselves.
    package func brokenInvariant() -> String? {
        for requestClass in RequestClass.allCases {
            let counters = state.counters[requestClass.rawValue]
            let live = state.requests.all.filter { $0.request.requestClass == requestClass }.count
            if counters.arrived != counters.ended + live {
                return "\(requestClass): \(counters.arrived) arrived, but \(counters.ended) ended and \(live) are left"
            }
        }
        return brokenQueue() ?? brokenRequest() ?? brokenLane() ?? brokenHang()
    }

    private func brokenQueue() -> String? {
        var waiting = [Int](repeating: 0, count: RequestClass.allCases.count)
        var times = [Duration](repeating: .zero, count: RequestClass.allCases.count)
        for queue in state.queues.active {
            let entries = (0..<state.queues[queue].count).map { state.queues[queue][$0] }
            if entries.isEmpty { return "queue \(queue) is listed as active but holds nothing" }
            for (left, right) in zip(entries, entries.dropFirst()) where !left.precedes(right) {
                return "queue \(queue) is out of order at sequence \(right.sequence)"
            }
            if entries.reduce(0, { $0 + Int($1.rows) }) != state.queues[queue].rows {
                return "queue \(queue) miscounts its rows"
            }
            waiting[state.queues[queue].key.requestClass.rawValue] += entries.count
            times[state.queues[queue].key.requestClass.rawValue] += state.queues[queue].queuedTime
        }
        if waiting != state.queues.waiting { return "\(state.queues.waiting) counted as waiting, \(waiting) found" }
        if times != state.queues.queuedTime { return "\(state.queues.queuedTime) summed as queued, \(times) found" }
        if state.queues.waitingInAll > state.limits.maximumWaiting { return "more requests wait than may" }
        return nil
    }

    private func brokenRequest() -> String? {
        var waiting = 0
        var queued: [QueueEntry: Int] = [:]
        for queue in state.queues.active {
            for position in 0..<state.queues[queue].count { queued[state.queues[queue][position]] = queue }
        }
        for record in state.requests.all {
            switch record.state {
            case .free: return "a free slot counts as a request"
            case .probing:
                if state.pendingProbe != record.request.id { return "\(record.request.id) probes but is not pending" }
            case .running(let batch):
                if state.batches[batch]?.members.contains(record.request.id) != true {
                    return "\(record.request.id) runs in a batch that does not know it"
                }
            case .waiting(let queue, let key, let sequence):
                waiting += 1
                let entry = QueueEntry(
                    key: key, sequence: sequence, request: record.request.id, rows: Int32(record.request.rows))
                if queued[entry] != queue {
                    return "\(record.request.id) waits in a queue that does not hold it"
                }
            }
        }
        for (index, model) in state.models.enumerated() {
            let pending = state.pendingProbe.flatMap { state.requests[$0] }?.request.work.model.index == index
            let staged = state.batches.live.filter { $0.isProbe && $0.work.model.index == index }.count
            if staged + (pending ? 1 : 0) != (model.isProbing ? 1 : 0) { return "model \(index) has several probes" }
        }
        if waiting != state.queues.waitingInAll { return "a queue holds a request that does not wait" }
        if state.models.reduce(0, { $0 + $1.waiting }) != waiting { return "a model miscounts what waits for it" }
        return nil
    }

    private func brokenLane() -> String? {
        var resident = 0
        for (index, device) in state.devices.all.enumerated() {
            resident += device.resident.count
            for (lane, batch) in device.lanes.enumerated() {
                guard let batch else { continue }
                guard let record = state.batches[batch], record.device.index == index, record.lane.index == lane,
                    record.phase != .copyingOut, device.resident.contains(batch)
                else { return "lane \(lane) of device \(index) holds a batch that is not there" }
                if record.predictedFinish < record.stagedAt { return "\(batch) is predicted to finish in the past" }
            }
            if device.lanes.filter({ $0 == nil }).count != device.freeLanes { return "free lanes are miscounted" }
            if let batch = device.copyStage, state.batches[batch]?.phase != .copyingIn {
                return "the copy stage of device \(index) holds a batch that is not copying in"
            }
        }
        if resident != state.batches.liveCount {
            return "\(resident) batches on devices, \(state.batches.liveCount) live"
        }
        if state.devices.all.filter(\.isEligible).count != state.devices.eligibleCount {
            return "eligible devices are miscounted"
        }
        return nil
    }

    private func brokenHang() -> String? {
        for batch in state.batches.live where batch.isHung != (batch.hangsFrom <= lastStep) {
            return "\(batch.id) hangs from \(batch.hangsFrom) on, and at \(lastStep) that is not so"
        }
        for (index, device) in state.devices.all.enumerated() {
            let hung = device.resident.filter { state.batches[$0]?.isHung == true }.count
            if hung != device.hungBatches {
                return "device \(index) has \(hung) hung batches, not \(device.hungBatches)"
            }
        }
        let serving = state.devices.all.reduce(0) { $0 + ($1.isHung ? 0 : $1.lanes.count) }
        if serving != state.devices.servingLanes { return "serving lanes are miscounted" }
        if serving == 0, state.pendingProbe != nil { return "a probe waits for a lane that may never be free" }
        return nil
    }
}
