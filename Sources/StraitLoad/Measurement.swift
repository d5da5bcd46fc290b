// SPDX-License-Identifier: Apache-2.0

/// What the generator saw, before percentiles are taken: one tally for each model and class, and its own conduct.
package struct Measurement: Sendable {
    /// By model (in the plan's order), high before low.
    package var tallies: [Tally]
    /// Answers with status 200 whose last byte came within the measured part, whenever their requests were sent.
    package var answeredInWindow = 0
    /// Requests of the whole load, warm-up included.
    package var requestsStarted = 0
    /// The most connections that were open at one time.
    package var connections = 0
    /// Requests that found every connection taken and had to wait for one.
    package var waitedForConnection = 0
    /// Processor time of the event-loop threads over the measured part, in seconds.
    package var cpuSeconds = 0.0
    /// What failed requests came back with, and how often.
    package var failures: [String: Int] = [:]

    /// Different failures that are told apart; a broken server says few different things, a confused one too many.
    package static let maximumFailureKinds = 8

    /// Nothing measured yet.
    package init(targetCount: Int, expectedEach: Int = 0) {
        tallies = (0..<targetCount * LoadClass.allCases.count).map { _ in Tally(expected: expectedEach) }
    }

    /// The place of a model's and class's tally.
    package static func index(target: Int, requestClass: LoadClass) -> Int {
        target * LoadClass.allCases.count + requestClass.rawValue
    }

    /// Counts a failure by its message.
    package mutating func noteFailure(_ message: String) {
        if failures[message] != nil || failures.count < Self.maximumFailureKinds {
            failures[message, default: 0] += 1
        } else {
            failures["other", default: 0] += 1
        }
    }

    /// Adds what another event loop measured over the same time.
    package mutating func merge(_ other: Measurement) {
        for (index, tally) in other.tallies.enumerated() { tallies[index].merge(tally) }
        answeredInWindow += other.answeredInWindow
        requestsStarted += other.requestsStarted
        connections += other.connections
        waitedForConnection += other.waitedForConnection
        cpuSeconds += other.cpuSeconds
        failures.merge(other.failures) { $0 + $1 }
    }
}
