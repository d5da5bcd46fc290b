// SPDX-License-Identifier: Apache-2.0

package import StraitCore

/// What the frames of a connection tell.
package enum FrameEvent {
    /// A call begins; `isLast` where its client sends no more than this.
    case opened(stream: Int, head: CallHead, isLast: Bool)
    /// Bytes of a call's messages, by their place in what was given; `isLast` where its client sends no more.
    case data(stream: Int, range: Range<Int>, isLast: Bool)
    /// The client has let go of a call, of which nothing is known any more.
    case reset(stream: Int)
    /// The client has answered a PING.
    case pingAnswered
}

/// One side's view of a stream.
struct StreamState {
    /// Bytes that may be sent; below nothing where the client took some of them back.
    var sendWindow: Int
    /// Bytes that the client may send before it is allowed more.
    var receiveWindow: Int
    /// Bytes used up since it was allowed more the last time.
    var used = 0
    /// Whether the client may still send.
    var isClientOpen = true
    /// Whether something waits for ``sendWindow``.
    var isWaiting = false
    /// What its headers count as.
    let headerBytes: Int
}

/// HTTP/2 on one connection of a gRPC server, without the connection: bytes go in, events come out, and what is to be said to
/// the client about the connection itself stands in ``replies``. A value that knows no socket and no clock.
///
/// Messages are not copied: events name their place in the bytes that were given. What is kept of a frame that has not come
/// whole is bounded by ``FrameLimits/wholeFrameBytes``.
package struct ConnectionFrames {
    package let limits: FrameLimits
    /// Frames to be sent, before anything else that is said of the streams they name: whoever takes them empties it.
    package var replies: [UInt8] = []

    // -- reading
    var blocks: HeaderBlocks
    private var prefaceLeft = ConnectionFrames.preface.utf8CodeUnitCount
    /// The start of a frame that is read only when it is complete.
    private var rest: [UInt8] = []
    var restBytes: Int { rest.count }
    /// Of the frame of data that is coming in: whose it is, what is still to come of it, and whether it is the last.
    private var data: (stream: Int, bytes: Int, padding: Int, isLast: Bool)?
    /// A block of headers that goes on in the next frame.
    var openBlock: (stream: Int, isLast: Bool, bytes: [UInt8])?
    var hasSettings = false
    var nuisance = (since: Instant(nanoseconds: .min), count: 0)
    private(set) var now = Instant.zero

    // -- streams
    var streams: [Int: StreamState] = [:]
    /// The last stream that the client began.
    package internal(set) var lastStream = 0
    /// What the headers of all open streams count as.
    var headerBytes = 0
    /// Whether no more streams are taken.
    package var isClosed = false

    // -- windows
    var receiveWindow: Int
    /// Bytes that came since the client was allowed more the last time.
    var received = 0
    var sendWindow = ConnectionFrames.defaultWindow
    /// The window that each new stream has at first.
    var firstSendWindow = ConnectionFrames.defaultWindow
    var largestFrame = ConnectionFrames.defaultFrame
    /// Streams that waited for their window, and have room again.
    var roomy: [Int] = []

    private static let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    /// HTTP/2's windows and frames before anybody says otherwise.
    static let defaultWindow = 65_535
    static let defaultFrame = 16_384
    /// The most that a window may have.
    static let largestWindow = Int(FrameHead.numberMask)

    /// A connection that has just begun; ``replies`` has what a server says first.
    ///
    /// - Parameter methods: the number of each method by its path.
    package init(methods: [String: Int], limits: FrameLimits = FrameLimits()) {
        self.limits = limits
        blocks = HeaderBlocks(methods: methods, limit: limits.headerBytes)
        receiveWindow = max(limits.windowBytes, Self.defaultWindow)
        greet()
    }

    // -- frames --------------------------------------------------------------------------------------------------

    /// Reads frames up to one that tells something.
    ///
    /// - Parameters:
    ///   - offset: from where on the bytes are to be read, and afterwards where the rest begins.
    ///   - now: at any clock that does not go back.
    /// - Returns: nil where all bytes are used up. What follows in them must not be read before the event is dealt with.
    /// - Throws: what ends the connection.
    package mutating func next(
        _ bytes: UnsafeRawBufferPointer, _ offset: inout Int, now: Instant
    ) throws(ConnectionFault) -> FrameEvent? {
        self.now = now
        if prefaceLeft > 0 { try takePreface(bytes, &offset) }
        while true {
            if data != nil {
                if let event = takeData(bytes, &offset) { return event }
                // All that there is belongs to it.
                if data != nil { return nil }
            }
            guard offset < bytes.count else { return nil }
            if rest.isEmpty {
                let left = bytes.from(offset)
                let head = left.count >= FrameHead.byteCount ? FrameHead(left) : nil
                guard let head, case let length = try wholeLength(head), length <= left.count else {
                    rest = Array(left)
                    offset = bytes.count
                    return nil
                }
                offset += length
                if let event = try take(head, UnsafeRawBufferPointer(rebasing: left[FrameHead.byteCount..<length])) {
                    return event
                }
            } else {
                guard let whole = try complete(bytes, &offset) else { return nil }
                let outcome = whole.withUnsafeBytes { frame in
                    Result { () throws(ConnectionFault) in
                        try take(FrameHead(frame), frame.from(FrameHead.byteCount))
                    }
                }
                if let event = try outcome.get() { return event }
            }
        }
    }

    private mutating func takePreface(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) throws(ConnectionFault) {
        let start = Self.preface.utf8CodeUnitCount - prefaceLeft
        for index in 0..<min(prefaceLeft, bytes.count - offset) {
            guard bytes[offset] == Self.preface.utf8Start[start + index] else {
                throw ConnectionFault(.violation, "this is no HTTP/2; gRPC is spoken here")
            }
            offset += 1
            prefaceLeft -= 1
        }
    }

    /// Bytes of a frame that must have come before it can be taken: all of it, or of data what stands before them.
    private func wholeLength(_ head: FrameHead) throws(ConnectionFault) -> Int {
        guard head.length <= limits.frameBytes else {
            throw ConnectionFault(
                .frameSize, "a frame has \(head.length) bytes; at most \(limits.frameBytes) are taken")
        }
        if let openBlock, head.type != FrameType.continuation.rawValue || head.stream != openBlock.stream {
            throw ConnectionFault(.violation, "a block of headers goes on in no CONTINUATION of its stream")
        }
        guard hasSettings || head.type == FrameType.settings.rawValue else {
            throw ConnectionFault(.violation, "the first frame is no SETTINGS")
        }
        guard head.type != FrameType.data.rawValue else {
            return FrameHead.byteCount + (head.has(FrameFlag.padded) && head.length > 0 ? 1 : 0)
        }
        guard head.length <= limits.wholeFrameBytes else {
            throw ConnectionFault(
                .tooMuch,
                "a frame that is no DATA has \(head.length) bytes; at most \(limits.wholeFrameBytes) are taken")
        }
        return FrameHead.byteCount + head.length
    }

    /// Adds to the start of a frame what it lacks, and no more; nil where that has not come yet.
    private mutating func complete(
        _ bytes: UnsafeRawBufferPointer, _ offset: inout Int
    ) throws(ConnectionFault) -> [UInt8]? {
        fill(to: FrameHead.byteCount, bytes, &offset)
        guard rest.count >= FrameHead.byteCount else { return nil }
        let length = try wholeLength(rest.withUnsafeBytes { FrameHead($0) })
        fill(to: length, bytes, &offset)
        guard rest.count >= length else { return nil }
        let whole = rest
        rest = []
        return whole
    }

    private mutating func fill(to count: Int, _ bytes: UnsafeRawBufferPointer, _ offset: inout Int) {
        let part = max(0, min(count - rest.count, bytes.count - offset))
        rest.append(contentsOf: bytes[offset..<offset + part])
        offset += part
    }

    // -- data ----------------------------------------------------------------------------------------------------

    /// Takes what stands before the bytes of a frame of data: its head, and the length of its padding.
    mutating func beginData(_ head: FrameHead, _ padding: UnsafeRawBufferPointer) throws(ConnectionFault) {
        guard isKnown(head.stream) else { throw Self.unknownStream }
        var padded = 0
        if head.has(FrameFlag.padded) {
            guard let first = padding.first, Int(first) < head.length else {
                throw ConnectionFault(.violation, "a frame of data has more padding than bytes")
            }
            padded = Int(first)
        }
        let isLast = head.has(FrameFlag.endStream)
        try receive(head, unused: padded + padding.count, isLast: isLast)
        data = (head.stream, head.length - padded - padding.count, padded, isLast)
    }

    /// Takes what has come of a frame of data; nil where that tells nothing.
    private mutating func takeData(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) -> FrameEvent? {
        guard var current = data else { return nil }
        let range = offset..<offset + min(current.bytes, bytes.count - offset)
        current.bytes -= range.count
        let skipped = min(current.padding, bytes.count - range.upperBound)
        current.padding -= skipped
        offset = range.upperBound + skipped
        let isDone = current.bytes == 0 && current.padding == 0
        data = isDone ? nil : current
        let isEnd = isDone && current.isLast
        guard !range.isEmpty || isEnd, let place = streams.index(forKey: current.stream) else { return nil }
        if isEnd { streams.values[place].isClientOpen = false }
        return .data(stream: current.stream, range: range, isLast: isEnd)
    }
}
