// SPDX-License-Identifier: Apache-2.0

/// How late the host was with what happened on virtual devices: counted in buckets, 16 to each power of two, so that
/// quantiles are right to 6 %.
package struct PacingErrors: Sendable, Hashable {
    private static let bucketsPerOctave = 16
    /// Up to 2^40 ns, a quarter of an hour; later counts as that.
    private static let octaves = 40
    private var counts = [Int](repeating: 0, count: (octaves - 3) * bucketsPerOctave)

    /// Events.
    package private(set) var count = 0
    /// The latest of them, in nanoseconds.
    package private(set) var maximum: Int64 = 0

    /// How late they were in all, in nanoseconds.
    package private(set) var sum: Int64 = 0

    /// No events.
    package init() {}

    /// Counts an event that was so many nanoseconds late. O(1).
    package mutating func note(_ nanoseconds: Int64) {
        let late = max(0, nanoseconds)
        count += 1
        sum &+= late
        maximum = max(maximum, late)
        counts[Self.bucket(late)] += 1
    }

    /// How many events were late by at most so many nanoseconds; those of a bucket that ends beyond it are left out.
    package func count(upTo nanoseconds: Int64) -> Int {
        var seen = 0
        for bucket in counts.indices where Self.upperEnd(bucket) <= nanoseconds { seen += counts[bucket] }
        return seen
    }

    /// The lateness in nanoseconds that a share of the events did not exceed, to the upper end of its bucket; nil if there
    /// are none.
    package func quantile(_ share: Double) -> Int64? {
        guard count > 0 else { return nil }
        let wanted = max(1, Int((Double(count) * share).rounded(.up)))
        var seen = 0
        for bucket in counts.indices {
            seen += counts[bucket]
            if seen >= wanted { return min(maximum, Self.upperEnd(bucket)) }
        }
        return maximum
    }

    /// Such as `1200 events, late by p50 61 µs, p99 240 µs, at most 1.9 ms`.
    package var words: String {
        guard let p50 = quantile(0.5), let p99 = quantile(0.99) else { return "no events" }
        return "\(count) events, late by p50 \(Self.words(p50)), p99 \(Self.words(p99)), at most \(Self.words(maximum))"
    }

    private static func words(_ nanoseconds: Int64) -> String {
        guard nanoseconds >= 1_000_000 else { return "\((nanoseconds + 500) / 1000) µs" }
        let tenths = (nanoseconds + 50_000) / 100_000
        return "\(tenths / 10).\(tenths % 10) ms"
    }

    /// Linear below 16 ns, then by the highest bit and the four behind it.
    private static func bucket(_ nanoseconds: Int64) -> Int {
        let value = UInt64(nanoseconds)
        guard value >= 16 else { return Int(value) }
        let exponent = 63 - value.leadingZeroBitCount
        guard exponent < octaves else { return (octaves - 3) * bucketsPerOctave - 1 }
        return (exponent - 3) * bucketsPerOctave + Int(value >> UInt64(exponent - 4)) - bucketsPerOctave
    }

    private static func upperEnd(_ bucket: Int) -> Int64 {
        guard bucket >= bucketsPerOctave else { return Int64(bucket) }
        let exponent = bucket / bucketsPerOctave + 3
        let position = Int64(bucket % bucketsPerOctave)
        return ((Int64(bucketsPerOctave) + position + 1) << Int64(exponent - 4)) - 1
    }
}
