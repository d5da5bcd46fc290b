// SPDX-License-Identifier: Apache-2.0

internal import StraitPlatform
internal import StraitServing
internal import Synchronization
internal import Testing

/// What takes long is done beside the event loops: in order, bounded, and only as long as somebody wants it.
@Suite struct HelperThreadsTests {
    /// One thread that is held until it is let go.
    private final class Held: Sendable {
        let helpers = HelperThreads()
        private let (holds, goes) = (Wakeup(), Wakeup())

        init() {
            helpers.start(threads: 1)
            let (holds, goes) = (holds, goes)
            _ = helpers.run {
                holds.signal()
                goes.wait()
            }
            holds.wait()
        }

        func letGo() { goes.signal() }
    }

    @Test(.timeLimit(.minutes(1))) func `what waits is done in its order, and before the end`() {
        let held = Held()
        let done = Mutex<[Int]>([])
        for number in 0..<5 { _ = held.helpers.run { done.withLock { $0.append(number) } } }
        held.letGo()
        held.helpers.stop()
        let order = done.withLock { $0 }
        #expect(order == [0, 1, 2, 3, 4])
    }

    @Test(.timeLimit(.minutes(1))) func `no more waits than may`() {
        let held = Held()
        let done = Atomic(0)
        for _ in 0..<HelperThreads.capacity {
            #expect(held.helpers.run { done.add(1, ordering: .relaxed) } != nil)
        }
        #expect(held.helpers.run { done.add(1000, ordering: .relaxed) } == nil)
        held.letGo()
        held.helpers.stop()
        let count = done.load(ordering: .relaxed)
        #expect(count == HelperThreads.capacity)
    }

    @Test(.timeLimit(.minutes(1))) func `what is taken back is not done, and lets go of what it holds at once`() {
        let held = Held()
        let isDone = Atomic(false)
        weak var kept: Memory?
        do {
            let memory = Memory()
            kept = memory
            let job = held.helpers.run {
                isDone.store(true, ordering: .relaxed)
                withExtendedLifetime(memory) {}
            }
            job?.cancel()
        }
        #expect(kept == nil)
        held.letGo()
        held.helpers.stop()
        let wasDone = isDone.load(ordering: .relaxed)
        #expect(!wasDone)
    }

    @Test func `nothing is taken before the start, and nothing after the end`() {
        let helpers = HelperThreads()
        #expect(helpers.run {} == nil)
        helpers.start(threads: 2)
        helpers.stop()
        #expect(helpers.run {} == nil)
    }

    @Test func `one thread does not wait for what another does`() {
        let helpers = HelperThreads()
        helpers.start(threads: 2)
        let (first, second) = (Wakeup(), Wakeup())
        _ = helpers.run { first.wait() }
        _ = helpers.run { second.signal() }
        second.wait()
        first.signal()
        helpers.stop()
    }

    @Test func `numbers are read elsewhere from a few hundred KB on, and bytes that stay from some MB`() {
        #expect(!HelperThreads.isLarge(read: 100 << 10, kept: 602_112))
        #expect(HelperThreads.isLarge(read: 1 << 20, kept: 0))
        #expect(HelperThreads.isLarge(read: 1 << 10, kept: 16 << 20))
    }

    private final class Memory: Sendable {}
}
