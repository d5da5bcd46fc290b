// SPDX-License-Identifier: Apache-2.0

// Requests: how they come in, and how they leave.

extension Scheduler {
    mutating func admit(_ request: Request, at now: Instant, into actions: inout ActionList) {
        precondition(
            request.work.model.index < state.models.count && state.models[request.work.model.index].stage == .served,
            "a request names a model that was added and not removed")
        let model = request.work.model.index
        precondition(
            request.rows > 0 && request.rows <= state.models[model].description.maximumBatch,
            "a request has between one row and its model's largest batch")
        state.arrivals += 1
        if decisions != nil { lastArrival = nil }
        state.models[model].latestWork = request.work
        state.traffic.noteArrival(
            request, least: state.estimator.leastTime(request.work, rows: request.rows), at: now)
        state.counters[request.requestClass.rawValue].arrived += 1
        let key = order == .deadline ? request.deadline : now
        let record = RequestRecord(request: request, state: .free, arrival: state.arrivals, key: key)
        if let reason = state.reasonForNoRoom(request) {
            let finish = state.arrivalTest(of: request, at: now).finish
            return refuse(
                record, reason, predictedFinish: finish, room(for: request, reason), at: now, into: &actions)
        }
        if shedding == .hopeless {
            let test = state.arrivalTest(of: request, at: now)
            if decisions != nil { lastArrival = test }
            if test.finish > request.deadline {
                guard state.mayProbe(request, at: now) else {
                    return refuse(
                        record, .hopelessOnArrival, predictedFinish: test.finish, .arrival(test), at: now,
                        into: &actions)
                }
                state.requests.insert(request, state: .probing, arrival: state.arrivals, key: key)
                state.beginProbe(request)
                return
            }
        }
        enqueue(request, key: key)
    }

    mutating func refuse(
        _ record: RequestRecord, _ reason: ShedReason, predictedFinish: Instant, _ test: ShedTest,
        at now: Instant, into actions: inout ActionList
    ) {
        let request = record.request
        explainShed(record, reason, predictedFinish: predictedFinish, test, at: now)
        state.counters[request.requestClass.rawValue].shed += 1
        state.noteShed(of: request.work.model)
        state.traffic.noteEnd(request, missed: true, wasHopeless: reason == .hopelessOnArrival)
        actions.append(.answer(request.id, .shed(reason, predictedFinish: predictedFinish)))
    }

    mutating func enqueue(_ request: Request, key instant: Instant) {
        let entry = QueueEntry(
            key: instant, sequence: state.arrivals, request: request.id, rows: Int32(request.rows))
        let key = QueueKey(model: request.work.model, shape: request.shape, requestClass: request.requestClass)
        let (queue, position) = state.queues.insert(entry, key: key, work: request.work)
        state.requests.insert(
            request, state: .waiting(queue: queue, key: entry.key, sequence: entry.sequence), arrival: state.arrivals,
            key: entry.key)
        state.models[request.work.model.index].waiting += 1
        queueChanged(queue, headChanged: position == 0)
    }

    mutating func cancel(_ id: RequestID, into actions: inout ActionList) {
        // A cancellation that crosses the answer finds nothing here, and that is fine.
        guard let record = state.requests[id] else { return }
        switch record.state {
        case .free: return
        case .probing: state.abandonProbe(of: record.request.work.model)
        case .running(let batch): state.batches.modify(batch) { $0.members.removeAll { $0 == id } }
        case .waiting(let queue, let key, let sequence):
            let position = state.queues.remove(from: queue, key: key, sequence: sequence)
            state.models[record.request.work.model.index].waiting -= 1
            queueChanged(queue, headChanged: position == 0)
        }
        end(record.request, as: \.cancelled)
        actions.append(.answer(id, .cancelled))
    }

    /// Takes the first request of a queue. Whoever does has to call ``queueChanged(_:headChanged:)`` afterwards.
    mutating func takeFirst(of queue: Int) -> QueueEntry {
        let entry = state.queues.removeFirst(of: queue)
        state.models[state.queues[queue].work.model.index].waiting -= 1
        return entry
    }

    mutating func queueChanged(_ queue: Int, headChanged: Bool) {
        let work = state.queues[queue].work
        state.queues.setQueuedTime(state.timeInBatches(work, rows: state.queues[queue].rows), of: queue)
        if shedding != .none, headChanged, let first = state.queues[queue].first {
            timer.note(state.givenUpAt(first, work: work, shedding))
        }
    }

    mutating func end(_ request: Request, as counter: WritableKeyPath<ClassCounters, Int>) {
        state.counters[request.requestClass.rawValue][keyPath: counter] += 1
        state.requests.remove(request.id)
    }
}
