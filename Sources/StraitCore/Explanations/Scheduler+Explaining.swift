// SPDX-License-Identifier: Apache-2.0

// What the scheduler writes into its log of decisions. Every function returns at once where there is none.

extension Scheduler {
    /// All that the log knows about a request, the oldest first; none where explanations are off.
    package func records(of request: RequestID) -> [DecisionRecord] {
        guard let decisions else { return [] }
        let record = state.requests[request]
        switch record?.state {
        case .waiting, .probing: return decisions.records(of: request, waitingSince: record?.arrival)
        case nil, .free, .running: return decisions.records(of: request)
        }
    }

    /// Takes what the policy weighed for its last decision; nil where it does not weigh, or nothing is recorded.
    mutating func takeWeighing() -> Weighing? {
        decisions == nil ? nil : policy.takeWeighing()
    }

    mutating func explainWait(_ weighing: Weighing?, at now: Instant) {
        guard let weighing, !weighing.options.isEmpty else { return }
        decisions?.append(DecisionRecord(at: now, arrivals: state.arrivals, .waited(weighing)))
    }

    mutating func explainShed(
        _ record: RequestRecord, _ reason: ShedReason, predictedFinish: Instant, _ test: ShedTest,
        at now: Instant
    ) {
        guard decisions != nil else { return }
        let request = record.request
        let shed = ShedDecision(
            request: request.id, model: request.work.model, requestClass: request.requestClass, arrival: record.arrival,
            reason: reason, deadline: request.deadline, predictedFinish: predictedFinish, test: test)
        decisions?.append(DecisionRecord(at: now, arrivals: state.arrivals, .shed(shed)))
    }

    mutating func explainStaging(_ batch: BatchRecord, time: Duration, _ why: StagingReason, at now: Instant) {
        guard decisions != nil else { return }
        let staged = StagedDecision(
            batch: batch.id, device: batch.device, lane: batch.lane, model: batch.work.model,
            requestClass: batch.requestClass, rows: batch.rows,
            members: batch.members.map {
                StagedDecision.Member(request: $0, arrival: state.requests[$0]?.arrival ?? 0)
            },
            cause: why.cause,
            prediction: BoundedFinish(time, from: now, state.calibrations[batch.requestClass.rawValue]),
            weighing: why.weighing)
        decisions?.append(DecisionRecord(at: now, arrivals: state.arrivals, .staged(staged)))
    }

    /// Why there is no room for a request, in numbers.
    func room(for request: Request, _ reason: ShedReason) -> ShedTest {
        let model = state.models[request.work.model.index]
        if reason == .modelQueueFull, let limit = model.description.maximumQueued {
            return .modelRoom(waiting: model.waiting, limit: limit)
        }
        return .room(waiting: state.queues.waitingInAll, limit: state.limits.room(for: request.requestClass))
    }

    /// What a request failed that a policy or the timer gave up; anything where nobody will read it.
    func testInQueue(_ request: Request) -> ShedTest {
        guard decisions != nil, shedding == .hopeless else { return .expired }
        let own = state.estimator.leastTime(request.work, rows: request.rows)
        return .lastStart(request.deadline - own, own: own)
    }
}

/// Why a batch is being staged, for the log.
struct StagingReason {
    var cause = StagedDecision.Cause.policy
    var weighing: Weighing?

    /// When the batch is expected to be done, where that was weighed.
    var prediction: BoundedFinish? {
        guard let weighing, let chosen = weighing.chosen else { return nil }
        return weighing.options[chosen].prediction
    }
}
