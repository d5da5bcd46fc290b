// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitFormats
internal import Synchronization

/// Writes what happens on a server to a file, on the hub's thread.
package final class Recorder: RecordReader {
    private let hub: RecordHub
    private let path: String
    private let log: @Sendable (String) -> Void

    private struct State {
        /// Nil until the beginning.
        var writer: RecordingWriter?
        var dropped = 0
        /// Why nothing is written any more.
        var failure: FormatError?
    }

    private let state = Mutex(State())

    /// Begins to record an engine to which all models were added, and on whose hub no tape runs yet: files count requests
    /// from 0.
    ///
    /// - Parameter log: told what becomes of the file.
    /// - Throws: ``FormatError`` where the file cannot be written.
    package init(path: String, hub: RecordHub, log: @escaping @Sendable (String) -> Void) throws(FormatError) {
        self.path = path
        self.hub = hub
        self.log = log
        hub.add(self)
        if let failure = state.withLock(\.failure) {
            _ = hub.remove(self)
            throw failure
        }
    }

    /// Always, until it is stopped.
    package var isInterested: Bool { true }

    package func begin(_ head: Recording.Head, arrivals: Int, epoch: Instant) {
        precondition(arrivals == 0, "a file is begun before anything else reads from its hub")
        state.withLock { state in
            do throws(FormatError) {
                state.writer = try RecordingWriter(path: path, head)
            } catch { state.failure = error }
        }
    }

    package func take(_ records: [Recording.Record], dropped: Int) {
        let complaint = state.withLock { state -> String? in
            defer { state.dropped = dropped }
            guard state.failure == nil else { return nil }
            do throws(FormatError) {
                try state.writer?.append(records)
            } catch {
                // Once. Later records are thrown away.
                state.failure = error
                return "warning: recording ends here: \(error)"
            }
            // Once: who has lost something knows that the recording is not whole.
            guard dropped > 0, state.dropped == 0 else { return nil }
            return "warning: recording: more happened than there is room for; some of it is left out"
        }
        if let complaint { log(complaint) }
    }

    package func end() {}

    /// Writes the rest, and records no longer.
    package func stop() {
        let end = hub.remove(self)
        let words = state.withLock { state -> String? in
            guard var writer = state.writer else { return nil }
            state.writer = nil
            do throws(FormatError) {
                try writer.finish(at: state.failure == nil ? end : nil, dropped: state.dropped)
            } catch { return "recording: \(error)" }
            let lost = state.dropped > 0 ? "; \(state.dropped) records had no room and are left out" : ""
            return "recorded \(writer.arrivals) requests and \(writer.batches) batches in \(path)\(lost)"
        }
        if let words { log(words) }
    }
}
