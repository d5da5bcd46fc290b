// SPDX-License-Identifier: Apache-2.0

/// Dots with intervals: a row for each name, and in each row a dot for each series, with the series' names above in
/// their colours.
struct DotChart {
    /// A set of dots.
    struct Series {
        var name: String
        var style: String
        var isOurs = false
        /// A dot for each row; nil where nothing was run.
        var values: [Estimate?]
    }

    var title: String
    var rows: [String]
    /// What is measured, with its unit.
    var label: String
    var series: [Series]

    private static let dotHeight = 7.5
    private static let below = 36.0

    /// The chart in a picture of a width.
    func drawing(width: Double = Figure.narrow) -> Drawing {
        let left = min((rows.map { TextWidth.of($0, size: Drawing.small) }.max() ?? 0) + 18, width * 0.4)
        let keys = keys(width: width)
        let top = 26 + Double((keys.map(\.line).max() ?? 0) + 1) * 13
        let rowHeight = Double(series.count) * Self.dotHeight + 9
        let bottom = top + Double(rows.count) * rowHeight
        var picture = Drawing(width: width, height: bottom + Self.below)
        picture.text(title, Point(x: 6, y: 16), "s")
        for (key, line) in zip(keys, series) {
            picture.text(
                "● \(line.name)", Point(x: key.left, y: 32 + Double(key.line) * 13),
                "\(line.style) name\(line.isOurs ? " bold" : "")")
        }
        let ends = series.flatMap { $0.values }.compactMap { $0 }.flatMap { value in
            [value.value] + (value.halfWidth.isFinite ? [value.upper] : [])
        }.filter(\.isFinite)
        let scale = Scale(.linear, 0, max(1, ends.max() ?? 1), from: left, to: width - 12)
        for tick in scale.ticks(about: 5) {
            let place = scale.place(tick)
            picture.line(Point(x: place, y: top), Point(x: place, y: bottom), "g")
            picture.text(Markup.number(tick), Point(x: place, y: bottom + 13), "n", .middle)
        }
        for (index, row) in rows.enumerated() {
            let start = top + Double(index) * rowHeight
            picture.line(Point(x: left, y: start), Point(x: width - 12, y: start), "g")
            picture.text(row, Point(x: left - 8, y: start + rowHeight / 2 + 3.5), "t", .end)
            for (place, line) in series.enumerated() where index < line.values.count {
                guard let value = line.values[index], value.value.isFinite else { continue }
                let y = start + 4.5 + (Double(place) + 0.5) * Self.dotHeight
                if value.halfWidth.isFinite, value.halfWidth > 0 {
                    picture.interval(
                        Point(x: scale.place(value.lower), y: y), Point(x: scale.place(value.upper), y: y),
                        "\(line.style) i")
                }
                picture.dot(
                    Point(x: scale.place(value.value), y: y), radius: line.isOurs ? 3.8 : 2.8, "\(line.style) p",
                    hint: "\(row), \(line.name): \(value.words)")
            }
        }
        picture.line(Point(x: left, y: bottom), Point(x: width - 12, y: bottom), "a")
        picture.text(label, Point(x: (left + width - 12) / 2, y: bottom + 28), "t", .middle)
        return picture
    }

    /// Where the names go: one after another, on as many lines as it takes.
    private func keys(width: Double) -> [(left: Double, line: Int)] {
        var (left, line) = (6.0, 0)
        return series.map { series in
            let needed = TextWidth.of("● \(series.name)", size: Drawing.small) + 10
            if left > 6, left + needed > width { (left, line) = (6, line + 1) }
            defer { left += needed }
            return (left, line)
        }
    }
}
