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
    private let hasEnded = Wakeup()
    private let thread = ThreadSlot()

    private let name: String
    private let patience: Duration

    /// How long the end of a server waits for a call that is under way: probes of devices take less, but for those of
    /// devices that hang.
    package static let usualPatience = Duration.seconds(5)

    /// A timer whose thread is called `name`.
    ///
    /// - Parameter patience: how long ``stop()`` waits for a call that is under way.
    package init(name: String = "timer", patience: Duration = TimerThread.usualPatience) {
        self.name = name
        self.patience = patience
    }

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
            hasEnded.signal()
        }
        thread.put(started)
    }

    package func set(_ instant: Instant) {
        if state.withLock({ $0.alarm.set(instant) }) { wakeup.signal() }
    }

    /// Ends the thread. One that is in a call for longer than the patience is left alone: it may wait for a device that
    /// hangs, and nobody waits for that.
    package func stop() {
        state.withLock { $0.isStopping = true }
        wakeup.signal()
        let thread = thread.take()
        guard let thread, hasEnded.wait(untilNanoseconds: MonotonicClock.nanoseconds() + patience.nanoseconds) else {
            return
        }
        thread.join()
    }

    private func nextInstant() -> Instant? { state.withLock { $0.isStopping ? nil : $0.alarm.instant } }

    private func take(_ instant: Instant) -> Bool { state.withLock { $0.alarm.take(instant) } }
}
