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
        /// Its requests, the first ``requestsNamed`` of them.
        package let requests: [RequestID]
        /// When it would have been done; nil where the gate had kept it out before that was asked.
        package let prediction: BoundedFinish?
        /// Its worth by term.
        package let terms: [Term]
    }

    /// One part of what an option is worth.
    package struct Term: Sendable, Hashable {
        /// Its name, as docs/core-protocol.md explains it.
        package let name: String
        package let value: Double
    }

    /// Requests named for one option.
    package static let requestsNamed = 32

    /// Whether a request is in one of the options.
    func names(_ request: RequestID) -> Bool { options.contains { $0.requests.contains(request) } }
}

/// Where a policy leaves what it weighed; the scheduler takes it from there into its log.
package struct WeighingTray: Sendable {
    private var last: Weighing?

    /// Leaves what was weighed, before anything of it is carried out.
    mutating func record(_ candidates: [Candidate], chosen: Int?, _ state: SchedulerState, at now: Instant) {
        last = Weighing(options: candidates.map { $0.option(state, at: now) }, chosen: chosen)
    }

    /// Takes what was left since the last time.
    mutating func take() -> Weighing? {
        defer { last = nil }
        return last
    }
}

extension Candidate {
    fileprivate func option(_ state: SchedulerState, at now: Instant) -> Weighing.Option {
        let calibration = state.calibrations[requestClass.rawValue]
        return Weighing.Option(
            model: state.queues[queue].work.model, requestClass: requestClass, device: device, rows: rows,
            requests: requests(state),
            prediction: isAdmitted ? BoundedFinish(Duration(clamping: finish), from: now, calibration) : nil,
            terms: terms)
    }

    /// The requests that it would take. Those that it would pass over are low ones.
    private func requests(_ state: SchedulerState) -> [RequestID] {
        var requests: [RequestID] = []
        func name(_ count: Int, of queue: Int, from start: Int) {
            for position in start..<min(start + count, state.queues[queue].count) {
                guard requests.count < Weighing.requestsNamed else { return }
                requests.append(state.queues[queue][position].request)
            }
        }
        name(count, of: queue, from: requestClass == .low ? skipped : 0)
        if let filler, fillerCount > 0 { name(fillerCount, of: filler, from: skipped) }
        return requests
    }

    /// The parts of what it is worth, in the order in which they are reckoned.
    private var terms: [Weighing.Term] {
        guard isAdmitted else { return [] }
        var terms = [
            Weighing.Term(name: "regret", value: regret), Weighing.Term(name: "harm", value: harm),
            Weighing.Term(name: "slack_ms", value: slack / 1e6), Weighing.Term(name: "rank", value: rank),
        ]
        if let loss { terms.append(Weighing.Term(name: "loss", value: loss)) }
        return terms
    }
}
