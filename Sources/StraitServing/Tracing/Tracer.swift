// SPDX-License-Identifier: Apache-2.0

package import StraitCore
internal import StraitPlatform
package import StraitTracing
internal import Synchronization

/// Decides which requests are traced, and keeps what was traced until it is sent. A server that traces nothing has none.
package final class Tracer: Sendable {
    private struct State {
        var numbers: TraceNumbers
        var buffer: TraceBuffer
    }

    private let state: Mutex<State>
    private let control: TraceControl
    private let clock: any EngineClock
    private let isSecure: Bool
    /// The devices' names, by the scheduler's numbers.
    let deviceNames: [String]
    /// Signalled when there is a whole batch to send.
    let batchIsFull = Wakeup()

    /// Traces that are kept until they are sent: what OpenTelemetry's processors keep.
    package static let capacity = 2048

    /// A tracer.
    ///
    /// - Parameters:
    ///   - control: the settings of traces, which clients change.
    ///   - clock: the engine's.
    ///   - isSecure: whether requests come over TLS.
    package init(
        _ numbers: TraceNumbers, control: TraceControl, clock: any EngineClock, deviceNames: [String],
        isSecure: Bool = false, capacity: Int = Tracer.capacity
    ) {
        state = Mutex(State(numbers: numbers, buffer: TraceBuffer(capacity: capacity)))
        self.control = control
        self.clock = clock
        self.deviceNames = deviceNames
        self.isSecure = isSecure
    }

    func now() -> Int64 { clock.now().nanoseconds }

    /// A request has arrived over HTTP; else as ``begin(_:model:arrived:headers:)``.
    package func beginHTTP(model: String, arrived: Instant, headers: (String) -> [String]) -> RequestSpan? {
        begin(.http, model: model, arrived: arrived, headers: headers)
    }

    /// A request has arrived over gRPC; else as ``begin(_:model:arrived:headers:)``.
    package func beginGRPC(
        inStream: Bool, model: String, arrived: Instant, metadata: (String) -> [String]
    ) -> RequestSpan? {
        begin(inStream ? .stream : .call, model: model, arrived: arrived, headers: metadata)
    }

    /// A request has arrived.
    ///
    /// One that brings a trace that is sampled is traced, one whose trace is not sampled is not; of the others the
    /// settings' share is.
    ///
    /// - Parameters:
    ///   - model: as the request names it.
    ///   - headers: the values of a header, or of gRPC's metadata, by its name.
    /// - Returns: its span; nil where it is not traced.
    package func begin(
        _ transport: RequestTrace.Transport, model: String, arrived: Instant, headers: (String) -> [String]
    ) -> RequestSpan? {
        // More than one is as good as none.
        let brought = headers("traceparent")
        let parent = brought.count == 1 ? TraceContext(parsing: brought[0]) : nil
        if let parent, !parent.isSampled { return nil }
        let (trace, span) = state.withLock { state in
            (parent?.trace ?? state.numbers.trace(), state.numbers.span())
        }
        guard control.takes(trace, of: model, isBrought: parent != nil) else { return nil }
        let context = TraceContext(
            trace: trace, span: span, isSampled: true, isRandom: parent.map { $0.flags & 2 != 0 } ?? true)
        let passedOn = parent == nil ? "" : TraceState.passedOn(headers("tracestate"))
        var request = RequestTrace(
            context: context, parent: parent?.span, state: passedOn, transport: transport, model: model,
            arrived: arrived.nanoseconds)
        request.isSecure = isSecure
        return RequestSpan(request, self)
    }

    /// The headers of an answer.
    static func headers(_ context: TraceContext, _ passedOn: String) -> [(name: String, value: String)] {
        let parent = (name: "traceparent", value: context.header)
        return passedOn.isEmpty ? [parent] : [parent, (name: "tracestate", value: passedOn)]
    }

    /// Keeps a trace until it is sent.
    func take(_ trace: RequestTrace) {
        let isFull = state.withLock { state in
            state.buffer.append(trace)
            return state.buffer.count == TraceExport.batch
        }
        if isFull { batchIsFull.signal() }
    }

    /// Takes out what is to be sent.
    ///
    /// - Parameter traces: empty; its memory is used from now on.
    /// - Returns: how many had no room since the beginning.
    func exchange(_ traces: inout [RequestTrace]) -> UInt64 {
        state.withLock { state in
            state.buffer.exchange(&traces)
            return state.buffer.dropped
        }
    }

    /// How many had no room since the beginning.
    var dropped: UInt64 { state.withLock { $0.buffer.dropped } }
}
