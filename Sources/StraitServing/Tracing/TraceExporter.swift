// SPDX-License-Identifier: Apache-2.0

package import StraitCore
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
        /// Requests whose spans were taken out to be sent, and are neither sent nor lost.
        var inHand: UInt64 = 0
        var isStopping = false
        /// Whether the last word is said: what becomes of the rest is not told any more.
        var isOver = false

        /// What became of some of those in hand.
        mutating func settle(_ count: Int, _ became: WritableKeyPath<Counts, UInt64>) {
            guard !isOver else { return }
            inHand -= UInt64(count)
            counts[keyPath: became] += UInt64(count)
        }
    }

    private let state = Mutex(State())
    private let hasEnded = Wakeup()
    private let thread = ThreadSlot()
    private let patience: Duration

    /// How long a trace waits for others to go with it.
    private static let interval: Int64 = 1_000_000_000
    /// How long each step of sending may take, in seconds.
    private static let sendSeconds = 10
    /// How long the end of the server waits for the last traces.
    package static let usualPatience = Duration.seconds(2)

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
    ///
    /// - Parameter patience: how long the end waits for the last traces.
    package init(
        of tracer: Tracer, export: TraceExport, address: String, patience: Duration = TraceExporter.usualPatience,
        log: @escaping @Sendable (String) -> Void, send: @escaping Send
    ) {
        self.patience = patience
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
        thread.put(started)
    }

    /// Sends the rest, and ends; a receiver that takes too long is not waited for, and what it was to have is lost.
    package func stop() {
        state.withLock { $0.isStopping = true }
        tracer.batchIsFull.signal()
        let isDone = hasEnded.wait(untilNanoseconds: MonotonicClock.nanoseconds() + patience.nanoseconds)
        if !isDone { giveUp() }
        let counts = counts
        log("traces: \(counts.sent) sent to \(address), \(counts.lost) lost")
    }

    private var isStopping: Bool { state.withLock { $0.isStopping } }

    private func giveUp() {
        var waiting: [RequestTrace] = []
        state.withLock { state in
            _ = tracer.exchange(&waiting)
            state.counts.lost += state.inHand + UInt64(waiting.count)
            state.isOver = true
        }
    }

    /// Sends all that waits, in batches.
    func sendAll(_ traces: inout [RequestTrace], _ pace: inout ExportPace) {
        state.withLock { state in
            _ = tracer.exchange(&traces)
            state.inHand = UInt64(traces.count)
        }
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
                state.withLock { $0.settle(batch.count, \.sent) }
                return pace.settled()
            }
            let now = MonotonicClock.nanoseconds()
            let step = mayHelp && !isStopping ? pace.failed(at: now, asked: asked) : .giveUp
            if step == .giveUp {
                pace.settled()
                state.withLock { $0.settle(batch.count, \.lost) }
            }
            if pace.mayComplain(at: now), !state.withLock({ $0.isOver }) {
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
