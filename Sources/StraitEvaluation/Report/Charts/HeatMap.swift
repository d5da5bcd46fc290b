// SPDX-License-Identifier: Apache-2.0

/// A table of numbers whose cells are the darker the larger their numbers are.
struct HeatMap {
    /// What the panel shows, in a few words.
    var title: String
    /// The names of the rows.
    var rows: [String]
    /// The names of the columns.
    var columns: [String]
    /// What the columns are, in a few words.
    var label: String
    /// The numbers, by row; nil where nothing was measured.
    var values: [[Double?]]
    /// What is drawn without any colour, and what with the deepest.
    var range: ClosedRange<Double>
    /// Columns that stand apart behind the others, with a gap before them.
    var apart = 0

    private static let rowHeight = 22.0
    private static let gap = 8.0
    private static let below = 22.0
    /// Shades that the style sheet has, `heat0` without colour.
    static let shades = 8

    /// The map in a picture of a width.
    func drawing(width: Double = Figure.narrow) -> Drawing {
        let names = rows.map { TextWidth.of($0, size: Drawing.small) }.max() ?? 0
        let left = min(names + 16, width * 0.4)
        let top = 28 + (columns.map { TextWidth.of($0, size: Drawing.small) }.max() ?? 0)
        var picture = Drawing(width: width, height: top + Double(rows.count) * Self.rowHeight + Self.below)
        picture.text(title, Point(x: 6, y: 16), "s")
        let room = width - left - 6 - (apart > 0 ? Self.gap : 0)
        let cellWidth = room / Double(max(1, columns.count))
        func start(_ column: Int) -> Double {
            left + Double(column) * cellWidth + (apart > 0 && column >= columns.count - apart ? Self.gap : 0)
        }
        for (index, column) in columns.enumerated() {
            let place = Point(x: start(index) + cellWidth / 2 + 3.5, y: top - 5)
            picture.text(column, place, "t", turned: true)
        }
        for (index, row) in rows.enumerated() {
            let upper = top + Double(index) * Self.rowHeight
            picture.text(row, Point(x: left - 8, y: upper + Self.rowHeight / 2 + 3.5), "t", .end)
            guard index < values.count else { continue }
            for (column, value) in values[index].enumerated() where column < columns.count {
                let box = Box(left: start(column), top: upper, width: cellWidth - 2, height: Self.rowHeight - 2)
                let middle = Point(x: box.left + box.width / 2, y: upper + Self.rowHeight / 2 + 2.5)
                guard let value, value.isFinite else {
                    picture.rectangle(box, "heat0")
                    picture.text("–", middle, "n", .middle)
                    continue
                }
                picture.rectangle(
                    box, "heat\(shade(value))", hint: "\(row), \(columns[column]): \(Markup.number(value))")
                picture.text(Estimate.decimals(value, 2), middle, "t", .middle)
            }
        }
        picture.text(label, Point(x: left, y: picture.height - 6), "n")
        return picture
    }

    private func shade(_ value: Double) -> Int {
        let share = (value - range.lowerBound) / max(range.upperBound - range.lowerBound, 1e-9)
        return Int((min(max(share, 0), 1) * Double(Self.shades - 1)).rounded())
    }
}
