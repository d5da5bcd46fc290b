// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
package import StraitProtocol
internal import StraitTracing
internal import Synchronization

/// The span of one traced request while it is served: those who serve it note what they know, and the transport ends it.
///
/// Only requests that are traced have one.
package final class RequestSpan: Sendable {
    private struct State {
        var trace: RequestTrace
        var hasEnded = false
    }

    private let state: Mutex<State>
    private let tracer: Tracer

    init(_ trace: RequestTrace, _ tracer: Tracer) {
        state = Mutex(State(trace: trace))
        self.tracer = tracer
    }

    /// What the answer's `traceparent` and `tracestate` say: the trace, and the span of this request.
    package var headers: [(name: String, value: String)] {
        let (context, passedOn) = state.withLock { ($0.trace.context, $0.trace.state) }
        return Tracer.headers(context, passedOn)
    }

    /// The request was understood and goes to the scheduler.
    func noteSubmitted(_ submission: Submission, id: String) {
        let now = tracer.now()
        state.withLock { state in
            state.trace.version = String(submission.model.specification.version)
            state.trace.requestID = id
            state.trace.terms = RequestTrace.Terms(
                submitted: now, isHigh: submission.requestClass == .high, deadline: submission.deadline.nanoseconds,
                rows: submission.rows)
        }
    }

    /// The engine is done with the request.
    func noteReply(_ reply: Reply) {
        let now = tracer.now()
        state.withLock { state in
            state.trace.finished = now
            switch reply {
            case .answered(let answer):
                let (timing, arrived) = (answer.timing, state.trace.arrived)
                state.trace.isLate = answer.isLate
                state.trace.number = answer.number
                state.trace.run = RequestTrace.Run(
                    staged: arrived + timing.queue.nanoseconds,
                    copyIn: (timing.copy - timing.copyOut).nanoseconds, kernels: timing.compute.nanoseconds,
                    copyOut: timing.copyOut.nanoseconds,
                    predicted: (Instant(nanoseconds: arrived) + timing.predicted).nanoseconds,
                    device: tracer.deviceNames[timing.place.device.index], lane: timing.place.lane.index,
                    batchRows: timing.place.batchRows)
            case .refused(let refusal):
                state.trace.failure = RequestTrace.Failure(refusal.error)
                state.trace.number = refusal.number
            }
        }
        // Nobody is left to answer, so that no transport ends it.
        if case .refused(let refusal) = reply, refusal.error.code == .cancelled { end(status: nil) }
    }

    /// The request was refused by what is at fault with it.
    package func noteFailure(_ error: ProtocolError) {
        let now = tracer.now()
        state.withLock { state in
            if state.trace.terms == nil { state.trace.finished = now }
            state.trace.failure = RequestTrace.Failure(error)
        }
    }

    /// The answer was handed to the network. What comes afterwards counts no more.
    ///
    /// - Parameter status: of HTTP, or of gRPC; nil where the client had gone.
    package func end(status: Int?) {
        let now = tracer.now()
        let trace = state.withLock { state -> RequestTrace? in
            guard !state.hasEnded else { return nil }
            state.hasEnded = true
            state.trace.sent = now
            state.trace.status = status
            return state.trace
        }
        if let trace { tracer.take(trace) }
    }
}

extension RequestTrace.Failure {
    init(_ error: ProtocolError) { self.init(code: "\(error.code)", message: error.message) }
}
