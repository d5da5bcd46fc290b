// SPDX-License-Identifier: Apache-2.0

/// When a request that arrives would be answered at the earliest, if all went well.
package struct ArrivalTest: Sendable, Hashable {
    /// When the first lane is expected to be free; never where no device can be counted on.
    package let laneFree: Instant
    /// The work that is served before it, shared by the lanes.
    package let ahead: Duration
    /// What it takes itself, as far as that may be held against it.
    package let own: Duration
    /// When it would be answered.
    package let finish: Instant

    /// The share of the predicted wait and work that is held against an arrival. Batching may turn out better and
    /// running batches may end early, and a request refused for nothing cannot be brought back.
    package static let optimism = 0.85

    /// A test with its quantities.
    ///
    /// - Parameter now: when it is made.
    package init(laneFree: Instant, ahead: Duration, own: Duration, at now: Instant) {
        self.laneFree = laneFree
        self.ahead = ahead
        self.own = own
        finish = laneFree < .never ? now + ((laneFree - now) + ahead + own) * Self.optimism : .never
    }
}

extension SchedulerState {
    /// Queues looked into for one arrival. Looking at fewer only makes the test more lenient.
    private static let queuesExamined = 32

    /// When a new request would be answered at the earliest if all went well: the first lane free, then its share of
    /// the work that waits before it in its class or above, then itself. Never where no device can be counted on.
    ///
    /// - Complexity: O(lanes) when the request would meet its deadline behind all that waits; otherwise
    ///   O(examined queues · log waiting).
    func arrivalTest(of request: Request, at now: Instant) -> ArrivalTest {
        let free = earliestFreeLane(for: request.requestClass, at: now)
        let own = estimator.leastTime(request.work, rows: request.rows)
        guard free < .never else { return ArrivalTest(laneFree: .never, ahead: .zero, own: own, at: now) }
        var all = queues.queuedTime[RequestClass.high.rawValue]
        if request.requestClass == .low { all += queues.queuedTime[RequestClass.low.rawValue] }
        let behindAll = ArrivalTest(laneFree: free, ahead: sharedByLanes(all), own: own, at: now)
        guard behindAll.finish > request.deadline else { return behindAll }
        return ArrivalTest(laneFree: free, ahead: sharedByLanes(workAhead(of: request)), own: own, at: now)
    }

    /// The estimated device time of what is served before a request: all above its class, and of its class what is due
    /// no later.
    private func workAhead(of request: Request) -> Duration {
        var ahead = Duration.zero
        for queue in queues.active.prefix(Self.queuesExamined) {
            let requestClass = queues[queue].key.requestClass
            if requestClass < request.requestClass {
                ahead += queues[queue].queuedTime
            } else if requestClass == request.requestClass {
                let count = queues[queue].count(upTo: request.deadline)
                if count == queues[queue].count {
                    ahead += queues[queue].queuedTime
                } else if count > 0 {
                    ahead += queues[queue].queuedTime * (Double(count) / Double(queues[queue].count))
                }
            }
        }
        return ahead
    }

    private func sharedByLanes(_ time: Duration) -> Duration {
        devices.servingLanes > 1 ? time * (1 / Double(devices.servingLanes)) : time
    }
}
