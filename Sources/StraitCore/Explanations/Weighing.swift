// SPDX-License-Identifier: Apache-2.0

/// What a policy weighed for one decision.
package struct Weighing: Sendable {
    /// What could have been staged.
    package let options: [Option]
    /// Which of them was; nil for none.
    package let chosen: Int?
    /// How often in a row it came to that.
    package let times: Int

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
}

extension DecisionLog {
    /// Takes what a policy has weighed, before anything of it is carried out.
    ///
    /// - Parameter chosen: the place of the one that it chose; nil for none.
    /// - Complexity: O(candidates · requests named); no allocation.
    mutating func weigh(_ candidates: [Candidate], chosen: Int?, _ state: SchedulerState, at now: Instant) {
        var first = max(0, candidates.count - Weighing.optionsKept)
        if let chosen, chosen < first {
            // It comes in the place of the first that would be kept.
            weigh(candidates[chosen], isChosen: true, state, at: now)
            first += 1
        }
        for index in first..<candidates.count {
            weigh(candidates[index], isChosen: index == chosen, state, at: now)
        }
    }

    private mutating func weigh(_ candidate: Candidate, isChosen: Bool, _ state: SchedulerState, at now: Instant) {
        let calibration = state.calibrations[candidate.requestClass.rawValue]
        let firstName = namesWeighed
        candidate.name(state, into: &self)
        weigh(
            PackedOption(
                model: UInt32(truncatingIfNeeded: state.queues[candidate.queue].work.model.index),
                rows: UInt32(clamping: candidate.rows), device: UInt16(clamping: candidate.device.index),
                firstName: UInt16(clamping: firstName), nameCount: UInt16(clamping: namesWeighed - firstName),
                requestClass: candidate.requestClass, isAdmitted: candidate.isAdmitted, loss: candidate.loss ?? .nan,
                prediction: BoundedFinish(Duration(clamping: candidate.finish), from: now, calibration),
                regret: candidate.regret, harm: candidate.harm, slack: candidate.slack, rank: candidate.rank),
            isChosen: isChosen)
    }
}

extension Candidate {
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

    /// Names the requests that it would take.
    fileprivate func name(_ state: SchedulerState, into log: inout DecisionLog) {
        let (own, filling) = places(state, after: log.namesWeighed)
        for position in own { log.name(state.queues[queue][position].request) }
        guard let filler else { return }
        for position in filling { log.name(state.queues[filler][position].request) }
    }
}
