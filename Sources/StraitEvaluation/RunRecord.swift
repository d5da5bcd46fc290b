// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitSimulation

/// What came of one run, as the store keeps it: a cell, a variant and a seed. The variant is a policy, or one that was
/// changed in a way that its name says.
package struct RunRecord: Sendable, Hashable {
    /// What it was part of. One run may be part of several axes and is then there once for each.
    package var axis: Axis
    /// What was run.
    package var cell: Cell
    /// The policy's name, `strait` or `clockwork`, or that of a changed one, such as `strait/no-gate`.
    package var variant: String
    /// The name of the policy itself.
    package var policy: String
    /// Batches that it could run at the same time on a device.
    package var lanes: Int
    /// With which luck.
    package var seed: UInt64
    /// What came of high requests.
    package var high: ClassFigures
    /// What came of low requests.
    package var low: ClassFigures
    /// Rows in a batch on average; nil if nothing ran.
    package var meanBatch: Double?

    /// What came of a class.
    package subscript(requestClass: RequestClass) -> ClassFigures { requestClass == .high ? high : low }

    /// Whether it is a policy as it is, not one that was changed.
    package var isPlain: Bool { variant == policy }
}

/// What came of one class in a run.
package struct ClassFigures: Sendable, Hashable {
    /// Its models, in the scenario's order.
    package var models: [ModelFigures]
    /// Latencies of what was answered, in time or late.
    package var latency: TimeFigures
    /// How late the late ones were.
    package var lateness: TimeFigures
    /// The share of the devices' time that went into requests of this class that were late, or killed.
    package var waste: Double
    /// How well the ends of its batches were predicted when they were staged.
    package var prediction: PredictionFigures

    /// Requests that came after the warm-up.
    package var arrivals: Int { models.reduce(0) { $0 + $1.arrivals } }
    /// Answered in time.
    package var met: Int { models.reduce(0) { $0 + $1.met } }
    /// Answered too late.
    package var late: Int { models.reduce(0) { $0 + $1.late } }
    /// Not run.
    package var shed: Int { models.reduce(0) { $0 + $1.shed } }
    /// The share that was not answered in time; 0 if none came.
    package var violation: Double { arrivals > 0 ? 1 - Double(met) / Double(arrivals) : 0 }

    /// The model that fares worst, the first of them on a tie; nil if none had arrivals.
    package var worstModel: ModelFigures? {
        models.lazy.filter { $0.arrivals > 0 }.reduce(nil) { worst, model in
            model.violation > worst?.violation ?? -1 ? model : worst
        }
    }

    /// Jain's index over the models' shares in time: 1 when all fare alike; nil if none was answered in time.
    package var jain: Double? { Equity.jain(models.filter { $0.arrivals > 0 }.map { 1 - $0.violation }) }

    /// The longest time in which requests of a model were there or had been refused, and none was served; milliseconds.
    package var longestStarvation: Double { models.map(\.longestStarvation).max() ?? 0 }
}

/// What came of one model in one class.
package struct ModelFigures: Sendable, Hashable {
    /// Its name.
    package var name: String
    /// Answered too late.
    package var late: Int
    /// Not run.
    package var shed: Int
    /// The longest time in which requests of it were there or had been refused, and none was served; milliseconds.
    package var longestStarvation: Double
    /// How well the ends of its batches were predicted.
    package var prediction: PredictionFigures
    /// Its requests, block of time by block of time.
    package var blocks: [BlockCount]

    /// Requests that came after the warm-up.
    package var arrivals: Int { blocks.reduce(0) { $0 + $1.arrivals } }
    /// Answered in time.
    package var met: Int { blocks.reduce(0) { $0 + $1.met } }
    /// The share that was not answered in time; 0 if none came.
    package var violation: Double { arrivals > 0 ? 1 - Double(met) / Double(arrivals) : 0 }
}

/// Percentiles of a set of times in milliseconds; nil if it is empty.
package struct TimeFigures: Sendable, Hashable {
    /// The median.
    package var p50: Double?
    /// What 95 of 100 do not exceed.
    package var p95: Double?
    /// What 99 of 100 do not exceed.
    package var p99: Double?
}

/// How well times were predicted, over a number of batches; all nil without any.
package struct PredictionFigures: Sendable, Hashable {
    /// Batches that were predicted.
    package var batches: Int
    /// The mean of |predicted / actual − 1|.
    package var error: Double?
    /// The mean of predicted / actual − 1.
    package var bias: Double?
    /// The share of batches that ended within their 95 % bound.
    package var p95: Double?
    /// The share within the 99 % bound.
    package var p99: Double?
    /// The mean of q95/q50: how much longer than its median the bound lets something take.
    package var width: Double?
}

/// How evenly something is shared.
package enum Equity {
    /// Jain's index of shares: 1 when all are alike, 1/n when one has everything; nil if nobody has anything.
    package static func jain(_ shares: [Double]) -> Double? {
        let squares = shares.reduce(0) { $0 + $1 * $1 }
        guard squares > 0 else { return nil }
        let sum = shares.reduce(0, +)
        return sum * sum / (Double(shares.count) * squares)
    }
}
