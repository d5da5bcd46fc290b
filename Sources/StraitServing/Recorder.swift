// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
package import StraitFormats
internal import StraitPlatform
internal import Synchronization

/// Writes what happens on a server to a file, on a thread of its own.
///
/// The engine notes in memory of bounded length, under its lock; this takes that out ten times a second, which is an
/// exchange of two arrays, and writes it.
package final class Recorder: Sendable {
    private let engine: Engine
    private let log: @Sendable (String) -> Void

    fileprivate struct State {
        var writer: RecordingWriter
        /// Taken out and written; kept for its memory.
        var records: [Recording.Record] = []
        var dropped = 0
        var hasFailed = false
    }

    private let state: Mutex<State>
    private let wakeup = Wakeup()
    private let thread: Mutex<SystemThread?> = Mutex(nil)

    /// How often records are taken out.
    private static let interval = StraitCore.Duration.milliseconds(100)
    /// Records between two of those: more than a server answers in a second. Twice as many take 20 MB.
    package static let usualCapacity = 65_536

    /// Begins to record an engine to which all models were added.
    ///
    /// - Parameter log: told what becomes of the file.
    /// - Throws: ``FormatError`` where the file cannot be written.
    package init(
        path: String, engine: Engine, capacity: Int = usualCapacity, log: @escaping @Sendable (String) -> Void
    ) throws(FormatError) {
        self.engine = engine
        self.log = log
        let head = engine.startRecording(
            capacity: capacity, calendarMilliseconds: Int64(clamping: MonotonicClock.calendarMilliseconds()))
        var state = State(writer: try RecordingWriter(path: path, head))
        state.records.reserveCapacity(capacity)
        self.state = Mutex(state)
    }

    /// Starts to write.
    package func start() {
        let started = SystemThread(name: "recorder") { [self] in
            while !wakeup.wait(untilNanoseconds: MonotonicClock.nanoseconds() + Self.interval.nanoseconds) { write() }
        }
        thread.withLock { $0 = started }
    }

    /// Writes what was recorded since the last time.
    package func write() {
        let complaint = state.withLock { state -> String? in
            let dropped = engine.takeRecords(&state.records)
            defer { state.dropped = dropped }
            if let complaint = state.write() { return complaint }
            // Once: who has lost something knows that the recording is not whole.
            guard dropped > 0, state.dropped == 0 else { return nil }
            return "warning: recording: more happened than there is room for; some of it is left out"
        }
        if let complaint { log(complaint) }
    }

    /// Writes the rest, and records no longer.
    package func stop() {
        let thread = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        wakeup.signal()
        thread?.join()
        write()
        let words = state.withLock { state -> String in
            let (end, dropped) = engine.stopRecording(&state.records)
            if let complaint = state.write() { return complaint }
            do throws(FormatError) {
                try state.writer.finish(at: state.hasFailed ? nil : end, dropped: dropped)
            } catch { return "recording: \(error)" }
            let lost = dropped > 0 ? "; \(dropped) records had no room and are left out" : ""
            return "recorded \(state.writer.arrivals) requests and \(state.writer.batches) batches in "
                + "\(state.writer.path)\(lost)"
        }
        log(words)
    }
}

extension Recorder.State {
    /// Writes what was taken out; says what went wrong, once. Later records are then thrown away.
    fileprivate mutating func write() -> String? {
        defer { records.removeAll(keepingCapacity: true) }
        guard !hasFailed else { return nil }
        do throws(FormatError) {
            try writer.append(records)
            return nil
        } catch {
            hasFailed = true
            return "warning: recording ends here: \(error)"
        }
    }
}
