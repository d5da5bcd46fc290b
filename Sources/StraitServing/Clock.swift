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
