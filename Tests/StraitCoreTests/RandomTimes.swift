// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// Times and failures drawn from a seed and the batch's place in the order, mostly 5 to 30 ms, sometimes ten times that.
struct RandomTimes: Sendable {
    let seed: UInt64

    private func draw(_ batch: StagedBatch, salt: UInt64) -> Double {
        var generator = SeededGenerator(
            seed: seed &* 31 &+ UInt64(batch.batch.generation) &* 977 &+ UInt64(batch.batch.slot) &+ salt)
        return Double.random(in: 0..<1, using: &generator)
    }

    func time(_ batch: StagedBatch) -> StraitCore.Duration {
        let base = 5 + 25 * draw(batch, salt: 1)
        return .milliseconds(draw(batch, salt: 2) < 0.05 ? base * 10 : base) * Double(batch.rows)
    }

    func fails(_ batch: StagedBatch) -> Bool { draw(batch, salt: 3) < 0.05 }
}
