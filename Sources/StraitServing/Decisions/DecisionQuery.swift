// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
package import StraitProtocol

/// Which requests somebody asks about.
package struct DecisionQuery: Sendable, Hashable {
    /// The server's number for one.
    package var number: UInt64?
    /// What clients call them.
    package var clientID: String?
    /// A model's name.
    package var model: String?
    /// A class.
    var requestClass: RequestClass?
    /// What became of them.
    package var outcome: Outcome?
    /// The most requests that are told of, the newest first.
    package var last: Int
    /// Only those that arrived within so many seconds.
    package var since: Double?

    /// What can become of requests, as people ask for it.
    package enum Outcome: String, Sendable, Hashable, CaseIterable {
        case met, late, shed, failed, cancelled, waiting, running
        /// Late, shed or failed.
        case violation
    }

    /// The most requests that one answer tells of.
    package static let mostTold = 100
    /// How many are told of where nobody says how many.
    package static let usuallyTold = 10
    /// The longest time that can be looked back, in seconds: a year.
    private static let longestSince = 31_536_000.0

    /// The parameters of `GET /v2/strait/decisions`.
    package static let parameters = ["request", "id", "model", "class", "outcome", "last", "since"]

    /// Reads a query.
    ///
    /// - Throws: ``ProtocolError`` with the parameter that is wrong, and what is expected.
    package init(_ items: QueryItems) throws(ProtocolError) {
        if let text = items["request"] {
            guard let value = UInt64(text), value > 0 else {
                throw ProtocolError(
                    .invalidArgument,
                    "request is '\(shortened(text, to: 40))'; expected the number from the header strait-request, or id= for the "
                        + "client's own id")
            }
            number = value
        }
        clientID = items["id"].flatMap { $0.isEmpty ? nil : RequestHistory.kept($0) }
        model = items["model"].flatMap { $0.isEmpty ? nil : $0 }
        if let text = items["class"] {
            switch text {
            case "high": requestClass = .high
            case "low": requestClass = .low
            default:
                throw ProtocolError(.invalidArgument, "class is '\(shortened(text, to: 40))'; there are high and low")
            }
        }
        if let text = items["outcome"] {
            guard let wanted = Outcome(rawValue: text) else {
                let names = Outcome.allCases.map(\.rawValue).joined(separator: ", ")
                throw ProtocolError(.invalidArgument, "outcome is '\(shortened(text, to: 40))'; there are \(names)")
            }
            outcome = wanted
        }
        last = try items.integer("last", in: 1...Self.mostTold) ?? Self.usuallyTold
        if let text = items["since"] {
            guard let seconds = Double(text), seconds >= 0, seconds <= Self.longestSince else {
                throw ProtocolError(
                    .invalidArgument, "since is '\(shortened(text, to: 40))'; expected seconds back from now")
            }
            since = seconds
        }
    }

    /// Whether it asks for requests that it names: there is an error where they are not known.
    var namesRequests: Bool { number != nil || clientID != nil }

    /// Whether a request is asked for.
    ///
    /// - Parameter earliest: when it must have arrived at the earliest.
    func wants(_ entry: RequestEntry, from earliest: Instant) -> Bool {
        if let number, entry.number != number { return false }
        if let requestClass, entry.requestClass != requestClass { return false }
        if entry.arrived < earliest { return false }
        if let outcome, !outcome.has(entry) { return false }
        if let clientID, entry.clientID != clientID { return false }
        if let model, entry.model != model { return false }
        return true
    }
}

extension DecisionQuery {
    /// The same of a request among the last ones, by what is kept of it.
    func wants(_ number: UInt64, of history: DecisionHistory, from earliest: Instant) -> Bool {
        guard let request = history.requests[number] else { return false }
        if let requestClass, request.requestClass != requestClass { return false }
        if request.arrived < earliest { return false }
        if let outcome, !outcome.has(request) { return false }
        if let clientID, !history.requests.isCalled(request, clientID) { return false }
        if let model, history.labels[request.label].name != model { return false }
        return true
    }
}

extension DecisionQuery.Outcome {
    fileprivate func has(_ request: PackedRequest) -> Bool {
        self == .violation ? request.isViolation : self == DecisionQuery.Outcome(request.fate)
    }

    private init(_ fate: PackedRequest.Fate) {
        self =
            switch fate {
            case .waiting: .waiting
            case .running: .running
            case .met: .met
            case .late: .late
            case .shed, .turnedAway: .shed
            case .failed: .failed
            case .cancelled: .cancelled
            }
    }

    fileprivate func has(_ entry: RequestEntry) -> Bool {
        self == .violation ? entry.isViolation : self == DecisionQuery.Outcome(entry.fate)
    }

    /// What has become of a request.
    init(_ fate: RequestEntry.Fate) {
        self =
            switch fate {
            case .waiting: .waiting
            case .running: .running
            case .answered(let isLate): isLate ? .late : .met
            case .shed, .turnedAway: .shed
            case .failed: .failed
            case .cancelled: .cancelled
            }
    }
}
