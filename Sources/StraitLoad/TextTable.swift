// SPDX-License-Identifier: Apache-2.0

/// A table of text for a terminal: the leading columns to the left, numbers to the right.
package struct TextTable: Sendable {
    private var lines: [[String]]
    private let leftColumns: Int

    /// A table with the given headings, the first `leftColumns` of which stand to the left.
    package init(_ headings: [String], leftColumns: Int) {
        lines = [headings]
        self.leftColumns = leftColumns
    }

    /// Adds a row; it must have as many cells as there are headings.
    package mutating func append(_ cells: [String]) { lines.append(cells) }

    /// The table, each line ending in a newline.
    package var text: String {
        let widths = (lines.first ?? []).indices.map { column in
            lines.map { $0.indices.contains(column) ? $0[column].count : 0 }.max() ?? 0
        }
        return lines.map { cells in
            var line = ""
            for (column, (cell, width)) in zip(cells, widths).enumerated() {
                let padding = String(repeating: " ", count: width - cell.count)
                let separator = column == 0 ? "" : "  "
                line += separator + (column < leftColumns ? cell + padding : padding + cell)
            }
            while line.hasSuffix(" ") { line.removeLast() }
            return line + "\n"
        }.joined()
    }
}

/// The value with so many decimals, `–` for none.
package func decimal(_ value: Double?, _ places: Int) -> String {
    guard let value, value.isFinite else { return "–" }
    let scale = (0..<places).reduce(1.0) { power, _ in power * 10 }
    guard abs(value) * scale < 1e15 else { return "\(value)" }
    let scaled = Int64((abs(value) * scale).rounded())
    let (whole, fraction) = scaled.quotientAndRemainder(dividingBy: Int64(scale))
    let sign = value < 0 && scaled != 0 ? "-" : ""
    guard places > 0 else { return "\(sign)\(whole)" }
    let digits = String(fraction)
    return "\(sign)\(whole)." + String(repeating: "0", count: places - digits.count) + digits
}

/// A share as a percentage with two decimals, `–` for none. Rounds down, so that 100.00 means all.
package func percentage(_ share: Double?) -> String {
    decimal(share.map { ($0 * 10_000 + 1e-9).rounded(.down) / 100 }, 2)
}
