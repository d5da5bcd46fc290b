// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

extension TargetTable {
    /// What single parts are worth: the policy without them minus the policy.
    var ablationRows: [TargetRow] {
        [
            effect("gate", "no-gate"), effect("margin", "no-calibration"), effect("harm", "no-harm"),
            effect("interference", "solo-estimator"), effect("transfers", "no-transfers"),
        ]
    }

    private func effect(_ part: String, _ change: String) -> TargetRow {
        let variant = "\(Self.strait)/\(change)"
        var row = TargetRow(
            name: "effect-\(part)",
            target: "what \(part) is worth: V of \(variant) minus V of strait, with its interval",
            verdict: .unmeasured, unit: "pp", detail: "needs the ablations")
        var details: [String] = []
        for cell in table.cells(of: .ablations) {
            guard let low = table.difference(low, of: variant, minus: Self.strait, in: cell),
                let high = table.difference(high, of: variant, minus: Self.strait, in: cell)
            else { continue }
            row.verdict = .shown
            details.append("\(cell.label): V_high \(high.signedWords), V_low \(low.signedWords)")
            for (estimate, name) in [(high, "V_high"), (low, "V_low")]
            where abs(estimate.value) > abs(row.worst?.value ?? -1) || row.worst == nil {
                row.worst = estimate
                row.worstCell = "\(cell.label), \(name)"
            }
        }
        if row.verdict == .shown { row.detail = details.joined(separator: "; ") }
        return row
    }

    /// Whether the second physics ranks policies as the first does.
    var physicsRow: TargetRow {
        var row = TargetRow(
            name: "physics-rank",
            target: "the same rank order of policies under the second physics: no two differ by 0.1 pp or more one way "
                + "under one and the other way under the other",
            verdict: .unmeasured, unit: "pp", detail: "needs the core and the physics at the same loads")
        let pairs = table.cells(of: .physics).compactMap { second -> (first: Cell, second: Cell)? in
            var first = second
            first.physics = core.first?.physics ?? second.physics
            return core.contains(first) && first != second ? (first, second) : nil
        }
        let policies = table.variants(of: .physics).filter { table.variants(of: .core).contains($0) }
        var compared = 0
        var reversed: [String] = []
        for (index, one) in policies.enumerated() {
            for other in policies[(index + 1)...] {
                for (metric, name) in [(high, "V_high"), (low, "V_low")] {
                    guard let first = mean(metric, one, other, pairs.map(\.first)),
                        let second = mean(metric, one, other, pairs.map(\.second))
                    else { continue }
                    compared += 1
                    guard Self.isReversed(first, second) else { continue }
                    let place = "\(name) of \(one) minus \(other)"
                    reversed.append(place)
                    if abs(second.value) > abs(row.worst?.value ?? 0) {
                        row.worst = second
                        row.worstCell = "\(place), \(first.signedWords) under the first"
                    }
                }
            }
        }
        guard compared > 0 else { return row }
        row.verdict = reversed.isEmpty ? .met : .missed
        row.detail = "\(reversed.count) of \(compared) comparisons turn round over \(pairs.count) cells"
        return row
    }

    private static func isReversed(_ first: Estimate, _ second: Estimate) -> Bool {
        func isClear(_ estimate: Estimate) -> Bool { abs(estimate.value) > max(0.1, estimate.halfWidth) }
        return isClear(first) && isClear(second) && (first.value > 0) != (second.value > 0)
    }

    /// The mean difference over cells, which are independent of each other.
    private func mean(_ metric: Metric, _ one: String, _ other: String, _ cells: [Cell]) -> Estimate? {
        let differences = cells.compactMap { table.difference(metric, of: one, minus: other, in: $0) }
        guard !differences.isEmpty else { return nil }
        let count = Double(differences.count)
        return Estimate(
            value: differences.reduce(0) { $0 + $1.value } / count,
            halfWidth: differences.reduce(0) { $0 + $1.halfWidth * $1.halfWidth }.squareRoot() / count)
    }
}
