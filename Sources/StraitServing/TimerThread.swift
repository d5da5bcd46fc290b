// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitPlatform
internal import Synchronization

/// Calls back at the instant that was last asked for, on a thread of its own.
///
/// A thread oversleeps by some 70 µs here; deadlines are far coarser.
final class TimerThread: Sendable {
    private struct State {
        var instant = Instant.never
        var isStopping = false
    }

    private let state = Mutex(State())
    private let wakeup = Wakeup()
    private let thread: Mutex<SystemThread?> = Mutex(nil)

    /// Starts the thread.
    func start(_ fire: @escaping @Sendable () -> Void) {
        let started = SystemThread(name: "timer") { [self] in
            while let instant = nextInstant() {
                if instant == .never {
                    wakeup.wait()
                } else if !wakeup.wait(untilNanoseconds: instant.nanoseconds), take(instant) {
                    fire()
                }
            }
        }
        thread.withLock { $0 = started }
    }

    /// Asks for a call at `instant`, instead of the one asked for before.
    func set(_ instant: Instant) {
        state.withLock { $0.instant = instant }
        wakeup.signal()
    }

    /// Ends the thread.
    func stop() {
        state.withLock { $0.isStopping = true }
        wakeup.signal()
        let thread = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        thread?.join()
    }

    private func nextInstant() -> Instant? { state.withLock { $0.isStopping ? nil : $0.instant } }

    /// Takes the instant away, unless another was asked for meanwhile.
    private func take(_ instant: Instant) -> Bool {
        state.withLock { state in
            guard state.instant == instant else { return false }
            state.instant = .never
            return true
        }
    }
}
