// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import StraitProtocol
internal import StraitTensor

/// Collects a request's body in a slab as it comes from the socket: the only copy on the way in.
///
/// The binary part, if the header announced one, is placed at an aligned address, so that a batch of one request is
/// read where it lies.
struct BodyCollector {
    private let pool: SlabPool
    private let limit: Int
    /// Bytes left free before the body, so that what follows its JSON part is aligned.
    private let offset: Int
    private let announced: Int?
    /// Decompresses what comes; nil where it comes as it is.
    private let decompressor: Decompressor?
    private var slab: Slab?
    private(set) var count = 0

    /// A collector for a body.
    ///
    /// - Parameters:
    ///   - announced: the bytes to come, as the client says; nil where it does not say.
    ///   - jsonLength: how many of them are JSON, as the client says.
    ///   - limit: the most bytes to take, decompressed.
    ///   - decompressor: for a body that comes compressed.
    init(pool: SlabPool, announced: Int?, jsonLength: Int?, limit: Int, decompressor: Decompressor? = nil) {
        self.pool = pool
        self.decompressor = decompressor
        // Of a compressed body it says nothing about the bytes that are kept.
        self.announced = decompressor == nil ? announced : nil
        self.limit = limit
        let misfit = (jsonLength ?? 0) % SlabPool.alignment
        self.offset = misfit == 0 ? 0 : SlabPool.alignment - misfit
    }

    /// Why a body cannot be collected.
    enum Problem: Error {
        /// It is longer than the limit.
        case tooLong
        /// There is no memory for it now.
        case noMemory
        /// It is not compressed as the client says.
        case malformed(ProtocolError)
    }

    /// Adds bytes; of compressed ones only as many as swell to ``HTTPLimits/inflatedAtOnce``.
    ///
    /// - Parameter chunk: afterwards what of it was not added.
    /// - Returns: whether all is added; else the rest is to be, before anything else.
    /// - Complexity: O(bytes); amortised over a body, each byte is copied at most twice where its length was not
    ///   announced or is beyond what is taken beforehand, else once.
    mutating func append(_ chunk: inout ByteBuffer) throws(Problem) -> Bool {
        if let decompressor { return try append(&chunk, through: decompressor) }
        let added = chunk.readableBytes
        guard count + added <= limit else { throw .tooLong }
        let slab = try room(for: count + added)
        chunk.withUnsafeReadableBytes { bytes in
            UnsafeMutableRawBufferPointer(rebasing: slab.bytes[(offset + count)...]).copyMemory(from: bytes)
        }
        count += added
        return true
    }

    private mutating func append(
        _ chunk: inout ByteBuffer, through decompressor: Decompressor
    ) throws(Problem) -> Bool {
        var written = 0
        while written < HTTPLimits.inflatedAtOnce {
            // One byte beyond the limit tells a body that is too long from one that just fits.
            let free = min(
                max(HTTPLimits.firstBodyBytes, count), limit + 1 - count, HTTPLimits.inflatedAtOnce - written)
            let slab = try room(for: count + free)
            let target = UnsafeMutableRawBufferPointer(rebasing: slab.bytes[(offset + count)..<(offset + count + free)])
            // NIO's function throws no typed errors.
            let outcome = chunk.withUnsafeReadableBytes { bytes -> Result<(used: Int, written: Int), Problem> in
                do throws(ProtocolError) {
                    return .success(try decompressor.decompress(bytes, into: target))
                } catch {
                    return .failure(.malformed(error))
                }
            }
            let done = try outcome.get()
            chunk.moveReaderIndex(forwardBy: done.used)
            count += done.written
            written += done.written
            guard count <= limit else { throw .tooLong }
            if chunk.readableBytes == 0, done.written < free { return true }
        }
        return false
    }

    /// The collected body: the slab, and where in it the body lies.
    mutating func finish() throws(Problem) -> (slab: Slab, range: Range<Int>) {
        if let decompressor, !decompressor.isFinished { throw .malformed(decompressor.endsEarly) }
        return (try room(for: count), offset..<(offset + count))
    }

    /// A body of which this share has come gets the memory for all of it: each growth copies what is there.
    private static let earnest = 8

    private mutating func room(for needed: Int) throws(Problem) -> Slab {
        if let slab, slab.bytes.count >= offset + needed { return slab }
        let size: Int
        if let announced, needed <= announced, needed >= announced / Self.earnest {
            size = announced
        } else if slab == nil {
            size = max(needed, min(announced ?? 0, limit, HTTPLimits.firstBodyBytes))
        } else {
            size = max(needed, min(2 * needed, announced ?? limit))
        }
        let larger: Slab
        do { larger = try pool.take(offset + size) } catch { throw .noMemory }
        if let slab {
            larger.bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: slab.bytes[..<(offset + count)]))
        }
        slab = larger
        return larger
    }
}
