// SPDX-License-Identifier: Apache-2.0

/// A value of an attribute.
package enum SpanValue: Sendable, Hashable {
    case text(String)
    case flag(Bool)
    case integer(Int64)
    case number(Double)
}

/// What is known of a span besides its name and time.
package typealias SpanAttributes = [(key: String, value: SpanValue)]

/// A stretch of time in a trace, as OpenTelemetry has it. Times are nanoseconds of the monotonic clock.
package struct Span: Sendable {
    /// Who worked.
    package enum Kind: UInt64, Sendable {
        /// Something within the server.
        case within = 1
        /// The server, for a client.
        case server = 2
    }

    package var id: SpanID
    package var parent: SpanID?
    package var name: String
    package var kind: Kind
    package var start: Int64
    package var end: Int64
    package var attributes: SpanAttributes = []
    /// Moments within it.
    package var events: [(name: String, at: Int64)] = []
    /// What went wrong, by the server's doing; nil where nothing did.
    package var error: String?
}

extension RequestTrace {
    /// The name of the span of a request, which is Triton's.
    private static let requestSpan = "InferRequest"
    /// Statuses from here on are the server's fault, in HTTP.
    private static let firstServerError = 500
    /// The statuses of gRPC that are the server's fault: unknown, deadline exceeded, unimplemented, internal,
    /// unavailable, data loss.
    private static let serverErrors: Set<Int> = [2, 4, 12, 13, 14, 15]

    /// The spans: the request's own first, then its parts.
    package var spans: [Span] {
        let phases = phases
        var request = Span(
            id: context.span, parent: parent, name: Self.requestSpan, kind: .server, start: arrived,
            end: phases.last?.end ?? arrived)
        request.attributes = attributes
        request.events = events(phases)
        if isServerError { request.error = failure?.message ?? "status \(status ?? 0)" }
        var spans = [request]
        for (index, phase) in phases.enumerated() {
            var span = Span(
                id: context.span.child(index), parent: context.span, name: phase.name, kind: .within,
                start: phase.start, end: phase.end)
            if phase.name == "kernels", let run {
                span.attributes = [
                    ("strait.device", .text(run.device)), ("strait.lane", .integer(Int64(run.lane))),
                    ("strait.batch.rows", .integer(Int64(run.batchRows))),
                ]
            }
            spans.append(span)
        }
        return spans
    }

    private var isServerError: Bool {
        guard let status else { return false }
        return transport == .http ? status >= Self.firstServerError : Self.serverErrors.contains(status)
    }

    private var outcome: String {
        if let failure { return failure.code }
        guard run != nil else { return "refused" }
        return isLate ? "late" : "in_time"
    }

    private var attributes: SpanAttributes {
        var all: SpanAttributes = [("triton.model_name", .text(model))]
        if !version.isEmpty { all.append(("triton.model_version", .text(version))) }
        if !requestID.isEmpty { all.append(("triton.request_id", .text(requestID))) }
        if number > 0 { all.append(("strait.request", .integer(Int64(clamping: number)))) }
        switch transport {
        case .http:
            all.append(("http.request.method", .text("POST")))
            all.append(("http.route", .text("/v2/models/{model}/infer")))
            all.append(("url.scheme", .text(isSecure ? "https" : "http")))
            if let status { all.append(("http.response.status_code", .integer(Int64(status)))) }
        case .call, .stream:
            all.append(("rpc.system", .text("grpc")))
            all.append(("rpc.service", .text("inference.GRPCInferenceService")))
            all.append(("rpc.method", .text(transport == .call ? "ModelInfer" : "ModelStreamInfer")))
            if let status { all.append(("rpc.grpc.status_code", .integer(Int64(status)))) }
        }
        if let terms {
            all.append(("strait.class", .text(terms.isHigh ? "high" : "low")))
            all.append(("strait.deadline_ms", .number(milliseconds(terms.deadline - arrived))))
            all.append(("strait.rows", .integer(Int64(terms.rows))))
        }
        all.append(("strait.outcome", .text(outcome)))
        if let run { all.append(("strait.predicted_ms", .number(milliseconds(run.predicted - arrived)))) }
        if let failure { all.append(("error.type", .text(failure.code))) }
        return all
    }

    private func milliseconds(_ nanoseconds: Int64) -> Double { Double(nanoseconds) / 1e6 }

    /// The moments that Triton names, where they happened.
    private func events(_ phases: [Phase]) -> [(name: String, at: Int64)] {
        let (begin, end) =
            transport == .http ? ("HTTP_RECV", "HTTP_SEND") : ("GRPC_WAITREAD", "GRPC_SEND")
        var events: [(name: String, at: Int64)] = [("REQUEST_START", arrived), ("\(begin)_START", arrived)]
        for phase in phases {
            switch phase.name {
            case "receive": events.append(("\(begin)_END", phase.end))
            case "queue": events.append(("QUEUE_START", phase.start))
            case "copy_in":
                events.append(("COMPUTE_START", phase.start))
                events.append(("COMPUTE_INPUT_END", phase.end))
            case "copy_out":
                events.append(("COMPUTE_OUTPUT_START", phase.start))
                events.append(("COMPUTE_END", phase.end))
            case "answer":
                events.append(("\(end)_START", phase.start))
                events.append(("\(end)_END", phase.end))
                events.append(("REQUEST_END", phase.end))
            default: break
            }
        }
        return events
    }
}
