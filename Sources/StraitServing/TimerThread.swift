// SPDX-License-Identifier: Apache-2.0

package import StraitCore
internal import StraitPlatform
internal import Synchronization

/// Calls back on a thread of its own, by the machine's monotonic clock.
///
/// A thread oversleeps by some 70 µs here; deadlines are far coarser.
package final class TimerThread: EngineTimer {
    private struct State {
        var alarm = Alarm()
        var isStopping = false
    }

    private let state = Mutex(State())
    private let wakeup = Wakeup()
    private let thread: Mutex<SystemThread?> = Mutex(nil)

    private let name: String

    /// A timer whose thread is called `name`.
    package init(name: String = "timer") { self.name = name }

    /// Starts the thread.
    package func start(_ fire: @escaping @Sendable () -> Void) {
        let started = SystemThread(name: name) { [self] in
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

    package func set(_ instant: Instant) {
        if state.withLock({ $0.alarm.set(instant) }) { wakeup.signal() }
    }

    /// Ends the thread.
    package func stop() {
        state.withLock { $0.isStopping = true }
        wakeup.signal()
        let thread = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        thread?.join()
    }

    private func nextInstant() -> Instant? { state.withLock { $0.isStopping ? nil : $0.alarm.instant } }

    private func take(_ instant: Instant) -> Bool { state.withLock { $0.alarm.take(instant) } }
}
