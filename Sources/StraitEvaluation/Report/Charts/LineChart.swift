// SPDX-License-Identifier: Apache-2.0

/// A picture of some quantity against another: lines or points with intervals, each with its name at its end.
struct LineChart {
    /// A point with the interval around it.
    struct Mark: Hashable {
        var x: Double
        var y: Estimate
        /// Half the interval along x.
        var halfAcross = 0.0
        /// Shown beside the point; empty for nothing.
        var label = ""
        /// How far up a shaded zone reaches from the point; nil for no zone.
        var reach: Double?
    }

    /// A line, or a set of points.
    struct Series {
        /// Its name.
        var name: String
        /// Its looks: a class of the style sheet.
        var style: String
        /// Whether it is drawn thick, and last.
        var isOurs = false
        /// Whether its points are joined where the chart's are not.
        var isJoined = false
        /// Its points, in the order in which lines join them.
        var marks: [Mark]
    }

    /// What an axis shows.
    struct Axis {
        /// What is measured, with its unit.
        var label: String
        var kind = Scale.Kind.linear
        /// The ends; nil for those of the data.
        var low: Double?
        var high: Double?
        /// Where it is labelled; nil for round values.
        var ticks: [Double]?
        /// Whether less than the lower end is drawn there, which its label says.
        var clips = false
    }

    /// What the panel shows, in a few words.
    var title: String
    var x: Axis
    var y: Axis
    var series: [Series]
    /// Whether points are joined, and each line has its name at its end; otherwise points have labels.
    var joins = true
    /// A range of y that is wanted, shaded.
    var band: ClosedRange<Double>?
    /// A moment of x that is marked, with its name.
    var mark: (x: Double, name: String)?
    /// The dashed line on which y equals x.
    var showsDiagonal = false

    private static let left = 52.0
    private static let top = 30.0
    private static let below = 38.0
    /// The least height of the frame.
    var height = 190.0

    /// The chart in a picture of a width.
    func drawing(width: Double = Figure.narrow) -> Drawing {
        let shown = series.map(cleaned).filter { !$0.marks.isEmpty }
        let names = joins ? shown.map(\.name) : []
        let margin = (names.map { TextWidth.of($0, size: Drawing.small) }.max() ?? 0) + (joins ? 18 : 10)
        let right = width - min(margin, width * 0.42)
        let bottom = Self.top + max(height, Double(names.count) * Self.lineHeight)
        var picture = Drawing(width: width, height: bottom + Self.below)
        let across = scale(x, shown.flatMap { $0.marks.map(\.x) }, from: Self.left, to: right)
        let values = shown.flatMap { line in
            line.marks.flatMap { [$0.y.value, $0.reach ?? $0.y.value] + ($0.y.halfWidth.isFinite ? [$0.y.upper] : []) }
        }
        let up = scale(y, values, from: bottom, to: Self.top)
        let frame = Box(left: Self.left, top: Self.top, width: right - Self.left, height: bottom - Self.top)
        drawAxes(&picture, frame, across, up)
        for line in shown.sorted(by: { $0.rank < $1.rank }) { draw(line, &picture, across, up) }
        if joins { name(shown, &picture, frame, across, up) }
        labelPoints(shown, &picture, frame, across, up)
        return picture
    }

    private static let lineHeight = 12.0

    /// Without what is no number.
    private func cleaned(_ line: Series) -> Series {
        var line = line
        line.marks.removeAll { !$0.x.isFinite || !$0.y.value.isFinite }
        return line
    }

    private func scale(_ axis: Axis, _ values: [Double], from: Double, to: Double) -> Scale {
        let low = axis.low ?? values.min() ?? 0
        let high = axis.high ?? max(values.max() ?? 1, low)
        return Scale(axis.kind, low, high, from: from, to: to)
    }

    private func drawAxes(_ picture: inout Drawing, _ frame: Box, _ across: Scale, _ up: Scale) {
        picture.text(title, Point(x: 6, y: 16), "s")
        if let band {
            let top = up.place(band.upperBound)
            picture.rectangle(
                Box(left: frame.left, top: top, width: frame.width, height: up.place(band.lowerBound) - top), "band")
        }
        for tick in y.ticks ?? up.ticks(about: 5) {
            let place = up.place(tick)
            picture.line(Point(x: frame.left, y: place), Point(x: frame.right, y: place), "g")
            picture.text(y.words(tick), Point(x: frame.left - 5, y: place + 3.5), "n", .end)
        }
        for tick in x.ticks ?? across.ticks(about: 5) {
            let place = across.place(tick)
            picture.line(Point(x: place, y: frame.bottom), Point(x: place, y: frame.bottom + 4), "a")
            picture.text(x.words(tick), Point(x: place, y: frame.bottom + 15), "n", .middle)
        }
        picture.line(Point(x: frame.left, y: frame.bottom), Point(x: frame.right, y: frame.bottom), "a")
        let middle = Point(x: frame.left + frame.width / 2, y: frame.bottom + 31)
        picture.text(x.label, middle, "t", .middle)
        picture.text(y.label, Point(x: 12, y: frame.top + frame.height / 2), "t", .middle, turned: true)
        if showsDiagonal {
            let low = max(across.domain.lowerBound, up.domain.lowerBound)
            let high = min(across.domain.upperBound, up.domain.upperBound)
            picture.line(
                Point(x: across.place(low), y: up.place(low)), Point(x: across.place(high), y: up.place(high)), "guide")
        }
        if let mark {
            let place = across.place(mark.x)
            picture.line(Point(x: place, y: frame.top), Point(x: place, y: frame.bottom), "guide")
            picture.text(mark.name, Point(x: place, y: frame.top - 4), "n", .middle)
        }
    }

    private func draw(_ line: Series, _ picture: inout Drawing, _ across: Scale, _ up: Scale) {
        let zone = line.marks.filter { $0.reach?.isFinite == true }
        picture.area(
            zone.map { Point(x: across.place($0.x), y: up.place($0.y.value)) }
                + zone.reversed().map { Point(x: across.place($0.x), y: up.place($0.reach ?? $0.y.value)) },
            "\(line.style) zone")
        for mark in line.marks where mark.y.halfWidth.isFinite && mark.y.halfWidth > 0 {
            let place = across.place(mark.x)
            picture.interval(
                Point(x: place, y: up.place(mark.y.lower)), Point(x: place, y: up.place(mark.y.upper)),
                "\(line.style) i")
        }
        for mark in line.marks where mark.halfAcross.isFinite && mark.halfAcross > 0 {
            let place = up.place(mark.y.value)
            picture.interval(
                Point(x: across.place(mark.x - mark.halfAcross), y: place),
                Point(x: across.place(mark.x + mark.halfAcross), y: place), "\(line.style) i")
        }
        let points = line.marks.map { Point(x: across.place($0.x), y: up.place($0.y.value)) }
        if joins || line.isJoined { picture.path(points, "\(line.style) l\(line.isOurs && joins ? " ours" : "")") }
        for (point, mark) in zip(points, line.marks) {
            let name = mark.label.isEmpty ? line.name : "\(line.name) \(mark.label)"
            picture.dot(
                point, radius: Self.radius(line, joins), "\(line.style) p",
                hint: "\(name): \(Markup.number(mark.x)); \(mark.y.words)")
        }
    }

    /// Many points of a line are small.
    private static func radius(_ line: Series, _ joins: Bool) -> Double {
        let isDense = joins && line.marks.count > 15
        return line.isOurs ? (isDense ? 1.8 : 3.4) : isDense ? 1.2 : joins ? 2 : 3
    }

    private func name(
        _ shown: [Series], _ picture: inout Drawing, _ frame: Box, _ across: Scale, _ up: Scale
    ) {
        let ends = shown.map { line in
            line.marks.last.map { Point(x: across.place($0.x), y: up.place($0.y.value)) } ?? Point(x: 0, y: 0)
        }
        let places = Labels.spread(
            ends.map(\.y), gap: Self.lineHeight, within: (frame.top + 2)...(frame.bottom - 2))
        for ((line, end), place) in zip(zip(shown, ends), places) {
            picture.path(
                [end, Point(x: frame.right + 8, y: place), Point(x: frame.right + 11, y: place)], "\(line.style) lead")
            picture.text(
                line.name, Point(x: frame.right + 13, y: place + 3.5), "\(line.style) name\(line.isOurs ? " bold" : "")"
            )
        }
    }

    private func labelPoints(
        _ shown: [Series], _ picture: inout Drawing, _ frame: Box, _ across: Scale, _ up: Scale
    ) {
        let ordered = shown.sorted { $0.isOurs && !$1.isOurs }
        let all = ordered.flatMap { line in
            line.marks.map { mark in
                (line, mark, Point(x: across.place(mark.x), y: up.place(mark.y.value)))
            }
        }
        let labelled = all.filter { !$0.1.label.isEmpty }
        let boxes = Labels.beside(
            labelled.map { Labels.Beside(text: $0.1.label, point: $0.2, size: Drawing.small) },
            avoiding: all.flatMap { Self.obstacles($0.1, $0.2, across, up) }, within: frame)
        for ((line, mark, point), box) in zip(labelled, boxes) {
            guard let box else { continue }
            let nearest = Point(
                x: min(max(point.x, box.left), box.right), y: min(max(point.y, box.top), box.bottom))
            if abs(nearest.x - point.x) > Labels.near || abs(nearest.y - point.y) > Labels.near {
                picture.line(point, nearest, "\(line.style) lead")
            }
            picture.text(
                mark.label, Point(x: box.left, y: box.bottom - 3), "\(line.style) name\(line.isOurs ? " bold" : "")")
        }
    }

    /// What a point and its intervals take up.
    private static func obstacles(_ mark: Mark, _ point: Point, _ across: Scale, _ up: Scale) -> [Box] {
        func box(_ from: Point, _ to: Point, _ radius: Double) -> Box {
            Box(
                left: from.x - radius, top: from.y - radius, width: to.x - from.x + 2 * radius,
                height: to.y - from.y + 2 * radius)
        }
        var boxes = [box(point, point, 2.5)]
        if mark.y.halfWidth.isFinite, mark.y.halfWidth > 0 {
            boxes.append(
                box(Point(x: point.x, y: up.place(mark.y.upper)), Point(x: point.x, y: up.place(mark.y.lower)), 1))
        }
        if mark.halfAcross.isFinite, mark.halfAcross > 0 {
            let ends = (across.place(mark.x - mark.halfAcross), across.place(mark.x + mark.halfAcross))
            boxes.append(box(Point(x: ends.0, y: point.y), Point(x: ends.1, y: point.y), 1))
        }
        return boxes
    }
}

extension LineChart.Series {
    /// What is drawn over what: grey first, then colours, then ours.
    fileprivate var rank: Int { isOurs ? 2 : style == ReportStyle.plain ? 0 : 1 }
}

extension LineChart.Axis {
    /// What is written at a tick.
    fileprivate func words(_ tick: Double) -> String {
        (clips && tick == low ? "≤ " : "") + Markup.number(tick)
    }
}
