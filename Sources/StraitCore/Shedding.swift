// SPDX-License-Identifier: Apache-2.0

// When a request is given up, and how a model that is always given up gets another chance (design §4).

extension SchedulerState {
    /// Why there is no room for a request to wait; nil when there is.
    func reasonForNoRoom(_ request: Request) -> ShedReason? {
        if queues.waitingInAll >= limits.room(for: request.requestClass) { return .queueFull }
        let model = models[request.work.model.index]
        if let limit = model.description.maximumQueued, model.waiting >= limit { return .modelQueueFull }
        return nil
    }

    /// The first instant at which a waiting request is given up: when it can no longer be started in time, or, for a
    /// policy without estimates, when its deadline has passed.
    func givenUpAt(_ entry: QueueEntry, work: WorkShape, _ shedding: Shedding) -> Instant {
        // One nanosecond later, so that at this instant it is hopeless indeed and the timer need not fire twice.
        let instant = Duration(nanoseconds: 1)
        switch shedding {
        case .none: return .never
        case .expired: return (requests[entry.request]?.request.deadline ?? .never) + instant
        case .hopeless: return entry.key - estimator.leastTime(work, rows: Int(entry.rows)) + instant
        }
    }
}

/// The earliest instant at which something is to be done without an event: a waiting request becomes hopeless, a lane is
/// taken for hung, or the policy asked to be asked again. And the timer that waits for it.
///
/// The first may be too early, when the request it was noted for has left; then the timer fires for nothing and the
/// next one is found by looking at all queues. It is never too late, but for estimates that grow while requests wait.
struct CoreTimer: Sendable {
    /// The earliest instant noted since all queues were last looked at.
    var earliest = Instant.never
    /// The earliest instant at which a lane may have to be taken for hung; early when its batch has ended since.
    var nextHang = Instant.never
    /// The instant that the policy asked for.
    var policyWake = Instant.never
    /// The instant that the driver was asked to send the timer at.
    var armed = Instant.never

    mutating func note(_ instant: Instant) { earliest = min(earliest, instant) }
    mutating func noteHang(_ instant: Instant) { nextHang = min(nextHang, instant) }

    /// The instant to ask the driver for, if it must be woken earlier than it was asked to.
    mutating func rearm() -> Instant? {
        let instant = min(earliest, nextHang, policyWake)
        guard instant < armed else { return nil }
        armed = instant
        return instant
    }
}
