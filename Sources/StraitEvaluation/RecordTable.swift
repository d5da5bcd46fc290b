// SPDX-License-Identifier: Apache-2.0

/// Records by cell and variant, and what they say over all seeds. docs/evaluation.md tells how intervals are had.
///
/// Not for several threads: it remembers what it has computed.
package final class RecordTable {
    private struct Place: Hashable {
        var cell: Cell
        var variant: String
    }

    /// All records, in the order in which they came.
    package let records: [RunRecord]
    /// By cell and variant, in the order of seeds, each run once.
    private var places: [Place: [RunRecord]] = [:]
    private var samples: [Place: [String: [UInt64: RunSample]]] = [:]

    /// A table of records.
    package init(_ records: [RunRecord]) {
        self.records = records
        for record in records {
            places[Place(cell: record.cell, variant: record.variant), default: []].append(record)
        }
        for place in places.keys {
            var seen: Set<UInt64> = []
            places[place] = places[place]?.filter { seen.insert($0.seed).inserted }.sorted { $0.seed < $1.seed }
        }
    }

    /// The cells of an axis, in the order in which they came.
    package func cells(of axis: Axis) -> [Cell] {
        var seen: Set<Cell> = []
        return records.filter { $0.axis == axis && seen.insert($0.cell).inserted }.map(\.cell)
    }

    /// The variants that an axis ran, in the order in which they came.
    package func variants(of axis: Axis) -> [String] {
        var seen: Set<String> = []
        return records.filter { $0.axis == axis && seen.insert($0.variant).inserted }.map(\.variant)
    }

    /// The runs of a variant in a cell, one for each seed, in the order of seeds; empty if there are none.
    package func runs(_ variant: String, in cell: Cell) -> [RunRecord] {
        places[Place(cell: cell, variant: variant)] ?? []
    }

    /// The mean of a metric over the seeds; nil if it was not run, or no run has the figure.
    package func estimate(_ metric: Metric, of variant: String, in cell: Cell) -> Estimate? {
        let own = samples(metric, Place(cell: cell, variant: variant))
        return RunSample.estimate(own.keys.sorted().compactMap { own[$0] })
    }

    /// The mean of a metric's paired differences (variant minus the other), over the seeds that both ran.
    ///
    /// - Parameter share: the share of the other that is subtracted.
    package func difference(
        _ metric: Metric, of variant: String, minus other: String, share: Double = 1, in cell: Cell
    ) -> Estimate? {
        let own = samples(metric, Place(cell: cell, variant: variant))
        let others = samples(metric, Place(cell: cell, variant: other))
        let pairs = own.keys.sorted().compactMap { seed -> RunSample? in
            guard let first = own[seed], let second = others[seed] else { return nil }
            return first.minus(second, share: share)
        }
        return RunSample.estimate(pairs)
    }

    private func samples(_ metric: Metric, _ place: Place) -> [UInt64: RunSample] {
        if let known = samples[place]?[metric.name] { return known }
        var made: [UInt64: RunSample] = [:]
        for record in places[place] ?? [] { made[record.seed] = RunSample(metric, of: record) }
        samples[place, default: [:]][metric.name] = made
        return made
    }
}
