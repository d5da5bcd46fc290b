// SPDX-License-Identifier: Apache-2.0

internal import CZlib

/// Decompresses a body piece by piece, as it comes.
///
/// What it gives is bounded by the memory that it is offered: a few bytes that would swell to gigabytes swell no further
/// than the caller lets them.
package final class Decompressor {
    /// On the heap: zlib remembers the address.
    private let stream: UnsafeMutablePointer<z_stream>
    private let coding: ContentCoding
    /// Whether the end of the compressed data was seen.
    package private(set) var isFinished = false

    /// A decompressor of one body.
    package init(_ coding: ContentCoding) throws(ProtocolError) {
        self.coding = coding
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard
            inflateInit2_(stream, coding.windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else { throw ProtocolError(.resourceExhausted, "no memory to decompress the body") }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Decompresses as much as there is, or as there is room for.
    ///
    /// - Returns: how many bytes of the input were used, and how many were written.
    /// - Throws: ``ProtocolError`` `invalidArgument` for what is not compressed so, and for bytes behind the end.
    /// - Complexity: O(bytes written).
    package func decompress(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(ProtocolError) -> (used: Int, written: Int) {
        if isFinished {
            guard input.isEmpty else { throw broken("bytes follow its end") }
            return (0, 0)
        }
        let offered = (input: min(input.count, Self.most), output: min(output.count, Self.most))
        // zlib takes a mutable address, but does not write there.
        stream.pointee.next_in = UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(offered.input)
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(offered.output)
        let outcome = inflate(stream, Z_NO_FLUSH)
        let used = offered.input - Int(stream.pointee.avail_in)
        let written = offered.output - Int(stream.pointee.avail_out)
        switch outcome {
        case Z_OK, Z_BUF_ERROR: return (used, written)
        case Z_STREAM_END:
            isFinished = true
            return (used, written)
        case Z_MEM_ERROR: throw ProtocolError(.resourceExhausted, "no memory to decompress the body")
        default: throw broken(stream.pointee.msg.map { String(cString: $0) } ?? "error \(outcome)")
        }
    }

    /// What to throw when the body is over and this is not.
    package var endsEarly: ProtocolError { broken("it ends early") }

    private func broken(_ what: String) -> ProtocolError {
        ProtocolError(.invalidArgument, "the body is not what Content-Encoding: \(coding.rawValue) says: \(what)")
    }

    /// zlib counts in 32 bits.
    private static let most = Int(Int32.max)
}

/// Compresses whole bodies.
package enum Compressor {
    /// Fast rather than small: numbers of a model hardly shrink whatever is tried.
    private static let level: Int32 = 1

    /// The bytes of all parts, one behind the other, compressed; nil where there is no memory for it.
    ///
    /// - Complexity: O(bytes), some 50 to 100 MB a second.
    package static func compress(_ parts: [UnsafeRawBufferPointer], _ coding: ContentCoding) -> [UInt8]? {
        var stream = z_stream()
        return withUnsafeMutablePointer(to: &stream) { stream in
            let size = Int32(MemoryLayout<z_stream>.size)
            guard
                deflateInit2_(
                    stream, level, Z_DEFLATED, coding.windowBits, memoryLevel, Z_DEFAULT_STRATEGY, ZLIB_VERSION, size)
                    == Z_OK
            else { return nil }
            defer { deflateEnd(stream) }
            let total = parts.reduce(0) { $0 + $1.count }
            guard total <= UInt32.max / 2 else { return nil }
            let bound = Int(deflateBound(stream, UInt(total)))
            return [UInt8](unsafeUninitializedCapacity: bound) { output, count in
                stream.pointee.next_out = output.baseAddress
                stream.pointee.avail_out = UInt32(bound)
                for (index, part) in parts.enumerated() {
                    stream.pointee.next_in = UnsafeMutablePointer(
                        mutating: part.baseAddress?.assumingMemoryBound(to: UInt8.self))
                    stream.pointee.avail_in = UInt32(part.count)
                    deflate(stream, index == parts.count - 1 ? Z_FINISH : Z_NO_FLUSH)
                }
                count = bound - Int(stream.pointee.avail_out)
            }
        }
    }

    /// zlib's own default.
    private static let memoryLevel: Int32 = 8
}

extension ContentCoding {
    /// zlib's way to name the format: the largest window, and 16 more for gzip.
    fileprivate var windowBits: Int32 { self == .gzip ? 15 + 16 : 15 }
}
