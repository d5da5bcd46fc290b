// SPDX-License-Identifier: Apache-2.0

internal import StraitPlatform
internal import Synchronization

/// The thread that loads and unloads models, one job after the other.
final class RepositoryWorker: Sendable {
    private struct State {
        var jobs: [@Sendable () -> Void] = []
        var isStopping = false
    }

    private let state = Mutex(State())
    private let wakeup = Wakeup()
    private let thread = ThreadSlot()

    /// Jobs that may wait.
    static let capacity = 256

    /// Adds a job, to be done once the thread runs.
    ///
    /// - Returns: false where there are too many, or where the thread is ending.
    func add(_ job: @escaping @Sendable () -> Void) -> Bool {
        let isTaken = state.withLock { state in
            guard state.jobs.count < Self.capacity, !state.isStopping else { return false }
            state.jobs.append(job)
            return true
        }
        if isTaken { wakeup.signal() }
        return isTaken
    }

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - seconds: how long after it was done the last time `regular` is done; nil for never.
    ///   - regular: what is to be done now and then.
    func start(everySeconds seconds: Int? = nil, _ regular: @escaping @Sendable () -> Void = {}) {
        let started = SystemThread(name: "repository") { [self] in
            while true {
                if let seconds {
                    let due = MonotonicClock.nanoseconds() + Int64(seconds) * 1_000_000_000
                    if !wakeup.wait(untilNanoseconds: due) { regular() }
                } else {
                    wakeup.wait()
                }
                while let job = state.withLock({ $0.jobs.isEmpty ? nil : $0.jobs.removeFirst() }) { job() }
                if state.withLock({ $0.isStopping }) { return }
            }
        }
        thread.put(started)
    }

    /// Ends the thread when the jobs it has are done.
    func stop() {
        state.withLock { $0.isStopping = true }
        wakeup.signal()
        thread.take()?.join()
    }
}
