// SPDX-License-Identifier: Apache-2.0

package import StraitCore

/// What came of one run.
package struct RunResult: Sendable, Hashable {
    /// What was run.
    package let scenario: Scenario
    /// Under which policy.
    package let setup: PolicySetup
    /// With which luck.
    package let seed: UInt64
    /// The high class, then the low one.
    package let classes: [ClassResult]
    /// Rows in a batch on average; nil if nothing ran.
    package let meanBatch: Double?
    /// The mean of |predicted / actual − 1| of a batch's time from its staging to its end; nil if nothing ran.
    package let predictionError: Double?
    /// The mean of predicted / actual − 1.
    package let predictionBias: Double?

    /// The result of a class.
    package subscript(requestClass: RequestClass) -> ClassResult { classes[requestClass.rawValue] }
}

/// What came of one class.
package struct ClassResult: Sendable, Hashable {
    /// The class.
    package let requestClass: RequestClass
    /// Its models, in the scenario's order.
    package let models: [ModelResult]
    /// Of those that were answered, in time or late.
    package let latency: Percentiles
    /// How late the late ones were.
    package let lateness: Percentiles
    /// The share of the devices' time that went into requests of this class that were late, or into batches of it that
    /// were killed.
    package let waste: Double
    /// The share of the devices' time that went into batches of this class that were killed.
    package let killed: Double

    /// How well the ends of its batches were predicted when they were staged, and how often the bounds on them held.
    package var prediction: PredictionScore { PredictionScore.sum(models.map(\.prediction)) }

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
    package var worstModel: ModelResult? {
        var worst: ModelResult?
        for model in models where model.arrivals > 0 && model.violation > worst?.violation ?? -1 { worst = model }
        return worst
    }

    /// Jain's index over the models' shares answered in time: 1 when all fare alike; nil if none was answered in time.
    package var jain: Double? {
        let shares = models.filter { $0.arrivals > 0 }.map { 1 - $0.violation }
        let squares = shares.reduce(0) { $0 + $1 * $1 }
        guard squares > 0 else { return nil }
        let sum = shares.reduce(0, +)
        return sum * sum / (Double(shares.count) * squares)
    }
}

/// What came of one model in one class.
package struct ModelResult: Sendable, Hashable {
    /// Its name.
    package let name: String
    /// Requests that came after the warm-up.
    package let arrivals: Int
    /// Answered in time.
    package let met: Int
    /// Answered too late.
    package let late: Int
    /// Not run.
    package let shed: Int
    /// The longest time in which requests of it were there or had been refused, and none was served.
    package let longestStarvation: Duration
    /// How well the ends of its batches were predicted. A batch counts as high if any of its requests is.
    package let prediction: PredictionScore
    /// The same requests by when they came: one after the other blocks of `Metrics.blockLength` from the warm-up on.
    package let blocks: [BlockCount]

    /// The share that was not answered in time; 0 if none came.
    package var violation: Double { arrivals > 0 ? 1 - Double(met) / Double(arrivals) : 0 }
}

/// The requests of one model and class that came within one block of time. What differs from block to block tells how
/// much of a figure is luck.
package struct BlockCount: Sendable, Hashable {
    /// Requests that came.
    package var arrivals = 0
    /// Those of them that were answered in time.
    package var met = 0

    /// Nothing yet.
    package init() {}
}

/// Percentiles of a set of times, and their mean; nil if it is empty.
package struct Percentiles: Sendable, Hashable {
    /// The mean.
    package let mean: Duration?
    /// The median.
    package let p50: Duration?
    /// What 95 of 100 do not exceed.
    package let p95: Duration?
    /// What 99 of 100 do not exceed.
    package let p99: Duration?

    /// The percentiles of times in nanoseconds.
    ///
    /// - Complexity: O(n log n).
    init(_ nanoseconds: [Int64]) {
        let sorted = nanoseconds.sorted()
        func rank(_ percent: Int) -> Duration? {
            guard !sorted.isEmpty else { return nil }
            return Duration(nanoseconds: sorted[max(0, (sorted.count * percent + 99) / 100 - 1)])
        }
        let sum = nanoseconds.reduce(0.0) { $0 + Double($1) }
        mean = nanoseconds.isEmpty ? nil : Duration(nanoseconds: Int64(sum / Double(nanoseconds.count)))
        p50 = rank(50)
        p95 = rank(95)
        p99 = rank(99)
    }
}
