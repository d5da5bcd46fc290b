// SPDX-License-Identifier: Apache-2.0

/// Traces in the form that OpenTelemetry's protocol sends them: an `ExportTraceServiceRequest` in protobuf.
package struct TraceExport: Sendable {
    /// What is known of this server.
    private let resource: SpanAttributes
    private let version: String

    /// - Parameters:
    ///   - resource: what is known of this server, its `service.name` among it.
    ///   - version: Strait's.
    package init(resource: SpanAttributes, version: String) {
        self.resource = resource
        self.version = version
    }

    /// How many traces are sent at a time: some hundred kilobytes.
    package static let batch = 128

    /// The message for some requests.
    ///
    /// - Parameter offset: what is added to the monotonic clock to have the time since 1970, in nanoseconds.
    /// - Complexity: O(spans).
    package func message(_ traces: some Sequence<RequestTrace>, offset: Int64) -> [UInt8] {
        var message = ProtobufWriter()
        message.message(1) { ofResource in
            ofResource.message(1) { described in attributes(resource, 1, in: &described) }
            ofResource.message(2) { ofScope in
                ofScope.message(1) { scope in
                    scope.text(1, "strait")
                    scope.text(2, version)
                }
                for trace in traces {
                    for span in trace.spans { ofScope.message(2) { write(span, of: trace, offset, to: &$0) } }
                }
            }
        }
        return message.bytes
    }

    /// The flags of a span say whether it is known that its parent is elsewhere, and whether it is.
    private static let isRemoteKnown: UInt32 = 0x100
    private static let isRemote: UInt32 = 0x200
    private static let errorStatus: UInt64 = 2

    private func write(_ span: Span, of trace: RequestTrace, _ offset: Int64, to message: inout ProtobufWriter) {
        func time(_ monotonic: Int64) -> UInt64 { UInt64(max(0, monotonic &+ offset)) }
        message.bigEndian(1, trace.context.trace.high, trace.context.trace.low)
        message.bigEndian(2, span.id.bits)
        message.text(3, trace.state)
        if let parent = span.parent { message.bigEndian(4, parent.bits) }
        message.text(5, span.name)
        message.number(6, span.kind.rawValue)
        message.fixed64(7, time(span.start))
        message.fixed64(8, time(span.end))
        attributes(span.attributes, 9, in: &message)
        for event in span.events {
            message.message(11) {
                $0.fixed64(1, time(event.at))
                $0.text(2, event.name)
            }
        }
        if let error = span.error {
            message.message(15) {
                $0.text(2, error)
                $0.number(3, Self.errorStatus)
            }
        }
        let comesFromElsewhere = span.kind == .server && span.parent != nil
        message.fixed32(
            16, UInt32(trace.context.flags) | Self.isRemoteKnown | (comesFromElsewhere ? Self.isRemote : 0))
    }

    private func attributes(_ all: SpanAttributes, _ field: UInt64, in message: inout ProtobufWriter) {
        for (key, value) in all {
            message.message(field) { pair in
                pair.text(1, key)
                pair.message(2) { chosen in
                    switch value {
                    case .text(let text): chosen.chosenText(1, text)
                    case .flag(let flag): chosen.number(2, flag ? 1 : 0)
                    case .integer(let number): chosen.number(3, UInt64(bitPattern: number))
                    case .number(let number): chosen.fixed64(4, number.bitPattern)
                    }
                }
            }
        }
    }
}
