// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitPlatform
internal import StraitProtocol
internal import Synchronization

/// Threads beside the event loops: they read large requests and write large replies, which on a loop would hold up all
/// its other connections.
///
/// What is done here is handed over with all that it needs, and hands back its result itself. What waits is bounded, in
/// number here and in bytes by the memory for tensors, where its bodies lie.
package final class HelperThreads: Sendable {
    /// One piece of work.
    package final class Job: Sendable {
        private let work: Mutex<(@Sendable () -> Void)?>

        init(_ work: @escaping @Sendable () -> Void) { self.work = Mutex(work) }

        /// Nobody wants it any more: it is not begun, and what it held is let go. One that is under way ends by itself.
        package func cancel() { _ = take() }

        /// What is to be done, once.
        func take() -> (@Sendable () -> Void)? {
            work.withLock { work in
                defer { work = nil }
                return work
            }
        }
    }

    private struct State {
        var jobs: [Job] = []
        /// No jobs are taken before the threads are there, and none when they are to end.
        var isTaking = false
    }

    private let state = Mutex(State())
    private let wakeup = Wakeup()
    private let threads: Mutex<[SystemThread]> = Mutex([])

    /// Jobs that may wait: at some milliseconds each, more than a second's work for one thread.
    package static let capacity = 256

    package init() {}

    /// Whether something is better done here than on an event loop, where it would take a millisecond or more.
    ///
    /// - Parameters:
    ///   - read: bytes that are read or written one by one, such as numbers in JSON.
    ///   - kept: bytes that are at most copied.
    package static func isLarge(read: Int, kept: Int) -> Bool { read + kept / copyingIsFaster >= leastBytes }

    /// Reading numbers takes some 3 ns a byte; beside that, handing over to another thread and back is little.
    package static let leastBytes = 256 << 10
    /// So many bytes are copied in the time that one is read.
    private static let copyingIsFaster = 16

    /// What a request is told that there is no place for.
    package static let full = Refusal(
        ProtocolError(.resourceExhausted, "\(capacity) large requests wait to be read already; try again later"),
        retryAfter: .seconds(1))

    /// Starts the threads.
    ///
    /// - Parameter cores: where they may run; empty for anywhere.
    package func start(threads count: Int, cores: [Int] = []) {
        state.withLock { $0.isTaking = true }
        let started = (0..<count).map { _ in
            SystemThread(name: "helper", cores: cores.isEmpty ? nil : cores) { [self] in
                while true {
                    wakeup.wait()
                    // Jobs first: those that were taken are done before the end.
                    guard let job = nextJob() else { return }
                    job.take()?()
                }
            }
        }
        threads.withLock { $0 = started }
    }

    /// Takes a piece of work, to be done on one of the threads in its turn.
    ///
    /// - Returns: what to cancel it by; nil where as much waits as may, or where there are no threads.
    package func run(_ work: @escaping @Sendable () -> Void) -> Job? {
        let job = Job(work)
        let isTaken = state.withLock { state in
            guard state.isTaking, state.jobs.count < Self.capacity else { return false }
            state.jobs.append(job)
            return true
        }
        guard isTaken else { return nil }
        wakeup.signal()
        return job
    }

    /// Ends the threads when what they have is done.
    package func stop() {
        state.withLock { $0.isTaking = false }
        let ending = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        for _ in ending { wakeup.signal() }
        for thread in ending { thread.join() }
    }

    private func nextJob() -> Job? {
        state.withLock { $0.jobs.isEmpty ? nil : $0.jobs.removeFirst() }
    }
}
