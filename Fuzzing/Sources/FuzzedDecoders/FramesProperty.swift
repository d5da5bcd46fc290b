// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFrames
internal import StraitProtocol
internal import StraitTensor

/// What comes on a connection of gRPC: HTTP/2's frames, HPACK's blocks of headers, messages in frames of data.
///
/// The first byte says how the others are read (``FramesInput``); the second how they are cut the second time.
enum FramesProperty {
    static func flaw(_ bytes: [UInt8]) -> String? {
        guard bytes.count > 2 else { return nil }
        if let flaw = flawInHeaders(Array(bytes[2...])) { return flaw }
        let input = FramesInput(way: bytes[0], Array(bytes[2...]))
        var whole = FramesDriver(input)
        if let flaw = whole.flaw(feeding: [input.bytes]) { return flaw }
        var cut = FramesDriver(input)
        if let flaw = cut.flaw(feeding: pieces(of: input.bytes, seed: bytes[1])) { return "in pieces: \(flaw)" }
        // What is sent, and when the client is allowed more, follows the pieces; and so whether it sends too much.
        guard !input.answers, whole.fault?.code != .flowControl, cut.fault?.code != .flowControl else { return nil }
        guard whole.fault == cut.fault else { return "it ends by how it was cut: \(String(describing: cut.fault))" }
        return whole.told == cut.told ? nil : "the events depend on how the bytes were cut"
    }

    /// Pieces of odd lengths, from one byte on.
    private static func pieces(of bytes: [UInt8], seed: UInt8) -> [[UInt8]] {
        var state = UInt32(seed) | 1
        var pieces: [[UInt8]] = []
        var start = 0
        while start < bytes.count {
            state = state &* 1_664_525 &+ 1_013_904_223
            let length = state >> 31 == 0 ? 1 + Int(state >> 24) % 4 : 1 + Int(state >> 20) % 97
            pieces.append(Array(bytes[start..<min(start + length, bytes.count)]))
            start += length
        }
        return pieces
    }

    /// The bytes as one block: what it says is the same once written in full, and in Huffman's code.
    private static func flawInHeaders(_ block: [UInt8]) -> String? {
        let limit = FrameLimits().headerBytes
        var decoder = HeaderDecoder(limit: limit)
        do throws(ConnectionFault) {
            let headers = try decode(block, &decoder)
            guard headers.reduce(0, { $0 + $1.size }) <= limit else { return "more headers than allowed" }
            guard decoder.tableBytes <= decoder.tableLimit, decoder.tableLimit <= 4096 else {
                return "\(decoder.tableBytes) of \(decoder.tableLimit) bytes are remembered"
            }
            let plain = headers.map { (Array($0.name.utf8), Array($0.value.utf8)) }
            // Bytes that are no text are others as text; those are not written again.
            guard headers.allSatisfy({ $0.size == $0.name.utf8.count + $0.value.utf8.count + 32 }) else { return nil }
            for isPacked in [false, true] {
                var other = HeaderDecoder(limit: limit)
                let again = try decode(
                    plain.flatMap { literal($0, isPacked) + literal($1, isPacked, starts: false) }, &other)
                guard again == headers else { return "other headers once written (\(isPacked))" }
            }
            return nil
        } catch {
            return flaw(in: error)
        }
    }

    private static func decode(
        _ block: [UInt8], _ decoder: inout HeaderDecoder
    ) throws(ConnectionFault) -> [Header] {
        let outcome = block.withUnsafeBytes { bytes in
            Result { () throws(ConnectionFault) in try decoder.decode(bytes) }
        }
        return try outcome.get()
    }

    /// A string in a block, behind the byte that begins a header of which nothing is remembered.
    private static func literal(_ text: [UInt8], _ isPacked: Bool, starts: Bool = true) -> [UInt8] {
        let bytes = isPacked ? HuffmanCode.standard.encode(text) : text
        let bit: UInt8 = isPacked ? 0x80 : 0
        var head: [UInt8] = starts ? [0] : []
        if bytes.count < 127 { return head + [bit | UInt8(bytes.count)] + bytes }
        head.append(bit | 127)
        var rest = bytes.count - 127
        while rest >= 128 {
            head.append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        return head + [UInt8(rest)] + bytes
    }

    /// A fault says why, shortly.
    static func flaw(in fault: ConnectionFault) -> String? {
        guard fault.code != .none, (1...200).contains(fault.text.utf8.count) else { return "a fault \(fault)" }
        return nil
    }
}

/// How the bytes of an input are read.
struct FramesInput {
    let limits: FrameLimits
    /// What a client sends.
    let bytes: [UInt8]
    /// Whether the server answers calls, and so fills windows; otherwise it only ends some.
    let answers: Bool
    /// Chooses what becomes of each call.
    let seed: Int

    /// Bits of the first byte: 1, the server answers; 2, its limits are so narrow that few frames reach them; 4, the bytes
    /// are frames in short (``frames(_:)``), otherwise as they stand; 8, the client's preface is among them; the others are
    /// a seed.
    init(way: UInt8, _ bytes: [UInt8]) {
        var limits = FrameLimits()
        if way & 2 != 0 {
            limits.streams = 3
            limits.windowBytes = 100
            limits.frameBytes = 300
            limits.wholeFrameBytes = 200
            limits.headerBytes = 300
            limits.allHeaderBytes = 500
            limits.nuisancesPerSecond = 20
        }
        self.limits = limits
        answers = way & 1 != 0
        seed = Int(way >> 4)
        let start = way & 8 != 0 ? [] : Self.start
        self.bytes = start + (way & 4 != 0 ? Self.frames(bytes) : bytes)
    }

    /// A client's preface and settings.
    private static let start = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]

    /// Frames in short: the kind, the flags, the stream and the length in a byte each, then the bytes. Kinds beyond the
    /// known are the headers of a call, whole, with those bytes behind them.
    private static func frames(_ short: [UInt8]) -> [UInt8] {
        var frames: [UInt8] = []
        var rest = short[...]
        while let kind = rest.popFirst(), let flags = rest.popFirst(), let stream = rest.popFirst(),
            let length = rest.popFirst()
        {
            let isCall = kind >= 16
            let payload = (isCall ? call : []) + rest.prefix(Int(length))
            rest = rest.dropFirst(Int(length))
            frames += [0, UInt8(payload.count >> 8), UInt8(payload.count & 255), isCall ? 1 : kind]
            frames += [isCall ? 4 | flags & 1 : flags, 0, 0, 0, stream] + payload
        }
        return frames
    }

    /// POST, a path that is a method's, and a type that is gRPC's; the two last to be remembered.
    private static let call: [UInt8] =
        [0x83, 0x44, 2] + Array("/m".utf8) + [0x5F, 16] + Array("application/grpc".utf8)
}
