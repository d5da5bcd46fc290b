// SPDX-License-Identifier: Apache-2.0

package import StraitCore
internal import StraitPlatform

/// What tells the engine the time; tests bring their own.
package protocol EngineClock: Sendable {
    /// The time now. Never goes back.
    func now() -> Instant
}

/// The machine's monotonic clock.
package struct SystemClock: EngineClock {
    package init() {}

    package func now() -> Instant { Instant(nanoseconds: MonotonicClock.nanoseconds()) }
}

/// What calls the engine back in time; tests bring their own.
package protocol EngineTimer: Sendable {
    /// Starts to call back, also for what was asked for before.
    func start(_ fire: @escaping @Sendable () -> Void)

    /// Asks for a call at an instant of the engine's clock, as ``Alarm`` says which.
    func set(_ instant: Instant)

    /// Ends the calls. One that is under way may go on afterwards.
    func stop()
}

/// The instant at which a timer is to call.
///
/// The earliest of all that were asked for since the last call: threads that ask do so after they have released the
/// engine's lock, so that one may ask for the later instant last. A call too early does no harm, one too late does.
package struct Alarm: Sendable {
    /// When to call; never if nobody asked.
    package private(set) var instant = Instant.never

    package init() {}

    /// Asks for a call.
    ///
    /// - Returns: whether it comes earlier for that.
    package mutating func set(_ other: Instant) -> Bool {
        guard other < instant else { return false }
        instant = other
        return true
    }

    /// Takes the instant away to call, unless an earlier one was asked for meanwhile.
    package mutating func take(_ expected: Instant) -> Bool {
        guard instant == expected else { return false }
        instant = .never
        return true
    }
}
