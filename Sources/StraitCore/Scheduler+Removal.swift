// SPDX-License-Identifier: Apache-2.0

// Devices that go and come back, and models that are unloaded while others are served.

extension Scheduler {
    /// Takes a device out of service, with all that is on it.
    ///
    /// - Complexity: O(requests on it · log waiting + queues in which something waits).
    mutating func remove(_ device: DeviceID, at now: Instant, into actions: inout ActionList) {
        precondition(device.index < state.devices.all.count, "only a device that was added can be removed")
        guard !state.devices[device].isRemoved else { return }
        state.account(device, until: now)
        state.devices.setRemoved(device, true)
        while let batch = state.devices[device].resident.last {
            state.batches.noteTakenBack(batch)
            takeBack(state.batches[live: batch], lostDevice: true, at: now, into: &actions)
        }
        if state.devices.servingLanes == 0, let probe = state.pendingProbe { shedProbe(probe, at: now, into: &actions) }
        // Those that came back may be hopeless by now, and need not wait for the timer to be told.
        shedHopeless(at: now, into: &actions)
    }

    /// Takes a device into service again.
    mutating func bringBack(_ device: DeviceID, at now: Instant) {
        precondition(device.index < state.devices.all.count, "only a device that was added can return")
        guard state.devices[device].isRemoved else { return }
        state.devices.modify(device) { $0.accountedUntil = now }
        state.estimator.noteCold(device)
        state.devices.setRemoved(device, false)
    }

    /// Takes a batch off its device before its end: its requests wait again where they stood.
    ///
    /// - Parameter lostDevice: whether its device was removed. A request to which that happens twice has failed.
    /// - Complexity: O(members · log waiting).
    mutating func takeBack(
        _ record: BatchRecord, lostDevice: Bool, at now: Instant, into actions: inout ActionList
    ) {
        vacate(record)
        // Unlike one that ended or failed, it has not had its turn.
        if record.isProbe { state.models[record.work.model.index].isProbing = false }
        for id in record.members {
            guard let member = state.requests[id] else { continue }
            if state.models[member.request.work.model.index].stage != .served {
                shedUnloaded(member, at: now, into: &actions)
            } else if lostDevice, member.hasLostDevice {
                end(member.request, as: \.failed)
                actions.append(.answer(id, .failed))
            } else {
                if lostDevice { state.requests.noteLostDevice(id) }
                putBack(member)
            }
        }
        freeNumberIfGone(record.work.model)
    }

    private mutating func putBack(_ record: RequestRecord) {
        let request = record.request
        let entry = QueueEntry(
            key: record.key, sequence: record.arrival, request: request.id, rows: Int32(request.rows))
        let key = QueueKey(model: request.work.model, shape: request.shape, requestClass: request.requestClass)
        let (queue, position) = state.queues.insert(entry, key: key, work: request.work)
        state.requests.setReturned(
            .waiting(queue: queue, key: entry.key, sequence: entry.sequence), of: request.id)
        state.models[request.work.model.index].waiting += 1
        queueChanged(queue, headChanged: position == 0)
    }

    // -- models ---------------------------------------------------------------------------------------------------

    /// The number that the next model gets: the lowest that is free.
    public var nextModel: ModelID { ModelID(index: state.freeModels.last ?? state.models.count) }

    /// Whether a model was removed and nothing of it is left, so that its number may be given to another.
    public func isGone(_ model: ModelID) -> Bool { state.models[model.index].stage == .gone }

    /// Takes a model out of service.
    ///
    /// - Complexity: O(requests that wait for it · log waiting + queues in which something waits).
    mutating func remove(_ model: ModelID, at now: Instant, into actions: inout ActionList) {
        precondition(model.index < state.models.count, "only a model that was added can be removed")
        guard state.models[model.index].stage == .served else { return }
        state.models[model.index].stage = .leaving
        if let probe = state.pendingProbe, let record = state.requests[probe], record.request.work.model == model {
            state.abandonProbe(of: model)
            shedUnloaded(record, at: now, into: &actions)
        }
        // Backwards, because a queue that empties gives its place to the last one.
        for position in state.queues.active.indices.reversed() {
            let queue = state.queues.active[position]
            guard state.queues[queue].key.model == model else { continue }
            while !state.queues[queue].isEmpty {
                let entry = takeFirst(of: queue)
                guard let record = state.requests[entry.request] else {
                    preconditionFailure("what stands in a queue is a live request")
                }
                shedUnloaded(record, at: now, into: &actions)
            }
            queueChanged(queue, headChanged: true)
        }
        freeNumberIfGone(model)
    }

    private mutating func shedUnloaded(
        _ record: RequestRecord, at now: Instant, into actions: inout ActionList
    ) {
        state.requests.remove(record.request.id)
        refuse(record, .modelUnloaded, predictedFinish: .never, .unloaded, at: now, into: &actions)
    }

    /// Forgets a model that was removed, once nothing of it runs any more.
    ///
    /// - Complexity: O(1) for any other; else O(batches + its sizes of row + devices).
    mutating func freeNumberIfGone(_ model: ModelID) {
        guard state.models[model.index].stage == .leaving else { return }
        for device in state.devices.all {
            for batch in device.resident where state.batches[live: batch].work.model == model { return }
        }
        let index = model.index
        if state.models[index].hasShedSince { state.modelsShedding -= 1 }
        state.models[index].hasShedSince = false
        state.models[index].stage = .gone
        state.models[index].latestWork = nil
        state.profiles.replace(model, by: nil, maximumBatch: 1)
        state.estimator.forget(model)
        state.corrections.forget(model)
        state.interference.forget(index)
        state.paces.forget(model)
        state.forgetCoverage(of: model)
        state.traffic.forget(model)
        for device in state.transfers.indices {
            state.transfers[device]?.copyIn.forget(model)
            state.transfers[device]?.copyOut.forget(model)
        }
        policy.forget(model)
        let place = state.freeModels.firstIndex { $0 < index } ?? state.freeModels.count
        state.freeModels.insert(index, at: place)
    }
}
