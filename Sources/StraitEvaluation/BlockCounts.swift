// SPDX-License-Identifier: Apache-2.0

internal import StraitSimulation

/// A run's requests, block of time by block of time.
struct BlockCounts: Sendable {
    /// How many blocks there are.
    let blocks: Int
    private let models: Int
    /// Of each block, as in ``RequestCounts/counts``.
    private let counts: [Int]

    init(_ record: RunRecord) {
        let all = record.high.models + record.low.models
        let blocks = all.map(\.blocks.count).min() ?? 0
        counts = (0..<blocks).flatMap { block in all.flatMap { [$0.blocks[block].arrivals, $0.blocks[block].met] } }
        self.blocks = blocks
        models = record.high.models.count
    }

    /// All of them.
    var total: RequestCounts {
        var sum = RequestCounts(models: models)
        for block in 0..<blocks { add(block, to: &sum) }
        return sum
    }

    /// As many blocks as there are, drawn with replacement. The same stream draws the same blocks from any run of this
    /// length, which is what makes differences between policies paired ones.
    func resampled(_ random: inout SplitMix) -> RequestCounts {
        var sum = RequestCounts(models: models)
        for _ in 0..<blocks { add(random.below(blocks), to: &sum) }
        return sum
    }

    private func add(_ block: Int, to sum: inout RequestCounts) {
        let start = block * sum.counts.count
        for index in sum.counts.indices { sum.counts[index] += counts[start + index] }
    }
}

/// A seeded source of random numbers (SplitMix64): the same on every machine.
struct SplitMix: Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// The next 64 bits.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A whole number from 0 to below `count`.
    mutating func below(_ count: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(count)).high) }
}
