// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitServing

/// A clock that the test advances, and that can be made to break its word and go back.
// @unchecked: a run and all that belongs to it stay on the test's own thread.
final class VirtualClock: EngineClock, @unchecked Sendable {
    /// The true time.
    var time = Instant.zero + .seconds(100)
    /// By how much the clock is behind it.
    var setback = Duration.zero

    func now() -> Instant { time - setback }

    /// When the clock shows an instant, if it goes on as it goes now.
    func shows(_ instant: Instant) -> Instant { instant < .never ? instant + setback : .never }
}

/// A timer without a thread: it calls when the test says so. Which call is due the engine's own `Alarm` decides.
// @unchecked: see the clock.
final class VirtualTimer: EngineTimer, @unchecked Sendable {
    private(set) var alarm = Alarm()
    /// What other threads do just before and after the instant is set.
    var meanwhile: () -> Void = {}
    private var call: (@Sendable () -> Void)?

    func start(_ fire: @escaping @Sendable () -> Void) { call = fire }

    func set(_ instant: Instant) {
        meanwhile()
        _ = alarm.set(instant)
        meanwhile()
    }

    /// Calls for the instant that was asked for.
    func fire() {
        guard alarm.take(alarm.instant) else { return }
        meanwhile()
        call?()
    }

    func stop() { call = nil }
}
