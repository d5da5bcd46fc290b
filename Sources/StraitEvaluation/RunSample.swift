// SPDX-License-Identifier: Apache-2.0

/// A run's figure, and what it would have been with other choices of the run's blocks of time.
struct RunSample: Sendable {
    /// The figure of the whole run.
    let value: Double
    /// The figures of resampled runs, of two runs with the same seed from the same blocks; empty where a metric has
    /// none. Single precision, because there are many and they only make intervals.
    let replicates: [Float]

    /// Resampled runs: their 2.5 % and 97.5 % quantiles, of which intervals are made, vary by some 4 % of the width.
    private static let replicates = 1000

    /// nil if the run does not have the figure.
    init?(_ metric: Metric, of record: RunRecord) {
        switch metric.rule {
        case .record(let figure):
            guard let value = figure(record) else { return nil }
            self.init(value: value, replicates: [])
        case .counts(let figure):
            let blocks = BlockCounts(record)
            guard let value = figure(blocks.total) else { return nil }
            var random = SplitMix(seed: record.seed)
            self.init(
                value: value,
                replicates: (0..<Self.replicates).map { _ in Float(figure(blocks.resampled(&random)) ?? value) })
        }
    }

    /// A figure of a whole seed; unless there are replicates, seeds alone say how certain a mean is.
    init(value: Double, replicates: [Float] = []) {
        self.value = value
        self.replicates = replicates
    }

    /// The figure less a share of another run's.
    func minus(_ other: RunSample, share: Double) -> RunSample {
        RunSample(
            value: value - other.value * share,
            replicates: zip(replicates, other.replicates).map { $0 - $1 * Float(share) })
    }

    // -- intervals ------------------------------------------------------------------------------------------------

    /// The mean over seeds, with half the width of its 95 % interval: as wide as blocks say, or as seeds say, whichever
    /// is wider. Blocks are many, but know nothing about what differs from seed to seed (profiles, models' shares);
    /// seeds know everything, but are few. nil without runs.
    static func estimate(_ runs: [RunSample]) -> Estimate? {
        guard let first = runs.first else { return nil }
        let value = mean(runs.map(\.value))
        let between = runs.count > 1 ? variance(runs.map(\.value)) : 0
        let seeds =
            runs.count > 1 ? studentQuantile(runs.count - 1) * (between / Double(runs.count)).squareRoot() : .infinity
        guard !first.replicates.isEmpty else { return Estimate(value: value, halfWidth: seeds) }
        let within = mean(runs.map { variance($0.replicates.map(Double.init)) })
        // Nothing varies within runs where nothing is missed, or everything.
        guard within > 0 else { return Estimate(value: value, halfWidth: runs.count > 1 ? seeds : 0) }
        let means = first.replicates.indices.map { index in
            runs.reduce(0) { $0 + $1.replicates[index] } / Float(runs.count)
        }
        let inflation = max(1, between / within).squareRoot()
        return Estimate(value: value, halfWidth: halfWidth(of: means) * inflation)
    }

    /// Half the distance between the 2.5 % and the 97.5 % quantile.
    private static func halfWidth(of replicates: [Float]) -> Double {
        let sorted = replicates.sorted()
        let tail = sorted.count / 40
        return Double(sorted[sorted.count - 1 - tail] - sorted[tail]) / 2
    }

    private static func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(1, values.count)) }

    /// Of a sample; 0 of a single value.
    private static func variance(_ values: [Double]) -> Double {
        guard values.count > 1 else { return 0 }
        let mean = mean(values)
        return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)
    }

    /// The 97.5 % quantile of Student's distribution.
    private static func studentQuantile(_ degrees: Int) -> Double {
        let table = [12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262]
        // Beyond the table: the first terms of the expansion around the normal one, right to 1 in 1000.
        return degrees <= table.count
            ? table[degrees - 1] : 1.96 + 2.372 / Double(degrees) + 2.822 / Double(degrees * degrees)
    }
}
