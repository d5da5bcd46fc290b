// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// The kinds of HTTP/2's frames, by their numbers.
enum FrameType: UInt8 {
    case data = 0
    case headers = 1
    case priority = 2
    case reset = 3
    case settings = 4
    case pushPromise = 5
    case ping = 6
    case goAway = 7
    case windowUpdate = 8
    case continuation = 9
}

/// The flags of a frame; a bit means what the frame's type says.
enum FrameFlag {
    static let endStream: UInt8 = 0x1
    static let acknowledged: UInt8 = 0x1
    static let endHeaders: UInt8 = 0x4
    static let padded: UInt8 = 0x8
    static let priority: UInt8 = 0x20
}

/// Why a stream or a connection ends, by HTTP/2's numbers.
enum FrameError: UInt32 {
    case none = 0
    case violation = 1
    case flowControl = 3
    case streamClosed = 5
    case frameSize = 6
    case refused = 7
    case cancelled = 8
    case compression = 9
    case tooMuch = 11
}

/// What ends a connection: the other side breaks the rules.
struct ConnectionFault: Error {
    let code: FrameError

    init(_ code: FrameError) { self.code = code }
}

/// What stands before each frame.
struct FrameHead {
    /// Bytes of the frame behind this.
    let length: Int
    /// One of ``FrameType``, or one that is unknown and passed over.
    let type: UInt8
    let flags: UInt8
    /// The stream's number; 0 is the connection.
    let stream: Int

    static let byteCount = 9
    /// Numbers are 31 bits; the one before them means nothing.
    static let numberMask: UInt32 = 0x7FFF_FFFF

    /// The head at the start of bytes that are at least ``byteCount`` long.
    init(_ bytes: UnsafeRawBufferPointer) {
        let first = bytes.number(at: 0)
        length = Int(first >> 8)
        type = UInt8(truncatingIfNeeded: first)
        flags = bytes[4]
        stream = Int(bytes.number(at: 5) & Self.numberMask)
    }

    func has(_ flag: UInt8) -> Bool { flags & flag != 0 }
}

extension UnsafeRawBufferPointer {
    /// The big-endian number of 32 bits at a place.
    func number(at offset: Int) -> UInt32 { UInt32(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }

    /// The part from a place on.
    func from(_ offset: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self[offset...]) }

    /// The first bytes.
    func first(_ count: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self[..<count]) }
}

// -- writing -----------------------------------------------------------------------------------------------------

extension ByteBuffer {
    mutating func writeFrameHead(_ type: FrameType, flags: UInt8 = 0, stream: Int = 0, length: Int) {
        writeInteger(UInt32(truncatingIfNeeded: length) << 8 | UInt32(type.rawValue))
        writeInteger(flags)
        writeInteger(UInt32(truncatingIfNeeded: stream))
    }

    mutating func writeReset(_ stream: Int, _ code: FrameError) {
        writeFrameHead(.reset, stream: stream, length: 4)
        writeInteger(code.rawValue)
    }

    mutating func writeGoAway(last: Int, _ code: FrameError) {
        writeFrameHead(.goAway, length: 8)
        writeInteger(UInt32(truncatingIfNeeded: last))
        writeInteger(code.rawValue)
    }

    mutating func writeWindowUpdate(_ stream: Int, _ bytes: Int) {
        writeFrameHead(.windowUpdate, stream: stream, length: 4)
        writeInteger(UInt32(truncatingIfNeeded: bytes))
    }

    mutating func writePing(_ data: UInt64, isAnswer: Bool) {
        writeFrameHead(.ping, flags: isAnswer ? FrameFlag.acknowledged : 0, length: 8)
        writeInteger(data)
    }

    /// A frame of headers, whose block is what `write` writes. It is not split: what we send is shorter than the least
    /// that every receiver takes in a frame.
    mutating func writeHeaders(_ stream: Int, endStream: Bool, _ write: (inout ByteBuffer) -> Void) {
        let start = writerIndex
        let flags = FrameFlag.endHeaders | (endStream ? FrameFlag.endStream : 0)
        writeFrameHead(.headers, flags: flags, stream: stream, length: 0)
        write(&self)
        let length = writerIndex - start - FrameHead.byteCount
        setInteger(UInt32(truncatingIfNeeded: length) << 8 | UInt32(FrameType.headers.rawValue), at: start)
    }

    /// A header that the receiver is not to remember, in full and not compressed: what it costs is its bytes.
    mutating func writeHeader(_ name: StaticString, _ value: some Collection<UInt8>) {
        writeInteger(0 as UInt8)
        writeHeaderLength(name.utf8CodeUnitCount)
        writeStaticString(name)
        writeHeaderLength(value.count)
        writeBytes(value)
    }

    /// The same with a name that is known only when it runs.
    mutating func writeHeader(_ name: String, _ value: String) {
        writeInteger(0 as UInt8)
        writeHeaderLength(name.utf8.count)
        writeString(name)
        writeHeaderLength(value.utf8.count)
        writeString(value)
    }

    /// HPACK's number with a prefix of seven bits.
    private mutating func writeHeaderLength(_ length: Int) {
        guard length >= 127 else { return _ = writeInteger(UInt8(length)) }
        writeInteger(127 as UInt8)
        var rest = length - 127
        while rest >= 128 {
            writeInteger(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        writeInteger(UInt8(rest))
    }

    /// `:status: 200`, which is HPACK's entry 8.
    mutating func writeStatus200() { writeInteger(0x88 as UInt8) }
}
