// SPDX-License-Identifier: Apache-2.0

// StraitFrames: HTTP/2 as gRPC uses it, from bytes to events, as values that know of no socket and no clock.

/// The kinds of HTTP/2's frames, by their numbers.
package enum FrameType: UInt8, Sendable {
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
package enum FrameFlag {
    package static let endStream: UInt8 = 0x1
    package static let acknowledged: UInt8 = 0x1
    package static let endHeaders: UInt8 = 0x4
    package static let padded: UInt8 = 0x8
    package static let priority: UInt8 = 0x20
}

/// Why a stream or a connection ends, by HTTP/2's numbers.
package enum FrameError: UInt32, Sendable {
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

/// What ends a connection: the other side breaks the rules. It is told both.
package struct ConnectionFault: Error, Equatable {
    /// The reason as a number.
    package let code: FrameError
    /// The rule that was broken, in words.
    package let text: String

    package init(_ code: FrameError, _ text: String) {
        self.code = code
        self.text = text
    }
}

/// What stands before each frame.
package struct FrameHead {
    /// Bytes of the frame behind this.
    let length: Int
    /// One of ``FrameType``, or one that is unknown and passed over.
    let type: UInt8
    let flags: UInt8
    /// The stream's number; 0 is the connection.
    let stream: Int

    package static let byteCount = 9
    /// Numbers are 31 bits; the one before them means nothing.
    package static let numberMask: UInt32 = 0x7FFF_FFFF

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
    package func from(_ offset: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self[offset...]) }
}

// -- writing -----------------------------------------------------------------------------------------------------

extension [UInt8] {
    mutating func appendNumber(_ number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.bigEndian) { append(contentsOf: $0) }
    }

    mutating func appendFrameHead(_ type: FrameType, flags: UInt8 = 0, stream: Int = 0, length: Int) {
        appendNumber(UInt32(truncatingIfNeeded: length) << 8 | UInt32(type.rawValue))
        append(flags)
        appendNumber(UInt32(truncatingIfNeeded: stream))
    }

    mutating func appendWindowUpdate(_ stream: Int, _ bytes: Int) {
        appendFrameHead(.windowUpdate, stream: stream, length: 4)
        appendNumber(UInt32(truncatingIfNeeded: bytes))
    }
}
