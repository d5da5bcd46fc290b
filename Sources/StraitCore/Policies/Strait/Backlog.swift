// SPDX-License-Identifier: Apache-2.0

/// What waits, by model and shape, as the policy `strait` weighs it: of each the high requests and then the low ones
/// that could fill up their batch, each with the time that is left to it.
///
/// Its storage is used again from call to call.
struct Backlog: Sendable {
    /// A waiting request.
    struct Member: Sendable {
        /// Until its deadline, in nanoseconds from now.
        var allowed: Double
        var rows: Int
    }

    /// What waits of one model and shape: requests that can share a batch.
    struct Site: Sendable {
        var work: WorkShape
        /// The most rows in a batch.
        var limit: Int
        var high: Int?
        var low: Int?
        /// Where its requests stand in ``Backlog/members``: the high ones, then the low ones.
        var first: Int
        var highCount: Int
        var lowCount: Int
        /// The earliest deadline, in nanoseconds from now.
        var urgency: Double
        /// The rows of its high requests that fit into a batch.
        var highRows: Int
    }

    private(set) var sites: [Site] = []
    private(set) var members: [Member] = []

    /// Models looked at in full: the most urgent.
    private static let sitesKept = 16
    /// Low requests behind a full batch that may take the place of hopeless ones.
    private static let spare = 16

    /// Collects what waits.
    ///
    /// - Parameters:
    ///   - mixes: whether low requests may fill up batches of high ones; otherwise each class has sites of its own.
    ///   - prunes: whether only the most urgent models are looked at.
    /// - Complexity: O(queues in which something waits + requests collected).
    mutating func load(_ state: SchedulerState, mixes: Bool, prunes: Bool, at now: Instant) {
        sites.removeAll(keepingCapacity: true)
        members.removeAll(keepingCapacity: true)
        for queue in state.queues.active {
            guard let head = state.queues[queue].first else { continue }
            let key = state.queues[queue].key
            let work = state.queues[queue].work
            let urgency = Double((head.key - now).nanoseconds)
            var site = Site(
                work: work, limit: state.models[work.model.index].description.maximumBatch, high: nil, low: nil,
                first: 0, highCount: 0, lowCount: 0, urgency: urgency, highRows: 0)
            // Rows that make none cheaper, as on a CPU core, only make each other wait; and a model of which too little is
            // known runs at batch 1.
            site.limit = max(Int(head.rows), state.estimator.efficientRows(work, limit: site.limit))
            let other = mixes ? partner(of: key, state) : nil
            if key.requestClass == .high {
                site.high = queue
                site.low = other
            } else {
                if other != nil { continue }
                site.low = queue
            }
            if let other, let first = state.queues[other].first {
                site.urgency = min(urgency, Double((first.key - now).nanoseconds))
            }
            sites.append(site)
        }
        if prunes, sites.count > Self.sitesKept {
            sites.sort { left, right in
                (left.high == nil) == (right.high == nil) ? left.urgency < right.urgency : left.high != nil
            }
            sites.removeLast(sites.count - Self.sitesKept)
        }
        for index in sites.indices { collect(index, state, at: now) }
    }

    private func partner(of key: QueueKey, _ state: SchedulerState) -> Int? {
        var key = key
        key.requestClass = key.requestClass == .high ? .low : .high
        guard let queue = state.queues.find(key), !state.queues[queue].isEmpty else { return nil }
        return queue
    }

    private mutating func collect(_ index: Int, _ state: SchedulerState, at now: Instant) {
        let site = sites[index]
        sites[index].first = members.count
        if let high = site.high {
            sites[index].highRows = append(state.queues[high], upTo: site.limit, at: now)
            sites[index].highCount = members.count - sites[index].first
        }
        guard let low = site.low, sites[index].highRows < site.limit else { return }
        _ = append(state.queues[low], upTo: site.limit - sites[index].highRows, spare: Self.spare, at: now)
        sites[index].lowCount = members.count - sites[index].first - sites[index].highCount
    }

    /// Appends the first requests of a queue, up to so many rows and then so many requests more, and returns the rows of
    /// the former.
    private mutating func append(_ queue: WaitingQueue, upTo limit: Int, spare: Int = 0, at now: Instant) -> Int {
        var rows = 0
        var left = spare
        for position in 0..<queue.count {
            let entry = queue[position]
            if left == spare, rows + Int(entry.rows) <= limit {
                rows += Int(entry.rows)
            } else {
                guard left > 0 else { break }
                left -= 1
            }
            members.append(Member(allowed: Double((entry.key - now).nanoseconds), rows: Int(entry.rows)))
        }
        return rows
    }
}
