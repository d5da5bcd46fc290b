// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// The clients of a run that send their next request when the last was answered. What they send depends on when they are
/// answered, and on the scenario and the seed, and on nothing else.
struct Clients: Sendable {
    private struct Group: Sendable {
        let model: Int
        let requestClass: RequestClass
        let think: Duration
        /// The least that a client waits after it was refused.
        let retry: Duration
        var deadlines: DeadlineDraw
        /// When the clients that think will send, the latest first.
        var due: [Instant]
        /// Requests sent so far.
        var sent = 0
    }

    private var groups: [Group]
    private let end: Instant
    /// When the next request comes; `never` when none will unless one is answered.
    private(set) var next = Instant.never

    /// The random numbers of groups come from parts of the seed from here on downward, which nothing else uses.
    private static let part = UInt64.max - 16
    /// Requests are numbered from here on, so that no request that is drawn beforehand has the same number …
    private static let firstIndex = 1 << 48
    /// … and each group from a number of its own.
    private static let indicesOfGroup = 1 << 36

    init(_ scenario: Scenario, seed: UInt64) {
        end = .zero + scenario.duration
        groups = scenario.closedLoop.enumerated().map { index, group in
            let model = scenario.models[group.model]
            return Group(
                model: group.model, requestClass: group.requestClass, think: group.think,
                // Refused at once, it would send again at the same instant, for ever.
                retry: model.soloTime(rows: 1, over: scenario.link),
                deadlines: DeadlineDraw(
                    scenario, model: group.model, group.requestClass, seed: seed, part: Self.part - UInt64(index)),
                due: Array(repeating: model.joins.instant(in: scenario.duration), count: group.clients))
        }
        findNext()
    }

    /// The request that comes at `next`, its number, and the group of its client.
    mutating func take() -> (arrival: Arrival, index: Int, group: Int)? {
        guard let group = groups.firstIndex(where: { $0.due.last == next }), let at = groups[group].due.popLast() else {
            return nil
        }
        defer { findNext() }
        let index = Self.firstIndex + group * Self.indicesOfGroup + groups[group].sent
        groups[group].sent += 1
        let arrival = Arrival(
            at: at, model: groups[group].model, groups[group].requestClass, deadline: groups[group].deadlines.next())
        return (arrival, index, group)
    }

    /// Lets the client of a request that was answered think, and send its next one unless it would come too late.
    mutating func answered(group: Int, isServed: Bool, at now: Instant) {
        let think = groups[group].think
        let at = now + (isServed ? think : max(think, groups[group].retry))
        guard at < end else { return }
        // Behind those that send at the same instant.
        var low = 0
        var high = groups[group].due.count
        while low < high {
            let middle = (low + high) / 2
            if groups[group].due[middle] > at { low = middle + 1 } else { high = middle }
        }
        groups[group].due.insert(at, at: low)
        next = min(next, at)
    }

    private mutating func findNext() {
        next = .never
        for group in groups {
            if let at = group.due.last, at < end { next = min(next, at) }
        }
    }
}
