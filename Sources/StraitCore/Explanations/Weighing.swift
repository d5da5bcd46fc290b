// SPDX-License-Identifier: Apache-2.0

/// What a policy weighed for one decision.
package struct Weighing: Sendable {
    /// What could have been staged.
    package let options: [Option]
    /// Which of them was; nil for none.
    package let chosen: Int?
    /// How often in a row it came to that.
    package internal(set) var times = 1

    /// One batch that could have been staged.
    package struct Option: Sendable {
        package let model: ModelID
        /// The class that it counts as.
        package let requestClass: RequestClass
        package let device: DeviceID
        package let rows: Int
        /// Its requests, the first ``requestsNamed`` of them. All options of a weighing share the memory.
        package let requests: ArraySlice<RequestID>
        /// When it would have been done; nil where the gate had kept it out before that was asked.
        package let prediction: BoundedFinish?
        /// What it is worth; nil where the gate had kept it out.
        package let worth: Worth?

        /// What options are compared by; nil where the gate had kept it out.
        package var rank: Double? { worth?.rank }

        /// Its worth by term, in the order in which they are reckoned.
        package var terms: [Term] { worth?.terms ?? [] }
    }

    /// What an option is worth, in the numbers that it was compared by.
    package struct Worth: Sendable {
        /// The chances that its requests lose by waiting for the next opportunity, weighted.
        package let regret: Double
        /// The chances that the requests of the batches beside it lose, weighted.
        package let harm: Double
        /// How much longer its requests could wait, nanoseconds; infinite where it would meet none.
        package let slack: Double
        /// What options are compared by.
        package let rank: Double
        /// High requests that would be lost for lack of a lane; nil where nobody asked.
        package let loss: Double?

        var terms: [Term] {
            let terms = [
                Term(name: "regret", value: regret), Term(name: "harm", value: harm),
                Term(name: "slack_ms", value: slack / 1e6), Term(name: "rank", value: rank),
            ]
            return loss.map { terms + [Term(name: "loss", value: $0)] } ?? terms
        }
    }

    /// One part of what an option is worth.
    package struct Term: Sendable, Hashable {
        /// Its name, as docs/core-protocol.md explains it.
        package let name: String
        package let value: Double
    }

    /// Requests named for one option, and for all of them.
    package static let requestsNamed = 32
    package static let requestsNamedInAll = 512
    /// Options kept: the one that was chosen, and those that were looked at last.
    package static let optionsKept = 48

    /// Whether a request is in one of the options.
    func names(_ request: RequestID) -> Bool { options.contains { $0.requests.contains(request) } }
}

/// Where a policy leaves what it weighed; the scheduler takes it from there into its log.
package struct WeighingTray: Sendable {
    private var last: Weighing?

    /// Leaves what was weighed, before anything of it is carried out.
    ///
    /// - Complexity: O(candidates · requests named); two allocations.
    mutating func record(_ candidates: [Candidate], chosen: Int?, _ state: SchedulerState, at now: Instant) {
        let first = max(0, candidates.count - Weighing.optionsKept)
        var kept = candidates[first...]
        var place = chosen.map { $0 - first }
        if let chosen, chosen < first {
            kept = kept.dropFirst()
            kept.insert(candidates[chosen], at: kept.startIndex)
            place = 0
        }
        var names: [RequestID] = []
        let most = kept.reduce(0) { $0 + min($1.count + $1.fillerCount, Weighing.requestsNamed) }
        names.reserveCapacity(min(most, Weighing.requestsNamedInAll))
        for candidate in kept { candidate.name(state, into: &names) }
        var next = 0
        let options = kept.map { candidate in
            let end = next + candidate.namedCount(state, after: next)
            defer { next = end }
            return candidate.option(state, requests: names[next..<end], at: now)
        }
        last = Weighing(options: options, chosen: place)
    }

    /// Takes what was left since the last time.
    mutating func take() -> Weighing? {
        defer { last = nil }
        return last
    }
}

extension Candidate {
    fileprivate func option(
        _ state: SchedulerState, requests: ArraySlice<RequestID>, at now: Instant
    ) -> Weighing.Option {
        let calibration = state.calibrations[requestClass.rawValue]
        return Weighing.Option(
            model: state.queues[queue].work.model, requestClass: requestClass, device: device, rows: rows,
            requests: requests,
            prediction: isAdmitted ? BoundedFinish(Duration(clamping: finish), from: now, calibration) : nil,
            worth: isAdmitted ? Weighing.Worth(regret: regret, harm: harm, slack: slack, rank: rank, loss: loss) : nil)
    }

    /// Where in its queues the requests stand that it would take and that are named. Those that it would pass over are
    /// low ones.
    ///
    /// - Parameter named: requests that were named for other options.
    private func places(_ state: SchedulerState, after named: Int) -> (own: Range<Int>, filler: Range<Int>) {
        let most = min(Weighing.requestsNamed, Weighing.requestsNamedInAll - named)
        func range(_ count: Int, of queue: Int, from start: Int, atMost: Int) -> Range<Int> {
            start..<max(start, min(start + min(count, atMost), state.queues[queue].count))
        }
        let own = range(
            count, of: queue, from: requestClass == .low ? skipped : 0, atMost: most)
        guard let filler, fillerCount > 0 else { return (own, 0..<0) }
        let left = most - own.count
        return (own, range(fillerCount, of: filler, from: skipped, atMost: left))
    }

    fileprivate func namedCount(_ state: SchedulerState, after named: Int) -> Int {
        let (own, filling) = places(state, after: named)
        return own.count + filling.count
    }

    /// Names the requests that it would take.
    fileprivate func name(_ state: SchedulerState, into names: inout [RequestID]) {
        let (own, filling) = places(state, after: names.count)
        for position in own { names.append(state.queues[queue][position].request) }
        guard let filler else { return }
        for position in filling { names.append(state.queues[filler][position].request) }
    }
}
