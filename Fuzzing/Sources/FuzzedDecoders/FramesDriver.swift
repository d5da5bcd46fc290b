// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFrames
internal import StraitProtocol
internal import StraitTensor

/// A server's connection without its sockets and models: it drives ``ConnectionFrames`` as `GRPCConnection` does, and looks
/// whether what must hold does after each event.
struct FramesDriver {
    /// What ended the connection.
    private(set) var fault: ConnectionFault?
    /// What was told, in words that do not depend on how the bytes were cut.
    private(set) var told: [String] = []

    private let input: FramesInput
    private let pool = SlabPool(budget: 1 << 20)
    private var frames: ConnectionFrames
    private var calls: [Int: ModelledCall] = [:]
    /// Calls that wait for the connection's window.
    private var queued: [Int] = []
    private var begun: Set<Int> = []
    private var replies = RepliesRead()
    private var fed = 0

    /// A call as the connection knows it.
    private struct ModelledCall {
        var assembly: MessageAssembly
        /// Bytes of answers that are still to be sent.
        var toSend = 0
        var isClientOpen = true
        var isEnding = false
        var sent = 0
    }

    init(_ input: FramesInput) {
        self.input = input
        frames = ConnectionFrames(methods: ["/m": 0, "/n": 1], limits: input.limits)
    }

    /// Gives the pieces one after the other; says what should not have happened.
    mutating func flaw(feeding pieces: [[UInt8]]) -> String? {
        var flaw = checkReplies()
        for piece in pieces where flaw == nil && fault == nil {
            fed += piece.count
            flaw = take(piece) ?? sendQueued()
        }
        calls = [:]
        guard flaw == nil else { return flaw }
        return pool.bytesInUse == 0 ? nil : "\(pool.bytesInUse) bytes of messages are never given back"
    }

    private mutating func take(_ piece: [UInt8]) -> String? {
        var offset = 0
        while true {
            let before = offset
            do throws(ConnectionFault) {
                let outcome = piece.withUnsafeBytes { bytes in
                    Result { () throws(ConnectionFault) in
                        try frames.next(bytes, &offset, now: .zero)
                    }
                }
                let event = try outcome.get()
                guard (before...piece.count).contains(offset) else {
                    return "\(offset) of \(piece.count) bytes are used"
                }
                guard let event else {
                    guard offset == piece.count else { return "\(piece.count - offset) bytes are left over" }
                    return check()
                }
                if let flaw = handle(event, piece) ?? check() { return flaw }
            } catch {
                fault = error
                frames.goAway(error.code, error.text)
                return FramesProperty.flaw(in: error) ?? checkReplies()
            }
        }
    }

    private mutating func check() -> String? { frames.brokenInvariant() ?? checkReplies() }

    private mutating func checkReplies() -> String? {
        defer { frames.replies = [] }
        if let flaw = replies.flaw(frames.replies, begun: begun) { return flaw }
        // No frame brings about more than two, each of at most 17 bytes; then there is what is said first and last.
        return replies.bytes <= 4 * fed + 400 ? nil : "\(replies.bytes) bytes are sent for \(fed)"
    }

    // -- events --------------------------------------------------------------------------------------------------

    private mutating func handle(_ event: FrameEvent, _ piece: [UInt8]) -> String? {
        switch event {
        case .opened(let stream, let head, let isLast):
            guard begun.insert(stream).inserted, begun.max() == stream else { return "stream \(stream) begins twice" }
            told.append("\(stream) \(head.method ?? -1) \(head.size) \(head.problem?.message.prefix(20) ?? "")")
            calls[stream] = ModelledCall(assembly: MessageAssembly(limit: Self.longestMessage))
            if head.problem != nil || head.foreignStatus != nil || fate(of: stream) == 0 { return end(stream) }
            return isLast ? clientEnded(stream) : nil
        case .data(let stream, let range, let isLast):
            guard let call = calls[stream], call.isClientOpen else { return "data of the closed stream \(stream)" }
            guard 0 <= range.lowerBound, range.upperBound <= piece.count else { return "data beyond what was given" }
            guard !range.isEmpty || isLast else { return "data that is none" }
            if let flaw = takeMessages(piece, range, of: stream) { return flaw }
            return isLast ? clientEnded(stream) : nil
        case .reset(let stream):
            guard calls.removeValue(forKey: stream) != nil else { return "a reset of the closed stream \(stream)" }
            told.append("\(stream) reset")
        case .pingAnswered: told.append("pong")
        }
        return nil
    }

    /// The longest message that is taken.
    private static let longestMessage = 5000

    /// What becomes of a call: ended at once, after a message, with its client, or never; for the others, answers as long as
    /// their messages.
    private func fate(of stream: Int) -> Int { (stream / 2 + input.seed) % 5 }

    private mutating func takeMessages(_ piece: [UInt8], _ range: Range<Int>, of stream: Int) -> String? {
        guard var call = calls[stream], !call.isEnding else { return nil }
        var offset = 0
        var mustEnd = false
        let error = piece.withUnsafeBytes { bytes -> ProtocolError? in
            let part = UnsafeRawBufferPointer(rebasing: bytes[range])
            do throws(ProtocolError) {
                while !mustEnd, let message = try call.assembly.next(part, &offset, pool: pool) {
                    told.append("\(stream) message \(message.bytes.count) \(message.bytes.reduce(0) { $0 &+ Int($1) })")
                    if input.answers { call.toSend += message.bytes.count + MessageAssembly.prefixLength }
                    mustEnd = fate(of: stream) == 1
                }
                return nil
            } catch {
                return error
            }
        }
        frames.consumed(offset, of: stream)
        calls[stream] = call
        if let error {
            told.append("\(stream) \(error)")
            return FuzzedDecoder.flaw(inMessage: error.message) ?? end(stream)
        }
        return mustEnd ? end(stream) : send(stream)
    }

    private mutating func clientEnded(_ stream: Int) -> String? {
        guard calls[stream] != nil else { return nil }
        calls[stream]?.isClientOpen = false
        told.append("\(stream) ended")
        return fate(of: stream) == 2 ? end(stream) : nil
    }

    // -- sending -------------------------------------------------------------------------------------------------

    /// Ends a call behind its answers.
    private mutating func end(_ stream: Int) -> String? {
        guard var call = calls[stream] else { return nil }
        call.isEnding = true
        calls[stream] = call
        return send(stream)
    }

    private mutating func send(_ stream: Int) -> String? {
        while let call = calls[stream], call.toSend > 0 {
            let hadRoom = frames.hasRoom
            let count = frames.grant(call.toSend, on: stream)
            guard (0...call.toSend).contains(count), count == 0 || hadRoom else { return "\(count) bytes may be sent" }
            guard count > 0 else {
                if !frames.isWaiting(stream), !queued.contains(stream) { queued.append(stream) }
                return frames.isWaiting(stream) || !hadRoom ? nil : "stream \(stream) is held for nothing"
            }
            calls[stream]?.toSend -= count
            calls[stream]?.sent += count
        }
        guard let call = calls[stream], call.isEnding else { return nil }
        guard let wasOpen = frames.close(stream) else { return "the stream \(stream) was closed already" }
        // The frames know of a client's end before its last bytes are dealt with here.
        guard !wasOpen || call.isClientOpen else { return "another end of \(stream)" }
        guard frames.close(stream) == nil else { return "the stream \(stream) closes twice" }
        calls[stream] = nil
        told.append("\(stream) answered")
        return nil
    }

    private mutating func sendQueued() -> String? {
        guard fault == nil else { return nil }
        let roomy = frames.takeRoomy()
        guard Set(roomy).count == roomy.count else { return "a stream has room twice" }
        let waiting = queued + roomy
        queued = []
        for stream in waiting { if let flaw = send(stream) ?? check() { return flaw } }
        return nil
    }
}

/// Reads what a server says of its connection.
struct RepliesRead {
    private(set) var bytes = 0
    private var reset: Set<Int> = []

    /// What is wrong with some more of it.
    ///
    /// - Parameter begun: the streams that became calls.
    mutating func flaw(_ replies: [UInt8], begun: Set<Int>) -> String? {
        bytes += replies.count
        var rest = replies[...]
        while !rest.isEmpty {
            let head = Array(rest.prefix(9))
            guard head.count == 9 else { return "half a frame" }
            let length = Int(head[1]) << 8 | Int(head[2])
            let payload = Array(rest.dropFirst(9).prefix(length))
            let stream = head[5..<9].reduce(0) { $0 << 8 | Int($1) }
            guard head[0] == 0, payload.count == length else { return "half a frame" }
            rest = rest.dropFirst(9 + length)
            switch head[3] {
            case 3:
                guard length == 4, stream % 2 == 1, reset.insert(stream).inserted, !begun.contains(stream) else {
                    return "a reset of \(stream)"
                }
            case 4: guard stream == 0, length % 6 == 0, head[4] == 0 || length == 0 else { return "settings" }
            case 6: guard stream == 0, length == 8, head[4] == 1 else { return "a ping" }
            case 7: guard stream == 0, length >= 8 else { return "a goodbye" }
            case 8:
                let more = payload.reduce(0) { $0 << 8 | Int($1) }
                guard length == 4, more > 0, more <= 0x7FFF_FFFF else { return "a window grows by \(more)" }
            default: return "a frame of kind \(head[3])"
            }
        }
        return nil
    }
}
