// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import StraitFrames

// What a server says of its streams, written where it goes out.

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
