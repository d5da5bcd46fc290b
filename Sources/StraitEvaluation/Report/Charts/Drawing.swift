// SPDX-License-Identifier: Apache-2.0

/// A picture as it grows: SVG elements whose looks are in the style sheet (`ReportStyle`), by class.
struct Drawing {
    /// How wide and high it is, in pixels.
    let width: Double
    let height: Double
    /// Its elements.
    private(set) var body = ""

    /// The height of small text.
    static let small = 10.5

    init(width: Double, height: Double) {
        self.width = width
        self.height = height
    }

    /// Which end of a text its place is.
    enum Anchor: String { case start, middle, end }

    /// A straight line.
    mutating func line(_ from: Point, _ to: Point, _ style: String) {
        body +=
            "<line x1=\"\(Markup.coordinate(from.x))\" y1=\"\(Markup.coordinate(from.y))\""
            + " x2=\"\(Markup.coordinate(to.x))\" y2=\"\(Markup.coordinate(to.y))\" class=\"\(style)\"/>\n"
    }

    /// Straight lines from point to point.
    mutating func path(_ points: [Point], _ style: String) {
        guard points.count > 1 else { return }
        let places = points.map { "\(Markup.coordinate($0.x)),\(Markup.coordinate($0.y))" }.joined(separator: " ")
        body += "<polyline points=\"\(places)\" class=\"\(style)\"/>\n"
    }

    /// The area that straight lines from point to point, and back to the first, enclose.
    mutating func area(_ points: [Point], _ style: String) {
        guard points.count > 2 else { return }
        let places = points.map { "\(Markup.coordinate($0.x)),\(Markup.coordinate($0.y))" }.joined(separator: " ")
        body += "<polygon points=\"\(places)\" class=\"\(style)\"/>\n"
    }

    /// Many separate straight lines as one element.
    mutating func strokes(_ lines: [(from: Point, to: Point)], _ style: String) {
        guard !lines.isEmpty else { return }
        let places = lines.map { from, to in
            "M\(Markup.coordinate(from.x)) \(Markup.coordinate(from.y))L\(Markup.coordinate(to.x)) "
                + "\(Markup.coordinate(to.y))"
        }
        body += "<path d=\"\(places.joined())\" class=\"\(style)\"/>\n"
    }

    /// A disc.
    mutating func dot(_ centre: Point, radius: Double, _ style: String, hint: String = "") {
        body +=
            "<circle cx=\"\(Markup.coordinate(centre.x))\" cy=\"\(Markup.coordinate(centre.y))\""
            + " r=\"\(Markup.coordinate(radius))\" class=\"\(style)\"" + ended("circle", hint)
    }

    /// A rectangle.
    mutating func rectangle(_ box: Box, _ style: String, hint: String = "") {
        body +=
            "<rect x=\"\(Markup.coordinate(box.left))\" y=\"\(Markup.coordinate(box.top))\""
            + " width=\"\(Markup.coordinate(max(0, box.width)))\" height=\"\(Markup.coordinate(max(0, box.height)))\""
            + " class=\"\(style)\"" + ended("rect", hint)
    }

    /// A line of text. `turned` writes it upwards.
    mutating func text(
        _ text: String, _ place: Point, _ style: String = "t", _ anchor: Anchor = .start, turned: Bool = false
    ) {
        let (x, y) = (Markup.coordinate(place.x), Markup.coordinate(place.y))
        let turn = turned ? " transform=\"rotate(-90 \(x) \(y))\"" : ""
        let end = anchor == .start ? "" : " text-anchor=\"\(anchor.rawValue)\""
        body += "<text x=\"\(x)\" y=\"\(y)\" class=\"\(style)\"\(end)\(turn)>\(Markup.escaped(text))</text>\n"
    }

    /// An interval: a bar with whiskers across its ends.
    mutating func interval(_ from: Point, _ to: Point, _ style: String) {
        line(from, to, style)
        let isUpright = from.x == to.x
        for end in [from, to] {
            let reach = isUpright ? Point(x: Self.whisker, y: 0) : Point(x: 0, y: Self.whisker)
            line(Point(x: end.x - reach.x, y: end.y - reach.y), Point(x: end.x + reach.x, y: end.y + reach.y), style)
        }
    }

    private static let whisker = 2.0

    private func ended(_ element: String, _ hint: String) -> String {
        hint.isEmpty ? "/>\n" : "><title>\(Markup.escaped(hint))</title></\(element)>\n"
    }
}
