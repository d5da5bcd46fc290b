// SPDX-License-Identifier: Apache-2.0

/// A table of text.
struct HTMLTable {
    var head: [String]
    var rows: [[String]]
    /// Columns of numbers, which stand at the right.
    var numbers: Set<Int> = []
    /// Rows that are Strait's.
    var own: Set<Int> = []
    /// Whether rows become cards where the page is narrow: for tables of sentences.
    var becomesCards = false
    /// The class of a cell, by its text; for verdicts.
    var style: (String) -> String? = { _ in nil }

    var html: String {
        var text = "<div class=\"scroll\"><table\(becomesCards ? " class=\"cards\"" : "")><thead><tr>"
        for (column, name) in head.enumerated() {
            text += "<th\(numbers.contains(column) ? " class=\"r\"" : "")>\(Markup.escaped(name))</th>"
        }
        text += "</tr></thead><tbody>\n"
        for (index, row) in rows.enumerated() {
            text += own.contains(index) ? "<tr class=\"own\">" : "<tr>"
            for (column, cell) in row.enumerated() {
                let looks = numbers.contains(column) ? "r" : style(cell) ?? ""
                let name = becomesCards && column < head.count ? " data-name=\"\(Markup.escaped(head[column]))\"" : ""
                text += "<td\(looks.isEmpty ? "" : " class=\"\(looks)\"")\(name)>\(Markup.escaped(cell))</td>"
            }
            text += "</tr>\n"
        }
        return text + "</tbody></table></div>\n"
    }
}
