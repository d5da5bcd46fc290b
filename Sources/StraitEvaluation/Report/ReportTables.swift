// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitSimulation

/// The tables of the report, as HTML; empty where there is nothing to show.
struct ReportTables {
    private let input: ReportInput

    init(_ input: ReportInput) { self.input = input }

    /// How the report was made.
    var facts: String {
        guard !input.facts.isEmpty else { return "" }
        return "<dl>"
            + input.facts.map { "<dt>\(Markup.escaped($0.name))</dt><dd>\(Markup.escaped($0.value))</dd>" }
            .joined(separator: "\n") + "</dl>\n"
    }

    /// The targets with what was measured.
    var targets: String {
        guard !input.targets.isEmpty else { return "" }
        let rows = input.targets.map { row -> [String] in
            let room = row.room.map { ($0 > 0 ? "+" : "") + Estimate.decimals($0, row.places) } ?? "–"
            return [row.verdict.rawValue, row.target, row.measured, room, row.worstCell, row.detail]
        }
        let counts = TargetRow.Verdict.allCases.map { verdict in
            "\(input.targets.count { $0.verdict == verdict }) \(verdict.rawValue)"
        }
        return
            "<p>\(counts.joined(separator: ", ")). The number is that of the cell where a target is farthest from holding, "
            + "with half its 95 % interval, and by how much it holds.</p>\n"
            + HTMLTable(
                head: ["", "target", "measured", "margin", "where", "in all"], rows: rows, numbers: [2, 3],
                becomesCards: true,
                style: { word in TargetRow.Verdict(rawValue: word).map { "verdict-\($0.rawValue)" } }
            ).html
    }

    /// The core table: policies by loads, for each way in which requests come.
    var core: String {
        let cells = input.table.cells(of: .core)
        let variants = input.table.variants(of: .core)
        let kinds = ArrivalsOrder.kinds(of: cells).map { kind -> String in
            let columns = cells.filter { $0.arrivals == kind }.sorted { $0.load < $1.load }
            let rows = variants.map { variant in [variant] + columns.map { entry(variant, $0) } }
            return "<h3>\(Markup.escaped(kind))</h3>\n"
                + HTMLTable(
                    head: [""] + columns.map { "load \(Markup.number($0.load))" }, rows: rows,
                    numbers: Set(1...max(1, columns.count)),
                    own: Set(variants.indices.filter { variants[$0] == TargetTable.strait })
                ).html
        }
        guard !kinds.isEmpty else { return "" }
        return "<p>V high / V low / the worst low model, each in % of requests.</p>\n" + kinds.joined()
    }

    private func entry(_ variant: String, _ cell: Cell) -> String {
        let metrics = [Metric.violation(.high), .violation(.low), .worstModel(.low)]
        return metrics.map { metric in
            guard let value = input.table.estimate(metric, of: variant, in: cell)?.value else { return "–" }
            return Estimate.decimals(value, value < 10 ? 2 : 1)
        }.joined(separator: " / ")
    }

    /// Who ran, with which lanes.
    var policies: String {
        var seen: Set<String> = []
        let rows = input.table.records.filter { seen.insert($0.variant).inserted }.map { record in
            let runs = input.table.records.filter { $0.variant == record.variant }
            let seeds = Set(runs.map(\.seed)).sorted()
            let shown = seeds.count > 1 ? "\(seeds[0])–\(seeds[seeds.count - 1])" : "\(seeds.first ?? 0)"
            return [record.variant, "\(record.lanes)", shown, "\(Set(runs.map(\.cell)).count)"]
        }
        guard !rows.isEmpty else { return "" }
        return HTMLTable(head: ["policy", "lanes", "seeds", "cells"], rows: rows, numbers: [1, 2, 3]).html
    }

    /// Recorded servers beside the simulator, a row for each class.
    var fidelity: String {
        let rows = (input.fidelity?.rows ?? []).filter { $0.model == nil }
        guard !rows.isEmpty else { return "" }
        func error(_ value: Double?) -> String { value.map { Estimate(value: $0 * 100, halfWidth: 0).signed } ?? "–" }
        let cells = rows.map { row in
            [
                row.recording, row.times, row.requestClass.name, "\(row.requests)",
                Estimate.decimals(row.live.inTime * 100, 1),
                Estimate(value: row.inTimePoints, halfWidth: 0).signed,
                row.live.p50.map { Estimate.decimals($0, 1) } ?? "–",
                error(row.p50Error), row.live.p95.map { Estimate.decimals($0, 1) } ?? "–", error(row.p95Error),
            ]
        }
        return
            "<p>Simulator minus server. Wanted: the share in time within 2 percentage points, p50 and p95 of "
            + "latency within "
            + "10 %. docs/fidelity.md tells what the sources of times are.</p>\n"
            + HTMLTable(
                head: [
                    "recording", "times", "class", "requests", "in time, %", "off by, pp", "p50, ms", "off by, %",
                    "p95, ms",
                    "off by, %",
                ], rows: cells, numbers: Set(3...9)
            ).html
    }
}

extension Estimate {
    /// The value alone, with its sign and one decimal.
    fileprivate var signed: String { (value > 0 ? "+" : "") + Self.decimals(value, 1) }
}
