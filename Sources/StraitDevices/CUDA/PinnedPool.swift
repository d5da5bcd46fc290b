// SPDX-License-Identifier: Apache-2.0

internal import CUDARuntime
internal import Synchronization

/// Pinned host memory for what is on its way to or from a device: kept for reuse, and bounded.
final class PinnedPool: Sendable {
    private struct State {
        var free: [Int: [PinnedMemory]] = [:]
        var byteCount = 0
    }

    private let state = Mutex(State())
    private let runtime: CUDARuntime
    /// Bytes that it may hold, in use or not.
    private let budget: Int

    /// What is less is not worth telling apart.
    private static let smallest = 4096

    init(budget: Int, of runtime: CUDARuntime) {
        self.budget = budget
        self.runtime = runtime
    }

    /// Bytes that it holds.
    var byteCount: Int { state.withLock { $0.byteCount } }

    /// At least so many bytes, to be given back.
    ///
    /// - Throws: ``DeviceError``, `outOfMemory` beyond the budget.
    /// - Complexity: O(1) where such memory was given back; else an allocation, which takes a millisecond and more.
    func take(_ byteCount: Int) throws(DeviceError) -> PinnedMemory {
        let size = Self.size(for: byteCount)
        // Freed after unlocking: that takes long.
        var unused: [[PinnedMemory]] = []
        let (found, isWithin) = state.withLock { state -> (PinnedMemory?, Bool) in
            if let found = state.free[size]?.popLast() { return (found, true) }
            if state.byteCount + size > budget {
                // What lies about in other sizes makes room.
                unused = Array(state.free.values)
                state.byteCount -= unused.joined().reduce(0) { $0 + $1.bytes.count }
                state.free = [:]
            }
            guard state.byteCount + size <= budget else { return (nil, false) }
            state.byteCount += size
            return (nil, true)
        }
        unused = []
        if let found { return found }
        guard isWithin else {
            throw DeviceError(
                .outOfMemory,
                "\(byteCount) more bytes for staging do not fit the budget of \(budget) bytes of pinned memory")
        }
        do {
            return try PinnedMemory(size, of: runtime)
        } catch {
            state.withLock { $0.byteCount -= size }
            throw DeviceError(error)
        }
    }

    /// Gives memory back that nothing on the device refers to any more.
    func give(_ memory: PinnedMemory) {
        state.withLock { $0.free[memory.bytes.count, default: []].append(memory) }
    }

    private static func size(for byteCount: Int) -> Int {
        var size = smallest
        while size < byteCount { size *= 2 }
        return size
    }
}
