// SPDX-License-Identifier: Apache-2.0

internal import GRPCCore
internal import StraitCore
internal import StraitProtocol
internal import StraitServing

extension RPCError {
    /// An error as gRPC has it.
    init(_ error: ProtocolError) {
        let status = Status.Code(rawValue: error.grpcStatus) ?? .unknown
        self.init(code: Code(status) ?? .unknown, message: error.message)
    }

    /// Why a request has no results, with when to try again.
    init(_ refusal: Refusal) {
        self.init(refusal.error)
        if let wait = refusal.retryAfter {
            // Whole seconds, rounded up, as over HTTP.
            metadata.addString(String(max(1, Int(wait.seconds.rounded(.up)))), forKey: "retry-after")
        }
    }

    /// A call that comes while the server drains, or is cut off by its end.
    static var draining: RPCError { RPCError(code: .unavailable, message: "the server is draining; ask another one") }
}

/// The deadline of a call, as its client set it.
struct CallDeadline {
    /// When it passes; nil where the client waits for ever.
    let instant: Instant?

    /// The deadline of a call that arrived just now.
    init(_ metadata: Metadata, arrived: Instant) {
        var timeouts = metadata[stringValues: "grpc-timeout"].makeIterator()
        instant = timeouts.next().flatMap(Self.duration).map { arrived + $0 }
    }

    /// What is left of it, in microseconds, at least 1; nil where there is no end to it.
    func microsecondsLeft(at now: Instant) -> Int64? {
        instant.map { max(1, ($0 - now).nanoseconds / 1000) }
    }

    /// Whether it has passed.
    func hasPassed(at now: Instant) -> Bool { instant.map { $0 <= now } ?? false }

    /// At most eight digits and a unit, as gRPC writes it.
    private static func duration(_ text: String) -> Duration? {
        guard text.utf8.count <= 9, let amount = Int64(text.dropLast()), amount >= 0, let unit = text.last else {
            return nil
        }
        switch unit {
        case "H": return .seconds(Double(amount) * 3600)
        case "M": return .seconds(Double(amount) * 60)
        case "S": return .seconds(Double(amount))
        case "m": return .milliseconds(Double(amount))
        case "u": return .microseconds(amount)
        case "n": return Duration(nanoseconds: amount)
        default: return nil
        }
    }
}
