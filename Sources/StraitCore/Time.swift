// SPDX-License-Identifier: Apache-2.0

/// A point in time: nanoseconds since an epoch that the driver chose and that never changes while a scheduler lives.
///
/// The scheduler never reads a clock. The live engine passes the monotonic clock, the simulator its virtual time.
public struct Instant: Sendable, Hashable, Comparable {
    /// Nanoseconds since the driver's epoch.
    public var nanoseconds: Int64

    /// A point in time `nanoseconds` after the driver's epoch.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The epoch.
    public static let zero = Instant(nanoseconds: 0)
    /// Later than anything that happens: the deadline of whoever has none.
    public static let never = Instant(nanoseconds: .max)

    /// Whether `left` is earlier than `right`.
    public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    /// `duration` after `instant`; saturates at ``never``, so that arithmetic with a far deadline cannot trap.
    public static func + (instant: Instant, duration: Duration) -> Instant {
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(duration.nanoseconds)
        return overflow ? (duration.nanoseconds > 0 ? never : Instant(nanoseconds: .min)) : Instant(nanoseconds: sum)
    }

    /// `duration` before `instant`; saturates.
    public static func - (instant: Instant, duration: Duration) -> Instant {
        instant == never ? never : instant + Duration(nanoseconds: -duration.nanoseconds)
    }

    /// The time from `right` to `left`; saturates.
    public static func - (left: Instant, right: Instant) -> Duration {
        let (difference, overflow) = left.nanoseconds.subtractingReportingOverflow(right.nanoseconds)
        return Duration(nanoseconds: overflow ? (left.nanoseconds > 0 ? .max : -.max) : difference)
    }
}

/// A span of time in whole nanoseconds; negative where something is overdue.
public struct Duration: Sendable, Hashable, Comparable {
    /// The span in nanoseconds.
    public var nanoseconds: Int64

    /// A span of `nanoseconds`.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// A span of a computed number of nanoseconds, to the nearest one; saturates, and takes what is not a number for
    /// none, so that no prediction, however wrong, can trap.
    init(clamping nanoseconds: Double) {
        self.init(nanoseconds: 1, times: nanoseconds.isNaN ? 0 : nanoseconds)
    }

    /// No time.
    public static let zero = Duration(nanoseconds: 0)

    /// A span of `count` microseconds.
    public static func microseconds(_ count: Int64) -> Duration {
        let (product, overflow) = count.multipliedReportingOverflow(by: 1000)
        return Duration(nanoseconds: overflow ? (count > 0 ? .max : -.max) : product)
    }

    /// A span of `count` milliseconds, to the nearest nanosecond.
    public static func milliseconds(_ count: Double) -> Duration { Duration(nanoseconds: 1, times: count * 1e6) }

    /// A span of `count` seconds, to the nearest nanosecond.
    public static func seconds(_ count: Double) -> Duration { Duration(nanoseconds: 1, times: count * 1e9) }

    /// The span in milliseconds.
    public var milliseconds: Double { Double(nanoseconds) / 1e6 }

    /// The span in seconds.
    public var seconds: Double { Double(nanoseconds) / 1e9 }

    /// Whether `left` is shorter than `right`.
    public static func < (left: Duration, right: Duration) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The sum; saturates.
    public static func + (left: Duration, right: Duration) -> Duration {
        let (sum, overflow) = left.nanoseconds.addingReportingOverflow(right.nanoseconds)
        return Duration(nanoseconds: overflow ? (right.nanoseconds > 0 ? .max : -.max) : sum)
    }

    /// The difference; saturates.
    public static func - (left: Duration, right: Duration) -> Duration {
        left + Duration(nanoseconds: right.nanoseconds == .min ? .max : -right.nanoseconds)
    }

    /// The span times a factor, to the nearest nanosecond; saturates.
    public static func * (duration: Duration, factor: Double) -> Duration {
        Duration(nanoseconds: duration.nanoseconds, times: factor)
    }

    /// Adds a span; saturates.
    public static func += (left: inout Duration, right: Duration) { left = left + right }

    /// Takes a span away; saturates.
    public static func -= (left: inout Duration, right: Duration) { left = left - right }

    private init(nanoseconds: Int64, times factor: Double) {
        let product = Double(nanoseconds) * factor
        // 2^63 as a Double; anything at or beyond it does not convert.
        guard product.magnitude < 0x1p63 else {
            self.init(nanoseconds: product > 0 ? .max : -.max)
            return
        }
        // To the nearest by truncation: rounding would call the C library. Beyond 2^51 a Double has no fraction to speak of.
        let half = product.magnitude < 0x1p51 ? (product < 0 ? -0.5 : 0.5) : 0
        self.init(nanoseconds: Int64(product + half))
    }
}
