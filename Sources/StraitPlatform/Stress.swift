// SPDX-License-Identifier: Apache-2.0

internal import CPlatform
internal import Synchronization

/// Work that uses up one thing only, to see what that does to others.
package enum Stress: Sendable {
    /// Arithmetic in registers.
    case compute
    /// Sweeps over memory of its own; the bytes that each thread has should be more than caches hold.
    case memory(bytes: Int)

    /// Rounds of arithmetic done at once: a tenth of a millisecond or so, so that a thread soon sees that it is to stop.
    private static let roundsAtOnce: UInt64 = 20_000
    /// The same for memory, in bytes of each of the two streams.
    private static let bytesAtOnce = 1 << 20

    /// Does arithmetic that takes some ten milliseconds on the calling thread: always the same, to see how steady the
    /// machine is.
    package static func doReferenceWork() { platform_compute(referenceRounds) }

    private static let referenceRounds: UInt64 = 5_000_000

    /// Does the work on the calling thread over and over, and counts.
    fileprivate func work(_ count: borrowing Atomic<Int>, until isStopped: borrowing Atomic<Bool>) {
        switch self {
        case .compute:
            while !isStopped.load(ordering: .relaxed) {
                platform_compute(Self.roundsAtOnce)
                count.add(1, ordering: .relaxed)
            }
        case .memory(let bytes):
            let length = Self.bytesAtOnce / MemoryLayout<Double>.stride
            let pieces = max(1, bytes / 2 / Self.bytesAtOnce)
            let memory = UnsafeMutablePointer<Double>.allocate(capacity: 2 * pieces * length)
            memory.initialize(repeating: 0, count: 2 * pieces * length)
            defer { memory.deallocate() }
            var piece = 0
            while !isStopped.load(ordering: .relaxed) {
                platform_sweep(memory + piece * length, memory + (pieces + piece) * length, length)
                count.add(1, ordering: .relaxed)
                piece = (piece + 1) % pieces
            }
        }
    }
}

/// Threads that do such work, one on each of some cores, until they are stopped.
package final class StressThreads: Sendable {
    private final class Worker: Sendable {
        let count = Atomic(0)
        let isStopped = Atomic(false)
    }

    private let workers: [Worker]
    private let threads: [SystemThread]

    /// Starts the threads.
    package init(_ stress: Stress, cores: [Int]) {
        let workers = cores.map { _ in Worker() }
        self.workers = workers
        threads = zip(cores, workers).map { core, worker in
            SystemThread(name: "stress-\(core)", cores: [core]) {
                stress.work(worker.count, until: worker.isStopped)
            }
        }
    }

    /// Pieces of work that all of them have done.
    package var work: Int { workers.reduce(0) { $0 + $1.count.load(ordering: .relaxed) } }

    /// Whether each has begun.
    package var haveBegun: Bool { workers.allSatisfy { $0.count.load(ordering: .relaxed) > 0 } }

    /// Ends the threads. Call it once.
    package func stop() {
        for worker in workers { worker.isStopped.store(true, ordering: .relaxed) }
        for thread in threads { thread.join() }
    }
}
