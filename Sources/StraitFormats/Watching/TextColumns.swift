// SPDX-License-Identifier: Apache-2.0

/// A table in text that fits a width: columns that are wanted least are left out first, then its first one is cut.
struct TextColumns {
    /// A column.
    struct Column {
        var title: String
        /// Whether its cells stand at the left; numbers stand at the right.
        var isText = false
        /// Columns with the highest number go first where there is no room; 0 stays.
        var expendable = 0
        var cells: [String]
    }

    private var columns: [Column]

    init(_ columns: [Column]) { self.columns = columns }

    /// Blanks between columns.
    private static let gap = 2
    /// The first column is not cut below this.
    private static let narrowest = 12

    /// The lines, the titles first; none is longer than `width`.
    ///
    /// - Complexity: O(cells).
    func lines(width: Int) -> [String] {
        var shown = columns
        while Self.width(of: shown) > width, let least = shown.map(\.expendable).max(), least > 0,
            let index = shown.lastIndex(where: { $0.expendable == least })
        {
            shown.remove(at: index)
        }
        var widths = shown.map(Self.width(of:))
        let excess = Self.width(of: shown) - width
        if excess > 0, !widths.isEmpty { widths[0] = max(Self.narrowest, widths[0] - excess) }
        let count = shown.map(\.cells.count).max() ?? 0
        return (-1..<count).map { row in
            var line = ""
            for (column, width) in zip(shown, widths) {
                if !line.isEmpty { line += String(repeating: " ", count: Self.gap) }
                let cell = row < 0 ? column.title : row < column.cells.count ? column.cells[row] : ""
                line += Self.fitted(cell, width, atLeft: column.isText)
            }
            while line.hasSuffix(" ") { line.removeLast() }
            return Self.cut(line, width)
        }
    }

    private static func width(of columns: [Column]) -> Int {
        columns.reduce(0) { $0 + width(of: $1) } + gap * max(0, columns.count - 1)
    }

    private static func width(of column: Column) -> Int {
        max(column.title.count, column.cells.map(\.count).max() ?? 0)
    }

    private static func fitted(_ cell: String, _ width: Int, atLeft: Bool) -> String {
        let cell = cut(cell, width)
        let pad = String(repeating: " ", count: width - cell.count)
        return atLeft ? cell + pad : pad + cell
    }

    /// A text that is no longer than a width.
    static func cut(_ text: String, _ width: Int) -> String {
        let text = Printable.text(text)
        return text.count <= width
            ? text : width > 1 ? text.prefix(width - 1) + "…" : String(text.prefix(max(0, width)))
    }
}
