// SPDX-License-Identifier: Apache-2.0

/// Numbers of traces and spans, at random from a seed (xoshiro256**).
package struct TraceNumbers: Sendable, RandomNumberGenerator {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    /// A source that gives the same numbers for the same seed.
    package init(seed: UInt64) {
        func word(_ index: UInt64) -> UInt64 { Scramble.bits(seed &+ index &* Scramble.step) }
        state = (word(1), word(2), word(3), word(4))
    }

    /// A source for a server, whose numbers no other server is to give: its whole state comes from the system.
    package init(from system: inout some RandomNumberGenerator) {
        // The one state that gives nothing but zeros is all zeros.
        state = (system.next() | 1, system.next(), system.next(), system.next())
    }

    package mutating func next() -> UInt64 {
        func turned(_ value: UInt64, by bits: UInt64) -> UInt64 { value << bits | value >> (64 - bits) }
        let result = turned(state.1 &* 5, by: 7) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = turned(state.3, by: 45)
        return result
    }

    /// A new trace.
    package mutating func trace() -> TraceID {
        while true { if let id = TraceID(high: next(), low: next()) { return id } }
    }

    /// A new span.
    package mutating func span() -> SpanID {
        while true { if let id = SpanID(next()) { return id } }
    }
}

/// A bijection of 64 bits that leaves no likeness (the finish of splitmix64).
enum Scramble {
    /// The odd number that splitmix64 steps by.
    static let step: UInt64 = 0x9E37_79B9_7F4A_7C15

    static func bits(_ value: UInt64) -> UInt64 {
        var bits = value
        bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
        return bits ^ bits >> 31
    }
}

/// Which requests are traced that come without a trace of their own.
package struct TraceRatio: Sendable, Hashable {
    /// The share of them, 0 to 1.
    package let share: Double
    /// The least random part that is traced.
    private let threshold: UInt64

    /// The bits of a trace's number that are random for sure, by Trace Context's second level.
    private static let randomBits: UInt64 = 56

    /// A share of all; what is outside of 0 to 1 counts as its nearer end.
    package init(_ share: Double) {
        self.share = share > 0 ? min(share, 1) : 0
        threshold = (1 << Self.randomBits) - UInt64(self.share * Double(UInt64(1) << Self.randomBits))
    }

    /// Whether a trace is kept: the same for its number everywhere, and at a larger share if at a smaller one.
    package func keeps(_ trace: TraceID) -> Bool { trace.low & ((1 << Self.randomBits) - 1) >= threshold }
}
