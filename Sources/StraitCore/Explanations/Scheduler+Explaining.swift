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

    /// Takes down what the policy weighed for its last decision, if it weighs.
    mutating func takeWeighing(at now: Instant) {
        guard decisions != nil else { return }
        decisions?.beginWeighing()
        policy.tellWeighed(to: &decisions, state, at: now)
    }

    mutating func explainWait(at now: Instant) { decisions?.addWait(at: now, arrivals: state.arrivals) }

    mutating func explainShed(
        _ record: RequestRecord, _ reason: ShedReason, predictedFinish: Instant, _ test: ShedTest,
        at now: Instant
    ) {
        decisions?.addShedding(
            record, reason, predictedFinish: predictedFinish, test, at: now, arrivals: state.arrivals)
    }

    mutating func explainStaging(
        _ batch: BatchRecord, time: Duration, _ cause: StagedDecision.Cause, at now: Instant
    ) {
        guard decisions != nil else { return }
        let prediction = BoundedFinish(time, from: now, state.calibrations[batch.requestClass.rawValue])
        decisions?.addStaging(batch, prediction, cause, state.requests, at: now, arrivals: state.arrivals)
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
