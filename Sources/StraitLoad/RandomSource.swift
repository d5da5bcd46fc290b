// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A small seeded generator (SplitMix64): the same seed gives the same load on every machine.
package struct RandomSource: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// A generator of the given seed; any seed is as good as another.
    package init(seed: UInt64) { state = seed }

    /// A generator for one `part` of a whole, independent of the other parts' in practice.
    package init(seed: UInt64, part: Int) {
        var mixer = RandomSource(seed: seed &+ UInt64(truncatingIfNeeded: part) &* 0xD1B5_4A32_D192_ED03)
        state = mixer.next()
    }

    /// The next 64 random bits.
    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number in 0..<1, uniform.
    package mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// A number from the exponential distribution of the given mean.
    package mutating func exponential(mean: Double) -> Double { -log1p(-unit()) * mean }
}
