// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitSimulation

@testable import StraitEvaluation

/// Records made up for tests.
enum Made {
    /// Nothing predicted.
    static let noPrediction = PredictionFigures(batches: 0)

    /// A model with the same share missed in all blocks, or one for each block.
    static func model(_ name: String, arrivals: Int, missed: [Int]) -> ModelFigures {
        ModelFigures(
            name: name, late: 0, shed: missed.reduce(0, +), longestStarvation: 0, prediction: noPrediction,
            blocks: missed.map { missed in
                var block = BlockCount()
                block.arrivals = arrivals
                block.met = arrivals - missed
                return block
            })
    }

    /// A class of models.
    static func requestClass(_ models: [ModelFigures]) -> ClassFigures {
        ClassFigures(
            models: models, latency: TimeFigures(p50: 1.25, p95: 1e-5, p99: 1234.567891), lateness: TimeFigures(),
            waste: 0.125, prediction: noPrediction)
    }

    /// A run with one model in each class, and as many of a thousand requests missed as is said for each block.
    static func run(
        _ variant: String, seed: UInt64 = 1000, axis: Axis = .core, cell: Cell = Cell(), high: [Int], low: [Int]
    ) -> RunRecord {
        RunRecord(
            axis: axis, cell: cell, variant: variant,
            policy: variant.split(separator: "/").first.map(String.init) ?? variant, lanes: 2, seed: seed,
            high: requestClass([model("a", arrivals: 1000, missed: high)]),
            low: requestClass([model("a", arrivals: 1000, missed: low)]), meanBatch: 7.5)
    }
}
