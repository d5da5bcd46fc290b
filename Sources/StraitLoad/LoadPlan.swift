// SPDX-License-Identifier: Apache-2.0

package import StraitNetwork

/// The two classes of requests.
package enum LoadClass: Int, Sendable, CaseIterable, Hashable {
    case high, low

    /// The protocol's `priority` parameter of the class: 1 is the highest.
    package var priority: Int { rawValue + 1 }

    /// `high` or `low`.
    package var name: String { self == .high ? "high" : "low" }
}

/// What to send, to whom, how fast and for how long.
package struct LoadPlan: Sendable {
    /// When requests are sent.
    package enum Pace: Sendable, Equatable {
        /// At the arrivals of a Poisson process of this many requests a second, whether or not answers come.
        case openLoop(requestsPerSecond: Double)
        /// Each answer is followed by the next request, so that this many are always outstanding.
        case closedLoop(outstanding: Int)
    }

    /// How tensors travel.
    package enum Encoding: String, Sendable, CaseIterable {
        case binary, json
    }

    /// What is spoken.
    package enum Transport: String, Sendable, CaseIterable {
        case http, grpc
    }

    /// The server.
    package var server: ServerAddress
    /// The models, with their share of the load.
    package var targets: [LoadTarget]
    /// When requests are sent.
    package var pace: Pace
    /// The share of requests that are of the high class, 0…1.
    package var highShare = 0.3
    /// Load before the measured part begins, so that connections, caches and estimates are warm.
    package var warmup: Duration = .seconds(1)
    /// The measured part.
    package var duration: Duration = .seconds(10)
    /// How long to wait, after the measured part, for answers that are still due.
    package var tailWait: Duration = .seconds(5)
    /// Of the arrivals, the mix and generated inputs: the same seed gives the same requests at the same instants.
    package var seed: UInt64 = 1
    /// How tensors travel.
    package var encoding: Encoding = .binary
    /// What is spoken.
    package var transport: Transport = .http
    /// What says whose requests they are, for a server that wants to know; nil for nobody's.
    package var token: String?
    /// Whom the client trusts, and what it shows of itself, where the server is asked over TLS.
    package var trust = ClientTrust()
    /// The most connections opened.
    package var maximumConnections = 256
    /// Event-loop threads.
    package var threads = 1
    /// The cores that the event-loop threads are pinned to; empty for wherever the system puts them.
    package var cores: [Int] = []

    /// A plan with the defaults above.
    package init(server: ServerAddress, targets: [LoadTarget], pace: Pace) {
        self.server = server
        self.targets = targets
        self.pace = pace
    }

    /// The most event-loop threads: far more than a client beside a server can use.
    package static let maximumThreads = 64
    /// The most connections: below the descriptor limit of common systems with a raised soft limit.
    package static let maximumConnectionLimit = 65_536
    /// The fastest rate, requests a second: what one machine could send at the very best.
    package static let maximumRate = 1e6
    /// The longest of any of the plan's durations: a day, so that nanoseconds never overflow.
    package static let maximumDuration = Duration.seconds(86_400)

    /// The smallest deadline any request carries, or nil where none carries one.
    package var smallestDeadline: Duration? {
        targets.flatMap { target in
            LoadClass.allCases.filter { sends($0) }.compactMap { target.deadline(of: $0) }
        }.min()
    }

    /// Whether the mix holds requests of the class at all.
    package func sends(_ requestClass: LoadClass) -> Bool {
        requestClass == .high ? highShare > 0 : highShare < 1
    }

    /// Refuses a plan that cannot be carried out.
    ///
    /// - Throws: ``LoadError`` of code `badPlan`, naming what is out of range.
    package func validate() throws(LoadError) {
        func require(_ condition: Bool, _ message: @autoclosure () -> String) throws(LoadError) {
            guard condition else { throw LoadError(.badPlan, message()) }
        }
        try require(!targets.isEmpty, "No model to drive: name at least one with --model.")
        var seen: Set<String> = []
        for target in targets {
            try require(
                seen.insert(target.model).inserted,
                "Model \(target.model) is named twice: give each model once, with its weight.")
            try require(
                target.weight > 0 && target.weight.isFinite,
                "Model \(target.model) has weight \(target.weight): expected a number above 0.")
            for deadline in [target.highDeadline, target.lowDeadline].compactMap({ $0 }) {
                try require(
                    deadline >= .microseconds(1) && deadline <= Self.maximumDuration,
                    "Model \(target.model) has a deadline of \(deadline): expected 0.001 ms to one day.")
            }
        }
        switch pace {
        case .openLoop(let rate):
            try require(
                rate > 0 && rate <= Self.maximumRate,
                "The rate is \(rate) requests/s: expected more than 0 and at most \(Int(Self.maximumRate)).")
        case .closedLoop(let outstanding):
            try require(
                outstanding >= threads && outstanding <= Self.maximumConnectionLimit,
                "The concurrency is \(outstanding): expected \(threads) (one for each thread) to "
                    + "\(Self.maximumConnectionLimit).")
        }
        try require(
            token.map { !$0.isEmpty && $0.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } } ?? true,
            "The token is empty or has characters that no header takes.")
        try require(
            transport == .http || encoding == .binary, "gRPC has no JSON: leave --encoding json to --protocol http.")
        try require((0...1).contains(highShare), "The high share is \(highShare): expected 0 to 1.")
        try require(
            duration > .zero && duration <= Self.maximumDuration,
            "The duration is \(duration): expected more than 0 and at most one day.")
        try require(
            warmup >= .zero && warmup <= Self.maximumDuration && tailWait >= .zero && tailWait <= Self.maximumDuration,
            "The warm-up is \(warmup) and the tail wait \(tailWait): expected 0 to one day each.")
        try require(
            (1...Self.maximumThreads).contains(threads),
            "The number of threads is \(threads): expected 1 to \(Self.maximumThreads).")
        try require(
            maximumConnections >= threads && maximumConnections <= Self.maximumConnectionLimit,
            "The number of connections is \(maximumConnections): expected \(threads) (one for each thread) to "
                + "\(Self.maximumConnectionLimit).")
    }
}
