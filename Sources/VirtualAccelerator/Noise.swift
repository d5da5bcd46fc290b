// SPDX-License-Identifier: Apache-2.0

/// Noise that depends on nothing but its keys, so that the same batch meets the same luck whatever else is going on.
enum Noise {
    /// Mixes two numbers into one that looks random (SplitMix64's finaliser).
    static func mix(_ left: UInt64, _ right: UInt64) -> UInt64 {
        var mixed = left &+ (right &+ 1) &* 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number in 0..<1, uniform.
    static func unit(_ bits: UInt64) -> Double { Double(bits >> 11) * 0x1p-53 }

    /// About a standard normal number: the sum of four uniform ones, within ±3.5.
    static func normal(_ bits: UInt64) -> Double {
        let sum =
            Double(bits & 0xFFFF) + Double((bits >> 16) & 0xFFFF) + Double((bits >> 32) & 0xFFFF) + Double(bits >> 48)
        // The mean of the sum is 2 and its variance 4/12.
        return (sum * 0x1p-16 - 2) * 1.732_050_807_568_877_2
    }

    /// The factor on a batch's time.
    static func batchFactor(_ levels: NoiseLevels, _ bits: UInt64) -> Double {
        guard !levels.factors.isEmpty else { return factor(sigma: levels.batch, bits) }
        return levels.factors[Int(unit(bits) * Double(levels.factors.count))]
    }

    /// A positive factor of median 1 whose logarithm has the deviation `sigma`, to the third order of the exponential.
    static func factor(sigma: Double, _ bits: UInt64) -> Double {
        let exponent = sigma * normal(bits)
        return max(0.1, 1 + exponent * (1 + exponent * (0.5 + exponent / 6)))
    }

    /// An exponential number of mean 1, by comparisons alone (von Neumann, 1951): a run of falling uniform numbers is of
    /// odd length with the probability e^(−its first), and each run of even length adds 1.
    static func exponential(_ key: UInt64) -> Double {
        var draws: UInt64 = 0
        func next() -> Double {
            draws += 1
            return unit(mix(key, draws))
        }
        var whole = 0.0
        while true {
            let first = next()
            var last = first
            var length = 1
            while true {
                let number = next()
                guard number < last else { break }
                last = number
                length += 1
            }
            if length % 2 == 1 { return whole + first }
            whole += 1
        }
    }
}

/// A span that is not negative in whole nanoseconds, at least 1: the next one up, or one more where it is whole already.
/// By conversion, since rounding would call the C library.
func nanosecondsUp(_ span: Double) -> Int64 { Int64(span) + 1 }
