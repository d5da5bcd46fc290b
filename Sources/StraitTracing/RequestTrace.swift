// SPDX-License-Identifier: Apache-2.0

/// Where the time of one traced request went. Times are nanoseconds of the monotonic clock.
package struct RequestTrace: Sendable {
    /// How the request came.
    package enum Transport: Sendable, Hashable {
        /// Over HTTP.
        case http
        /// Over gRPC, in a call of its own.
        case call
        /// Over gRPC, in a stream of several.
        case stream
    }

    /// Where its batch ran.
    package struct Run: Sendable, Hashable {
        /// When the request was handed to its lane.
        package var staged: Int64
        /// How long gathering the rows and copying them to the device took.
        package var copyIn: Int64
        /// How long the model itself took.
        package var kernels: Int64
        /// How long copying the results back took.
        package var copyOut: Int64
        /// When it was predicted to be finished, at its dispatch.
        package var predicted: Int64
        /// The name of the device.
        package var device: String
        /// The lane of the device.
        package var lane: Int
        /// The rows of the batch that it was in.
        package var batchRows: Int

        package init(
            staged: Int64, copyIn: Int64, kernels: Int64, copyOut: Int64, predicted: Int64, device: String, lane: Int,
            batchRows: Int
        ) {
            self.staged = staged
            self.copyIn = copyIn
            self.kernels = kernels
            self.copyOut = copyOut
            self.predicted = predicted
            self.device = device
            self.lane = lane
            self.batchRows = batchRows
        }
    }

    /// What the scheduler was told of it.
    package struct Terms: Sendable, Hashable {
        /// When it was handed to the scheduler.
        package var submitted: Int64
        /// Whether it is of the high class.
        package var isHigh: Bool
        /// When it was due.
        package var deadline: Int64
        /// Its rows.
        package var rows: Int

        package init(submitted: Int64, isHigh: Bool, deadline: Int64, rows: Int) {
            self.submitted = submitted
            self.isHigh = isHigh
            self.deadline = deadline
            self.rows = rows
        }
    }

    /// Why it has no results.
    package struct Failure: Sendable, Hashable {
        /// The kind of error, such as `deadlineExceeded`.
        package var code: String
        /// What the client was told.
        package var message: String

        package init(code: String, message: String) {
            self.code = code
            self.message = message
        }
    }

    /// The trace, and this request's span of it.
    package var context: TraceContext
    /// The span that it comes from; nil where the trace begins here.
    package var parent: SpanID?
    /// What other systems keep of the trace.
    package var state: String
    /// How it came.
    package var transport: Transport
    /// Whether it came over TLS.
    package var isSecure = false
    /// The model that was asked, as the request names it.
    package var model: String
    /// The model's version; empty where the request left it open and no model took it.
    package var version = ""
    /// The client's name for the request; often empty.
    package var requestID = ""
    /// The server's number for it, by which it tells why; 0 where it has none.
    package var number: UInt64 = 0
    /// When it arrived.
    package var arrived: Int64
    /// What the scheduler was told; nil where it did not get that far.
    package var terms: Terms?
    /// Where it ran; nil where it did not.
    package var run: Run?
    /// Whether it was answered late.
    package var isLate = false
    /// Why it has no results; nil where it has.
    package var failure: Failure?
    /// When the engine was done with it.
    package var finished: Int64
    /// When its answer was handed to the network.
    package var sent: Int64
    /// The status that the client was told: HTTP's, or gRPC's by its number; nil where the client had gone.
    package var status: Int?

    /// A request that has just arrived.
    package init(
        context: TraceContext, parent: SpanID?, state: String, transport: Transport, model: String, arrived: Int64
    ) {
        self.context = context
        self.parent = parent
        self.state = state
        self.transport = transport
        self.model = model
        self.arrived = arrived
        finished = arrived
        sent = arrived
    }

    /// A part of a request's time.
    package struct Phase: Sendable, Hashable {
        /// What happened.
        package let name: String
        /// When it began.
        package let start: Int64
        /// When it ended.
        package let end: Int64
    }

    /// The parts, in their order: each begins where the one before it ends, the first at the arrival; the last ends with
    /// the answer. So they add up to the whole, whatever was measured.
    ///
    /// What a device measured are lengths. They are put at the end of the time that the batch had, and what is left of it
    /// before them is the wait for the lane, which is `stage`.
    package var phases: [Phase] {
        let finished = max(arrived, finished)
        var phases: [Phase] = []
        var start = arrived
        func append(_ name: String, until end: Int64) {
            let end = max(start, end)
            phases.append(Phase(name: name, start: start, end: end))
            start = end
        }
        if let terms {
            append("receive", until: min(terms.submitted, finished))
            if let run {
                append("queue", until: min(run.staged, finished))
                let copyOut = finished - max(0, run.copyOut)
                let kernels = copyOut - max(0, run.kernels)
                append("stage", until: min(kernels - max(0, run.copyIn), finished))
                append("copy_in", until: min(kernels, finished))
                append("kernels", until: min(copyOut, finished))
                append("copy_out", until: finished)
            } else {
                append("queue", until: finished)
            }
        } else {
            append("receive", until: finished)
        }
        append("answer", until: sent)
        return phases
    }
}
