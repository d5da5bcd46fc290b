// SPDX-License-Identifier: Apache-2.0

// What the server does to its streams, and says of the connection.

extension ConnectionFrames {
    /// Bytes of data that may be sent on a stream now, of those that wait; they count as sent, in one frame.
    ///
    /// Where it is the stream's own window that has no room, ``takeRoomy()`` names the stream when it has.
    ///
    /// - Returns: 0 where none may, or the stream is over.
    package mutating func grant(_ wanted: Int, on stream: Int) -> Int {
        guard let place = streams.index(forKey: stream) else { return 0 }
        let window = streams.values[place].sendWindow
        let count = min(wanted, sendWindow, window, largestFrame)
        guard count > 0 else {
            if window <= 0 { streams.values[place].isWaiting = true }
            return 0
        }
        streams.values[place].sendWindow = window - count
        sendWindow -= count
        return count
    }

    /// Whether the connection's window has room.
    package var hasRoom: Bool { sendWindow > 0 }

    /// Whether a stream waits for its own window, so that it need not be tried before ``takeRoomy()`` names it.
    package func isWaiting(_ stream: Int) -> Bool { streams[stream]?.isWaiting ?? false }

    /// The streams whose windows have room again, each once.
    package mutating func takeRoomy() -> [Int] {
        guard !roomy.isEmpty else { return [] }
        defer { roomy = [] }
        return roomy
    }

    /// Lets the client send as much as was used up of a stream, once that is worth a frame.
    package mutating func consumed(_ count: Int, of stream: Int) {
        guard let place = streams.index(forKey: stream), streams.values[place].isClientOpen else { return }
        let used = streams.values[place].used + count
        guard used > 0, used >= limits.windowBytes / 2 else { return streams.values[place].used = used }
        replies.appendWindowUpdate(stream, used)
        streams.values[place].receiveWindow += used
        streams.values[place].used = 0
    }

    /// Forgets a stream: it has ended from this side.
    ///
    /// - Returns: whether the client could still have sent of it; nil where it was forgotten before.
    @discardableResult package mutating func close(_ stream: Int) -> Bool? {
        guard let state = streams.removeValue(forKey: stream) else { return nil }
        headerBytes -= state.headerBytes
        return state.isClientOpen
    }

    /// Says that a stream is over; it must be closed, or never have been.
    package mutating func reset(_ stream: Int, _ code: FrameError) {
        replies.appendFrameHead(.reset, stream: stream, length: 4)
        replies.appendNumber(code.rawValue)
    }

    /// Says that no streams behind the last are taken, and why.
    ///
    /// - Parameter last: nil for the last that has come.
    package mutating func goAway(last: Int? = nil, _ code: FrameError, _ text: String = "") {
        replies.appendFrameHead(.goAway, length: 8 + text.utf8.count)
        replies.appendNumber(UInt32(truncatingIfNeeded: last ?? lastStream))
        replies.appendNumber(code.rawValue)
        replies.append(contentsOf: text.utf8)
    }

    /// Asks the client to answer.
    package mutating func ping(_ number: UInt64) {
        replies.appendFrameHead(.ping, length: 8)
        replies.appendNumber(number)
    }
}

// -- what must hold, for the fuzzer and the tests ------------------------------------------------------------------

extension ConnectionFrames {
    /// How many streams are open.
    package var openStreams: Int { streams.count }

    /// What is wrong with the state itself; nil for nothing.
    package func brokenInvariant() -> String? {
        let most = Self.largestWindow
        guard streams.count <= limits.streams else { return "\(streams.count) streams" }
        guard (0...most).contains(receiveWindow), (0...most).contains(sendWindow) else {
            return "the connection's windows are \(receiveWindow) and \(sendWindow)"
        }
        for (stream, state) in streams {
            guard stream % 2 == 1, stream <= lastStream else { return "a stream \(stream) after \(lastStream)" }
            guard (0...most).contains(state.receiveWindow), (-most...most).contains(state.sendWindow) else {
                return "stream \(stream) has the windows \(state.receiveWindow) and \(state.sendWindow)"
            }
            guard !state.isWaiting || state.sendWindow <= 0 else { return "stream \(stream) waits without a reason" }
        }
        let headers = streams.values.reduce(0) { $0 + $1.headerBytes }
        guard headers == headerBytes, headers <= limits.allHeaderBytes else {
            return "\(headerBytes) bytes of headers instead of \(headers)"
        }
        let decoder = blocks.decoder
        guard decoder.tableBytes <= decoder.tableLimit, decoder.tableLimit <= HeaderTable.maximumBytes else {
            return "\(decoder.tableBytes) of \(decoder.tableLimit) bytes are remembered"
        }
        let held = (openBlock?.bytes.count ?? 0) + restBytes
        guard held <= 2 * limits.wholeFrameBytes + FrameHead.byteCount else { return "\(held) bytes are held" }
        return nil
    }
}
