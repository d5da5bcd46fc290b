// SPDX-License-Identifier: Apache-2.0

/// A seeded source of random numbers (SplitMix64): the same seed gives the same numbers on every machine.
struct RandomStream: Sendable {
    private var state: UInt64

    /// A stream for one `part` of what a seed decides; parts do not disturb each other.
    init(seed: UInt64, part: UInt64) {
        state = seed &* 0xD1B5_4A32_D192_ED03 &+ part &* 0x8CB9_2BA7_2F3D_8DD7
        state = next() ^ (next() << 1)
    }

    /// The next 64 bits.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// Uniform between 0 and 1, neither included.
    mutating func unit() -> Double { (Double(next() >> 12) + 0.5) * 0x1p-52 }

    /// Exponential of mean 1.
    mutating func exponential() -> Double { -naturalLogarithm(unit()) }

    /// Standard normal (Marsaglia's polar method, one number of the two).
    mutating func normal() -> Double {
        while true {
            let x = 2 * unit() - 1
            let y = 2 * unit() - 1
            let square = x * x + y * y
            if square > 0, square < 1 { return x * (-2 * naturalLogarithm(square) / square).squareRoot() }
        }
    }

    /// Gamma of mean 1 and the given shape; its coefficient of variation is 1/√shape (Marsaglia and Tsang, 2000).
    mutating func gamma(shape: Double) -> Double {
        // The method needs a shape of at least 1; a smaller one is had from the next larger by a power of a uniform.
        let boosted = shape < 1 ? shape + 1 : shape
        let d = boosted - 1.0 / 3
        let c = 1 / (9 * d).squareRoot()
        while true {
            let x = normal()
            let root = 1 + c * x
            guard root > 0 else { continue }
            let cube = root * root * root
            guard naturalLogarithm(unit()) < 0.5 * x * x + d - d * cube + d * naturalLogarithm(cube) else { continue }
            let value = d * cube / shape
            return shape < 1 ? value * StraitSimulation.exponential(naturalLogarithm(unit()) / shape) : value
        }
    }

    /// A permutation of 0..<count.
    mutating func permutation(of count: Int) -> [Int] {
        var order = Array(0..<count)
        for index in order.indices.reversed() where index > 0 {
            order.swapAt(index, Int(next() % UInt64(index + 1)))
        }
        return order
    }
}
