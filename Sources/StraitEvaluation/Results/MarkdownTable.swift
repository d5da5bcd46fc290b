// SPDX-License-Identifier: Apache-2.0

/// A table of text in Markdown.
struct MarkdownTable {
    var head: [String]
    var rows: [[String]]

    var text: String {
        let lines = [Self.line(head), "|" + String(repeating: "---|", count: head.count)] + rows.map(Self.line)
        return lines.joined(separator: "\n") + "\n"
    }

    private static func line(_ cells: [String]) -> String {
        "| " + cells.map { $0.replacing("|", with: "\\|").replacing("\n", with: " ") }.joined(separator: " | ") + " |"
    }

    /// A name of the command line's.
    static func code(_ name: String) -> String { name.isEmpty ? "" : "`\(name)`" }
}
