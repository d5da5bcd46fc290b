// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization

/// A stretch of 64-byte-aligned memory, borrowed from a ``SlabPool`` and given back when the last reference goes.
///
/// A slab has one writer at a time: whoever took it fills it, then hands it on; from then on everyone only reads.
/// That hand-over, through the engine's lock, is what makes sharing a slab between threads sound, hence `@unchecked`.
package final class Slab: @unchecked Sendable {
    /// The memory; its content is undefined until written.
    package let bytes: UnsafeMutableRawBufferPointer
    private let pool: SlabPool

    fileprivate init(bytes: UnsafeMutableRawBufferPointer, pool: SlabPool) {
        self.bytes = bytes
        self.pool = pool
    }

    deinit { pool.giveBack(bytes) }
}

/// Why a slab could not be had.
package enum SlabError: Error, Equatable {
    /// Taking `requested` more bytes would exceed the budget of `budget`, of which `inUse` are taken.
    case budgetExceeded(requested: Int, inUse: Int, budget: Int)
    /// The system has no `requested` bytes, though they are within the budget.
    case systemRefused(requested: Int)
}

/// Pooled memory for tensors, under one budget for everything in flight.
///
/// Tensors come and go by the thousand, and a fresh allocation of a few hundred kilobytes costs more in page faults
/// than the inference's copies do; so slabs come in sizes of powers of two and are kept warm for the next request.
package final class SlabPool: Sendable {
    /// The alignment of every slab, in bytes: a cache line, and what vectorised kernels like best.
    package static let alignment = 64
    /// The smallest slab, in bytes. Smaller tensors are common, but sharing a page gains nothing.
    package static let smallestSlab = 1024
    /// Idle memory kept for reuse, as a share of the budget.
    private static let idleShare = 0.25

    private struct State {
        /// Idle slabs by the binary logarithm of their size.
        var idle: [[UnsafeMutableRawBufferPointer]] = Array(repeating: [], count: 64)
        var idleBytes = 0
        var bytesInUse = 0

        /// Counts a slab as taken, and gives an idle one of that size where there is one.
        mutating func takeIdle(_ size: Int) -> UncheckedBuffer? {
            bytesInUse += size
            guard let reused = idle[size.trailingZeroBitCount].popLast() else { return nil }
            idleBytes -= size
            return UncheckedBuffer(bytes: reused)
        }
    }

    // The pointers inside are owned by the pool alone while they are idle.
    private let state: Mutex<UncheckedState>
    private struct UncheckedState: @unchecked Sendable { var value = State() }

    private let limit: Atomic<Int>

    /// The most bytes that may be taken at one time.
    package var budget: Int { limit.load(ordering: .relaxed) }

    /// A pool that hands out at most `budget` bytes at a time.
    package init(budget: Int) {
        self.limit = Atomic(budget)
        self.state = Mutex(UncheckedState())
    }

    deinit {
        state.withLock { for slab in $0.value.idle.joined() { free(slab.baseAddress) } }
    }

    /// Hands out at most `budget` bytes at a time from now on, where that is less than before.
    package func lowerBudget(to budget: Int) { limit.min(budget, ordering: .relaxed) }

    /// Bytes taken and not yet given back.
    package var bytesInUse: Int { state.withLock { $0.value.bytesInUse } }

    /// A slab of at least `byteCount` bytes, within the budget.
    ///
    /// - Throws: ``SlabError``.
    /// - Complexity: O(1); a system allocation when no idle slab of that size exists.
    package func take(_ byteCount: Int) throws(SlabError) -> Slab {
        let budget = budget
        guard byteCount <= budget else {
            throw .budgetExceeded(requested: byteCount, inUse: bytesInUse, budget: budget)
        }
        let size = Self.sizeClass(byteCount)
        let outcome: Result<UncheckedBuffer?, SlabError> = state.withLock { locked in
            guard locked.value.bytesInUse + size <= budget else {
                return .failure(
                    .budgetExceeded(requested: byteCount, inUse: locked.value.bytesInUse, budget: budget))
            }
            return .success(locked.value.takeIdle(size))
        }
        return try slab(size, reused: try outcome.get())
    }

    /// A slab for the results of requests that were accepted already: they are counted, but never refused. A budget that
    /// leaves room for them keeps the system from refusing, which would end the process.
    package func takeBeyondBudget(_ byteCount: Int) -> Slab {
        let size = Self.sizeClass(byteCount)
        do throws(SlabError) {
            return try slab(size, reused: state.withLock { $0.value.takeIdle(size) })
        } catch {
            preconditionFailure("the system has no \(size) bytes for results; the tensor memory is too large for it")
        }
    }

    private func slab(_ size: Int, reused: UncheckedBuffer?) throws(SlabError) -> Slab {
        if let reused { return Slab(bytes: reused.bytes, pool: self) }
        // Not Swift's own allocation: where that fails, the process ends.
        guard let pointer = aligned_alloc(Self.alignment, size) ?? allocateWithoutIdle(size) else {
            state.withLock { $0.value.bytesInUse -= size }
            throw .systemRefused(requested: size)
        }
        return Slab(bytes: UnsafeMutableRawBufferPointer(start: pointer, count: size), pool: self)
    }

    /// Tries again without idle memory.
    private func allocateWithoutIdle(_ size: Int) -> UnsafeMutableRawPointer? {
        releaseIdle()
        return aligned_alloc(Self.alignment, size)
    }

    /// Frees all memory that is kept for reuse.
    ///
    /// - Returns: how many bytes it was.
    /// - Complexity: O(idle slabs), under the pool's lock.
    @discardableResult
    package func releaseIdle() -> Int {
        state.withLock { locked in
            for slab in locked.value.idle.joined() { free(slab.baseAddress) }
            for index in locked.value.idle.indices { locked.value.idle[index] = [] }
            defer { locked.value.idleBytes = 0 }
            return locked.value.idleBytes
        }
    }

    fileprivate func giveBack(_ bytes: UnsafeMutableRawBufferPointer) {
        let returned = UncheckedBuffer(bytes: bytes)
        let keep = state.withLock { locked in
            locked.value.bytesInUse -= returned.bytes.count
            guard Double(locked.value.idleBytes + returned.bytes.count) <= Double(budget) * Self.idleShare else {
                return false
            }
            locked.value.idleBytes += returned.bytes.count
            locked.value.idle[returned.bytes.count.trailingZeroBitCount].append(returned.bytes)
            return true
        }
        if !keep { free(bytes.baseAddress) }
    }

    /// The power of two that holds `byteCount` bytes.
    private static func sizeClass(_ byteCount: Int) -> Int {
        guard byteCount > smallestSlab else { return smallestSlab }
        return 1 << (Int.bitWidth - (byteCount - 1).leadingZeroBitCount)
    }

    /// Carries a buffer across the lock; it has one owner on either side.
    private struct UncheckedBuffer: @unchecked Sendable { let bytes: UnsafeMutableRawBufferPointer }
}
