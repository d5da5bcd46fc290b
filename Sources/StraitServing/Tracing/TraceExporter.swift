// SPDX-License-Identifier: Apache-2.0

package import StraitPlatform
package import StraitTracing
internal import Synchronization

/// Sends what was traced to a receiver of OpenTelemetry's protocol, from a thread of its own: nobody who serves waits.
package final class TraceExporter: Sendable {
    /// What became of traces.
    package struct Counts: Sendable, Hashable {
        /// Requests whose spans the receiver has taken.
        package var sent: UInt64 = 0
        /// Requests whose spans are lost: for want of room, or because the receiver would not have them.
        package var lost: UInt64 = 0
    }

    /// Posts a message; an error for one that cannot be sent now.
    package typealias Send = @Sendable ([UInt8]) -> Result<PlainHTTP.Reply, PlainHTTP.Failure>

    private let tracer: Tracer
    private let export: TraceExport
    private let send: Send
    private let address: String
    private let log: @Sendable (String) -> Void

    private struct State {
        var counts = Counts()
        var isStopping = false
    }

    private let state = Mutex(State())
    private let hasEnded = Wakeup()
    private let thread: Mutex<SystemThread?> = Mutex(nil)

    /// How long a trace waits for others to go with it.
    private static let interval: Int64 = 1_000_000_000
    /// How long each step of sending may take, in seconds.
    private static let sendSeconds = 10
    /// How long the end of the server waits for the last traces.
    private static let lastNanoseconds: Int64 = 2_000_000_000

    /// An exporter to the receiver that the settings name.
    package convenience init(
        _ settings: ExportSettings, of tracer: Tracer, version: String, log: @escaping @Sendable (String) -> Void
    ) {
        let (address, headers) = (settings.address, settings.headers)
        self.init(
            of: tracer, export: TraceExport(resource: settings.resource, version: version),
            address: address.description, log: log
        ) { message in
            Result { () throws(PlainHTTP.Failure) in
                try PlainHTTP.post(
                    host: address.host, port: address.port, authority: address.authority, path: address.path,
                    headers: [("Content-Type", "application/x-protobuf"), ("User-Agent", "strait/\(version)")]
                        + headers,
                    body: message, seconds: Self.sendSeconds)
            }
        }
    }

    /// An exporter by another way of sending; tests bring theirs.
    package init(
        of tracer: Tracer, export: TraceExport, address: String, log: @escaping @Sendable (String) -> Void,
        send: @escaping Send
    ) {
        self.tracer = tracer
        self.export = export
        self.address = address
        self.log = log
        self.send = send
    }

    /// What became of traces so far.
    package var counts: Counts {
        var counts = state.withLock { $0.counts }
        counts.lost += tracer.dropped
        return counts
    }

    /// Starts to send.
    package func start() {
        let started = SystemThread(name: "traces") { [self] in
            var (traces, pace) = ([RequestTrace](), ExportPace())
            while !isStopping {
                _ = tracer.batchIsFull.wait(untilNanoseconds: MonotonicClock.nanoseconds() + Self.interval)
                sendAll(&traces, &pace)
            }
            sendAll(&traces, &pace)
            hasEnded.signal()
        }
        thread.withLock { $0 = started }
    }

    /// Sends the rest, and ends; a receiver that takes too long is not waited for.
    package func stop() {
        state.withLock { $0.isStopping = true }
        tracer.batchIsFull.signal()
        _ = hasEnded.wait(untilNanoseconds: MonotonicClock.nanoseconds() + Self.lastNanoseconds)
        let counts = counts
        log("traces: \(counts.sent) sent to \(address), \(counts.lost) lost")
    }

    private var isStopping: Bool { state.withLock { $0.isStopping } }

    /// Sends all that waits, in batches.
    func sendAll(_ traces: inout [RequestTrace], _ pace: inout ExportPace) {
        _ = tracer.exchange(&traces)
        var rest = traces[...]
        while !rest.isEmpty {
            let batch = rest.prefix(TraceExport.batch)
            rest = rest.dropFirst(batch.count)
            settle(batch, &pace)
        }
        rest = []
        traces.removeAll(keepingCapacity: true)
    }

    /// Sends one batch, again and again while that may help.
    private func settle(_ batch: ArraySlice<RequestTrace>, _ pace: inout ExportPace) {
        let message = export.message(batch, offset: MonotonicClock.calendarOffset())
        while true {
            let (isSent, mayHelp, reason, asked) = attempt(message)
            guard !isSent else {
                state.withLock { $0.counts.sent += UInt64(batch.count) }
                return pace.settled()
            }
            let now = MonotonicClock.nanoseconds()
            let step = mayHelp && !isStopping ? pace.failed(at: now, asked: asked) : .giveUp
            if step == .giveUp {
                pace.settled()
                state.withLock { $0.counts.lost += UInt64(batch.count) }
            }
            if pace.mayComplain(at: now) {
                log(
                    "warning: traces cannot be sent to \(address): \(reason); \(counts.lost) are lost so far"
                        + (step == .giveUp ? "" : ", and it is tried again"))
            }
            guard case .wait(let nanoseconds) = step else { return }
            wait(nanoseconds)
        }
    }

    /// Waits, unless the server ends.
    private func wait(_ nanoseconds: Int64) {
        let end = MonotonicClock.nanoseconds() + nanoseconds
        while !isStopping, tracer.batchIsFull.wait(untilNanoseconds: end) {}
    }

    /// Statuses after which the same may be sent again.
    private static let passing: Set<Int> = [429, 502, 503, 504]

    private func attempt(_ message: [UInt8]) -> (isSent: Bool, mayHelp: Bool, reason: String, asked: Int?) {
        switch send(message) {
        case .success(let reply):
            return (
                (200..<300).contains(reply.status), Self.passing.contains(reply.status),
                "it answers with status \(reply.status)", reply.retryAfter
            )
        case .failure(let failure): return (false, true, failure.description, nil)
        }
    }
}
