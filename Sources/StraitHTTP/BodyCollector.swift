// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
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
    private var slab: Slab?
    private(set) var count = 0

    /// A collector for a body.
    ///
    /// - Parameters:
    ///   - announced: the bytes to come, as the client says; nil where it does not say.
    ///   - jsonLength: how many of them are JSON, as the client says.
    ///   - limit: the most bytes to take.
    init(pool: SlabPool, announced: Int?, jsonLength: Int?, limit: Int) {
        self.pool = pool
        self.announced = announced
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
    }

    /// Adds bytes.
    ///
    /// - Complexity: O(bytes); amortised over a body, each byte is copied at most twice where its length was not
    ///   announced or is beyond what is taken beforehand, else once.
    mutating func append(_ chunk: ByteBuffer) throws(Problem) {
        let added = chunk.readableBytes
        guard count + added <= limit else { throw .tooLong }
        let slab = try room(for: count + added)
        chunk.withUnsafeReadableBytes { bytes in
            UnsafeMutableRawBufferPointer(rebasing: slab.bytes[(offset + count)...]).copyMemory(from: bytes)
        }
        count += added
    }

    /// The collected body: the slab, and where in it the body lies.
    mutating func finish() throws(Problem) -> (slab: Slab, range: Range<Int>) {
        (try room(for: count), offset..<(offset + count))
    }

    private mutating func room(for needed: Int) throws(Problem) -> Slab {
        if let slab, slab.bytes.count >= offset + needed { return slab }
        let expected = min(announced ?? 0, limit, HTTPLimits.firstBodyBytes)
        let size = slab == nil ? max(needed, expected) : max(needed, min(2 * needed, announced ?? limit))
        let larger: Slab
        do { larger = try pool.take(offset + size) } catch { throw .noMemory }
        if let slab {
            larger.bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: slab.bytes[..<(offset + count)]))
        }
        slab = larger
        return larger
    }
}
