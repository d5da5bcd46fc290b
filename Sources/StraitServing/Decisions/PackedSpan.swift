// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// A span of time in four bytes: to the nanosecond up to half a second, to the microsecond up to nine minutes, which is as
/// exact as spans are told, to the millisecond up to six days; what is longer counts as that.
struct PackedSpan: Sendable, Hashable {
    /// From the highest on: two bits for the unit, one for the sign, the others for how many.
    private(set) var bits: UInt32

    private static let countBits: UInt32 = 29
    private static let most: UInt32 = (1 << countBits) - 1
    private static let negative: UInt32 = 1 << countBits
    private static let microseconds: UInt32 = 1 << 30
    private static let milliseconds: UInt32 = 2 << 30

    /// What ``bits`` were of another.
    init(bits: UInt32) { self.bits = bits }

    /// What has not come, or never will.
    static let never = PackedSpan(bits: .max)
    static let zero = PackedSpan(bits: 0)

    /// A span.
    @inline(__always)
    init(_ span: Duration) {
        let size = span.nanoseconds.magnitude
        bits = size <= UInt64(Self.most) ? UInt32(truncatingIfNeeded: size) : Self.coarse(size)
        if span.nanoseconds < 0 { bits |= Self.negative }
    }

    /// The span from one instant to another.
    @inline(__always)
    init(from origin: Instant, to instant: Instant) {
        self = instant == .never ? .never : PackedSpan(instant - origin)
    }

    private static func coarse(_ size: UInt64) -> UInt32 {
        let micro = (size + 500) / 1000
        if micro <= UInt64(most) { return microseconds | UInt32(micro) }
        return milliseconds | UInt32(min(size / 1_000_000, UInt64(most)))
    }

    /// The span; `zero` for ``never``, which has none.
    var span: Duration {
        guard self != .never else { return .zero }
        let count = Int64(bits & Self.most) * (bits & Self.negative == 0 ? 1 : -1)
        return switch bits >> 30 {
        case 0: Duration(nanoseconds: count)
        case 1: Duration(nanoseconds: count * 1000)
        default: Duration(nanoseconds: count * 1_000_000)
        }
    }

    /// The instant that is so far from another.
    func instant(from origin: Instant) -> Instant { self == .never ? .never : origin + span }

    /// The same; nil for ``never``.
    func instantIfAny(from origin: Instant) -> Instant? { self == .never ? nil : origin + span }
}
