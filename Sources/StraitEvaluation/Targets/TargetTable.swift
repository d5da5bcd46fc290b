// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
package import StraitSimulation

/// The targets that Strait is measured by, filled with what was measured. docs/evaluation.md tells how each is read.
package struct TargetTable {
    let table: RecordTable
    private let estimators: [EstimatorRow]

    /// The targets for records, and for trials of the estimators if there are any.
    package init(_ table: RecordTable, estimators: [EstimatorRow] = []) {
        self.table = table
        self.estimators = estimators
    }

    /// All rows, always the same ones in the same order.
    package var rows: [TargetRow] {
        againstUsable + againstPreemption + [lowestLow] + againstGate + gapToOracle + equity + severalDevices
            + estimatorRows(estimators) + boundRows + ablationRows + [physicsRow] + Self.costs
    }

    /// What costs is measured by benchmarks on a quiet machine, not by an evaluation on a busy one.
    private static let costs = [
        TargetRow(
            name: "decision-cost",
            target: "a decision's p99 ≤ 20 µs (1 device, 6 models), ≤ 100 µs (8 devices, 64 models)",
            verdict: .unmeasured, unit: "µs", detail: "measured by make bench-core"),
        TargetRow(
            name: "simulation-speed", target: "≥ 100,000 simulated requests a second and core under edf-priority",
            verdict: .unmeasured, detail: "measured by make bench-sim"),
    ]

    // -- who is compared ------------------------------------------------------------------------------------------

    static let strait = PolicyName.strait.rawValue
    static let oracle = "oracle"
    /// The strongest simple rival.
    private static let gate = PolicyName.edfPriorityEWMAGate.rawValue
    private static let preemptive = ["preempt-level1", "preempt-reset"]
    /// What makes a rival usable: it answers half of the low requests in time.
    private static let usableLow = 50.0
    /// Two policies are told apart in V_high from here on, and in V_low from five times that.
    private static let sameHigh = 0.1
    private static let sameLow = 0.5

    let high = Metric.violation(.high)
    let low = Metric.violation(.low)

    var core: [Cell] { table.cells(of: .core) }

    /// The rivals of a cell: policies as they are, but for ours and the one that knows the future.
    private func rivals(in cell: Cell) -> [String] {
        var seen: Set<String> = []
        return table.records.filter {
            $0.cell == cell && $0.isPlain && $0.variant != Self.strait && $0.variant != Self.oracle
                && seen.insert($0.variant).inserted
        }.map(\.variant)
    }

    private func usable(in cell: Cell) -> [String] {
        rivals(in: cell).filter { (value(low, $0, cell) ?? 100) < Self.usableLow }
    }

    func value(_ metric: Metric, _ variant: String, _ cell: Cell) -> Double? {
        table.estimate(metric, of: variant, in: cell)?.value
    }

    /// The one of some rivals with the least of a metric, the first on a tie.
    private func best(_ metric: Metric, of rivals: [String], in cell: Cell) -> (name: String, value: Double)? {
        var best: (name: String, value: Double)?
        for rival in rivals {
            if let value = value(metric, rival, cell), value < best?.value ?? .infinity { best = (rival, value) }
        }
        return best
    }

    /// Strait minus a rival.
    private func judge(
        _ metric: Metric, against rival: String, share: Double = 1, atMost bound: Double, margin: Double, in cell: Cell
    ) -> Judgement? {
        table.difference(metric, of: Self.strait, minus: rival, share: share, in: cell).map {
            Judgement("\(cell.label), \(rival)", $0, atMost: bound, margin: margin)
        }
    }

    private static let noCore = "needs core cells under strait and its rivals"

    // -- the rows -------------------------------------------------------------------------------------------------

    private var againstUsable: [TargetRow] {
        var near: [Judgement] = []
        var ahead: [Judgement] = []
        for cell in core {
            guard let rival = best(high, of: usable(in: cell), in: cell) else { continue }
            if let judgement = judge(
                high, against: rival.name, atMost: Self.sameHigh, margin: Self.sameHigh, in: cell)
            {
                near.append(judgement)
            }
            if rival.value > 5, let judgement = judge(high, against: rival.name, atMost: -3, margin: 3, in: cell) {
                ahead.append(judgement)
            }
        }
        return [
            TargetRow(
                "high-against-usable",
                "V_high lowest of all usable rivals, or within 0.1 pp of the lowest, in every core cell", near,
                otherwise: Self.noCore),
            TargetRow(
                "high-lead-over-usable", "V_high ≥ 3 pp below the best usable rival wherever that one is above 5 %",
                ahead,
                otherwise: near.isEmpty ? Self.noCore : "no usable rival is above 5 % at its best"),
        ]
    }

    private var againstPreemption: [TargetRow] {
        let reason = "needs core cells under preempt-level1 or preempt-reset"
        let gamma = core.filter { $0.arrivals == "gamma" }
        return [
            TargetRow(
                "high-against-preemption", "V_high within 0.2 pp of preemption at every load",
                againstAll(Self.preemptive, high, atMost: 0.2, margin: 0.2, in: core), otherwise: reason),
            TargetRow(
                "high-against-preemption-gamma", "V_high below preemption's in gamma arrivals",
                againstAll(Self.preemptive, high, atMost: 0, margin: 0.2, in: gamma), otherwise: reason),
            TargetRow(
                "low-against-preemption", "V_low at most a third of preemption's from load 0.8 on",
                againstAll(
                    Self.preemptive, low, share: 1.0 / 3, atMost: 0, margin: 1, in: core.filter { $0.load >= 0.8 }),
                otherwise: reason),
        ]
    }

    private func againstAll(
        _ rivals: [String], _ metric: Metric, share: Double = 1, atMost bound: Double, margin: Double, in cells: [Cell]
    ) -> [Judgement] {
        cells.flatMap { cell in
            rivals.compactMap { judge(metric, against: $0, share: share, atMost: bound, margin: margin, in: cell) }
        }
    }

    private var lowestLow: TargetRow {
        let judgements = core.compactMap { cell -> Judgement? in
            guard let own = value(high, Self.strait, cell) else { return nil }
            let rivals = rivals(in: cell)
            guard !rivals.isEmpty else { return nil }
            let equals = rivals.filter { (value(high, $0, cell) ?? 100) <= own + 0.5 }
            guard let rival = best(low, of: equals, in: cell) else {
                return Judgement(unopposed: "\(cell.label), no rival")
            }
            return judge(low, against: rival.name, atMost: 0, margin: Self.sameLow, in: cell)
        }
        return TargetRow(
            "low-lowest",
            "V_low lowest of all rivals whose V_high is at most 0.5 pp above ours, in ≥ 20 of 24 core cells",
            judgements, otherwise: Self.noCore
        ).needing(20.0 / 24, of: judgements)
    }

    private var againstGate: [TargetRow] {
        let reason = "needs core cells under \(Self.gate)"
        let lossy = core.filter { (value(low, Self.gate, $0) ?? 0) > 8 }
        return [
            TargetRow(
                "high-against-gate", "V_high not above edf-priority-ewma-gate's, by more than 0.1 pp",
                againstAll([Self.gate], high, atMost: Self.sameHigh, margin: Self.sameHigh, in: core), otherwise: reason
            ),
            TargetRow(
                "low-against-gate", "V_low ≥ 2 pp below edf-priority-ewma-gate's wherever that is above 8 %",
                againstAll([Self.gate], low, atMost: -2, margin: 2, in: lossy), otherwise: reason),
            TargetRow(
                "worst-low-against-gate",
                "the worst low model better than under edf-priority-ewma-gate in every core cell",
                againstAll([Self.gate], .worstModel(.low), atMost: 0, margin: Self.sameLow, in: core), otherwise: reason
            ),
        ]
    }

    private var gapToOracle: [TargetRow] {
        let reason = "needs core cells under oracle"
        return [
            TargetRow(
                "high-gap-to-oracle", "V_high ≤ 0.3 pp above the oracle's",
                againstAll([Self.oracle], high, atMost: 0.3, margin: 0.3, in: core), otherwise: reason),
            TargetRow(
                "low-gap-to-oracle", "V_low ≤ 1 pp above the oracle's",
                againstAll([Self.oracle], low, atMost: 1, margin: 1, in: core), otherwise: reason),
        ]
    }

    private var equity: [TargetRow] {
        let full = core.filter { $0.load == 1 }
        let excess = full.compactMap { cell in
            table.estimate(.excess(.low), of: Self.strait, in: cell).map {
                Judgement(cell.label, $0, atMost: 10, margin: 10)
            }
        }
        // Unevenness is one minus the index, so that less is better as everywhere else; shown as the index.
        let jain = full.compactMap { cell in
            table.estimate(.jain(.low), of: Self.strait, in: cell).map {
                Judgement(
                    cell.label, Estimate(value: -$0.value, halfWidth: $0.halfWidth), atMost: -0.97, margin: 0.03)
            }
        }
        var jainRow = TargetRow(
            "jain-low", "Jain's index over low models ≥ 0.97 at load 1.0", unit: "", jain,
            otherwise: "needs core cells at load 1.0 under strait")
        jainRow.worst = jainRow.worst.map { Estimate(value: -$0.value, halfWidth: $0.halfWidth) }
        return [
            TargetRow(
                "worst-low-excess", "the worst low model ≤ 10 pp above its class at load 1.0", excess,
                otherwise: "needs core cells at load 1.0 under strait"),
            jainRow,
            TargetRow(
                "worst-low-against-preemption", "the worst low model better than under preemption everywhere",
                againstAll(Self.preemptive, .worstModel(.low), atMost: 0, margin: Self.sameLow, in: core),
                otherwise: "needs core cells under preempt-level1 or preempt-reset"),
        ]
    }

    private var severalDevices: [TargetRow] {
        let cells = table.cells(of: .devices)
        func judgements(_ metric: Metric, _ bound: Double) -> [Judgement] {
            cells.flatMap { againstAll(usable(in: $0), metric, atMost: bound, margin: bound, in: [$0]) }
        }
        let reason = "needs the axis of devices"
        return [
            TargetRow(
                "devices-high", "V_high at 2, 4, 8 devices not above any usable rival's, by more than 0.1 pp",
                judgements(high, Self.sameHigh), otherwise: reason),
            TargetRow(
                "devices-low", "V_low at 2, 4, 8 devices not above any usable rival's, by more than 0.5 pp",
                judgements(low, Self.sameLow), otherwise: reason),
        ]
    }
}
