// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// Where a usable rival is ahead of Strait, of all cells in which both ran.
struct Losses {
    /// A rival ahead in a cell.
    struct Loss: Hashable {
        var cell: Cell
        var rival: String
        /// `V high` or `V low`.
        var metric: String
        /// Strait minus the rival, in percentage points.
        var difference: Estimate
        /// Strait's own.
        var own: Double
    }

    /// All of them, the largest first.
    let all: [Loss]
    private let compared: Int

    /// From here on a difference in V high counts, in percentage points.
    private static let sameHigh = 0.1
    /// A rival's V low counts where its V high is at most so much above Strait's.
    private static let nearHigh = 0.5
    /// A rival is usable where it loses less than half of the low requests.
    private static let usableLow = 50.0

    init(_ table: RecordTable) {
        var all: [Loss] = []
        var seen: Set<Cell> = []
        let cells = table.records.filter { seen.insert($0.cell).inserted }.map(\.cell)
        var compared = 0
        for cell in cells {
            guard let high = table.estimate(.violation(.high), of: TargetTable.strait, in: cell),
                let low = table.estimate(.violation(.low), of: TargetTable.strait, in: cell)
            else { continue }
            var names: Set<String> = []
            let rivals = table.records.filter {
                $0.cell == cell && $0.isPlain && ![TargetTable.strait, TargetTable.oracle].contains($0.variant)
                    && names.insert($0.variant).inserted
            }.map(\.variant)
            for rival in rivals {
                guard let rivalLow = table.estimate(.violation(.low), of: rival, in: cell),
                    rivalLow.value < Self.usableLow,
                    let highs = table.difference(.violation(.high), of: TargetTable.strait, minus: rival, in: cell),
                    let lows = table.difference(.violation(.low), of: TargetTable.strait, minus: rival, in: cell)
                else { continue }
                compared += 1
                if highs.value > Self.sameHigh {
                    all.append(Loss(cell: cell, rival: rival, metric: "V high", difference: highs, own: high.value))
                }
                if lows.value > 0, highs.value >= -Self.nearHigh {
                    all.append(Loss(cell: cell, rival: rival, metric: "V low", difference: lows, own: low.value))
                }
            }
        }
        self.all = all.sorted { $0.difference.value > $1.difference.value }
        self.compared = compared
    }

    /// What counts as a loss.
    var rule: String {
        "Cells in which a usable rival (V low below 50 %) has a V high more than 0.1 percentage points below Strait's, or a "
            + "V low below Strait's with a V high at most 0.5 points above it, in all of \(compared) comparisons."
    }

    private static let head = [
        "cell", "figure", "Strait, %", "best rival", "Strait − rival, pp", "beyond the interval", "also ahead",
    ]

    /// A table, and what counts.
    var html: String {
        let rule = "<p>\(rule)</p>\n"
        guard !all.isEmpty else { return rule + "<p>None.</p>\n" }
        return rule + HTMLTable(head: Self.head, rows: rows, numbers: [2, 4]).html
    }

    /// The table alone.
    var markdown: String { all.isEmpty ? "None.\n" : MarkdownTable(head: Self.head, rows: rows).text }

    /// A row for each cell and figure, with the rival that is farthest ahead.
    private var rows: [[String]] {
        struct Place: Hashable {
            var cell: Cell
            var metric: String
        }
        var order: [Place] = []
        var groups: [Place: [Loss]] = [:]
        for loss in all {
            let place = Place(cell: loss.cell, metric: loss.metric)
            if groups[place] == nil { order.append(place) }
            groups[place, default: []].append(loss)
        }
        return order.compactMap { place in
            guard let losses = groups[place], let first = losses.first else { return nil }
            return [
                place.cell.label, place.metric, Estimate.decimals(first.own, 2), first.rival,
                first.difference.signedWords,
                first.difference.lower > 0 ? "yes" : "no", losses.dropFirst().map(\.rival).joined(separator: ", "),
            ]
        }
    }
}
