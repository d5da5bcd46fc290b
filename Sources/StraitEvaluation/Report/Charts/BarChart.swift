// SPDX-License-Identifier: Apache-2.0

/// Bars with intervals, a row for each name and one column or more, each column with an axis of its own.
struct BarChart {
    /// A column of bars.
    struct Column {
        /// What is measured, with its unit.
        var label: String
        /// A bar for each row; nil where nothing was run.
        var values: [Estimate?]
    }

    /// A row.
    struct Row {
        /// Its name.
        var name: String
        /// Its looks: a class of the style sheet.
        var style: String
        var isOurs = false
    }

    /// What the panel shows, in a few words.
    var title: String
    var rows: [Row]
    var columns: [Column]
    /// The least that an axis reaches to, so that noise does not fill the picture.
    var least = 1.0

    /// What is written beside the bars.
    var values = Values.number

    /// What is written beside bars.
    enum Values {
        /// The value.
        case number
        /// A difference, with its sign and half its interval.
        case difference
    }

    /// Room for that, in pixels.
    private var valueWidth: Double { values == .number ? 30 : 92 }
    private static let top = 24.0
    private static let rowHeight = 15.0
    private static let below = 36.0
    private static let gap = 18.0

    /// The chart in a picture of a width.
    func drawing(width: Double = Figure.narrow) -> Drawing {
        let names = rows.map { TextWidth.of($0.name, size: Drawing.small) }.max() ?? 0
        let left = min(names + 22, width * 0.45)
        let bottom = Self.top + Double(rows.count) * Self.rowHeight + 4
        var picture = Drawing(width: width, height: bottom + Self.below)
        picture.text(title, Point(x: 6, y: 16), "s")
        for (index, row) in rows.enumerated() {
            picture.text(
                row.name, Point(x: left - 8, y: middle(index) + 3.5), "\(row.style) name\(row.isOurs ? " bold" : "")",
                .end)
        }
        let each = (width - left - 6) / Double(max(1, columns.count))
        for (index, column) in columns.enumerated() {
            let start = left + Double(index) * each
            draw(column, &picture, from: start, to: start + each - Self.gap - valueWidth, bottom)
        }
        return picture
    }

    /// How far an axis goes: to the greatest end of a bar, unless one or a few are so much longer than the rest that
    /// nothing else could be read. Those are cut, and their numbers say how long they are.
    private static func reach(_ ends: [Double]) -> Double {
        let sorted = ends.sorted()
        guard let greatest = sorted.last else { return 0 }
        for index in sorted.indices.dropFirst() where index > sorted.count * 3 / 4 {
            if sorted[index] > 3 * sorted[index - 1], sorted[index - 1] > 0 { return sorted[index - 1] * 1.2 }
        }
        return greatest
    }

    private func middle(_ row: Int) -> Double { Self.top + (Double(row) + 0.5) * Self.rowHeight + 2 }

    private func draw(_ column: Column, _ picture: inout Drawing, from: Double, to: Double, _ bottom: Double) {
        let shown = column.values.map { $0.flatMap { $0.value.isFinite ? $0 : nil } }
        let ends = shown.compactMap(\.self).flatMap { $0.halfWidth.isFinite ? [$0.lower, $0.upper] : [$0.value] }
        let isSigned = shown.contains { ($0?.value ?? 0) < 0 }
        let high = max(Self.reach(ends), least)
        // Differences have a side on which they are good; others start from 0.
        let scale = Scale(.linear, isSigned ? min(ends.min() ?? 0, -least * 0.3) : 0, high, from: from, to: to)
        for tick in scale.ticks(about: 3) {
            let place = scale.place(tick)
            picture.line(Point(x: place, y: Self.top), Point(x: place, y: bottom), "g")
            picture.text(Markup.number(tick), Point(x: place, y: bottom + 13), "n", .middle)
        }
        let zero = scale.place(0)
        let end = Point(x: to + valueWidth + 8, y: 3.5)
        for (index, value) in shown.enumerated() {
            guard index < rows.count else { break }
            guard let value else {
                picture.text("not run", Point(x: zero + 3, y: middle(index) + 3.5), "n")
                continue
            }
            let words =
                values == .number
                ? Markup.number(value.value) : value.halfWidth.isFinite ? value.signedWords : Markup.number(value.value)
            picture.text(words, Point(x: end.x, y: middle(index) + end.y), "n", .end)
            let place = scale.place(value.value)
            let box = Box(left: min(zero, place), top: middle(index) - 5, width: abs(place - zero), height: 10)
            picture.rectangle(box, "\(rows[index].style) bar", hint: "\(rows[index].name): \(value.words)")
            if value.value > high {
                picture.line(Point(x: to - 9, y: middle(index) + 7), Point(x: to - 5, y: middle(index) - 7), "cut")
            } else if value.halfWidth.isFinite, value.halfWidth > 0 {
                picture.interval(
                    Point(x: scale.place(value.lower), y: middle(index)),
                    Point(x: scale.place(value.upper), y: middle(index)), "e")
            }
        }
        picture.line(Point(x: zero, y: Self.top), Point(x: zero, y: bottom), "a")
        picture.text(column.label, Point(x: (from + to) / 2, y: bottom + 28), "t", .middle)
    }
}
