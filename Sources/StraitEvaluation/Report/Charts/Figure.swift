// SPDX-License-Identifier: Apache-2.0

/// A figure: panels with a title that says what is seen, and a line on how to read it.
struct Figure {
    /// What its file is called, without the ending.
    let name: String
    /// What is seen.
    let title: String
    /// How to read it.
    let caption: String
    /// Its pictures, in the order in which they are read.
    let panels: [Drawing]

    /// Its pictures for a page: side by side where there is room, below one another on a phone.
    var html: String {
        let pictures = panels.map { panel in
            let (width, height) = (Markup.coordinate(panel.width), Markup.coordinate(panel.height))
            let isWide = panel.width > Self.narrow
            return "<div class=\"\(isWide ? "wide" : "panel")\"><svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" "
                + "aria-label=\"\(Markup.escaped(title))\" width=\"\(width)\" height=\"\(height)\" "
                + "viewBox=\"0 0 \(width) \(height)\">\n\(panel.body)</svg></div>\n"
        }
        return "<figure id=\"\(Markup.escaped(name))\">\n<h2>\(Markup.escaped(title))</h2>\n"
            + "<figcaption>\(Markup.escaped(caption))</figcaption>\n<div class=\"panels\">\n\(pictures.joined())</div>\n"
            + "</figure>\n"
    }

    /// The figure as a file of its own, two narrow panels beside each other.
    var svg: String {
        var placed = ""
        var (left, top, rowHeight) = (0.0, Self.heading, 0.0)
        for panel in panels {
            if left > 0, left + panel.width > Self.pageWidth {
                (left, top, rowHeight) = (0, top + rowHeight, 0)
            }
            placed +=
                "<g transform=\"translate(\(Markup.coordinate(left)) \(Markup.coordinate(top)))\">\n\(panel.body)</g>\n"
            left += panel.width
            rowHeight = max(rowHeight, panel.height)
        }
        let words = Self.lines(caption, width: Self.pageWidth - 2 * Self.edge)
        let height = top + rowHeight + Double(words.count) * Self.lineHeight + Self.edge
        var frame = Drawing(width: Self.pageWidth, height: height)
        frame.rectangle(Box(left: 0, top: 0, width: Self.pageWidth, height: height), "paper")
        frame.text(title, Point(x: Self.edge, y: 24), "h")
        for (index, line) in words.enumerated() {
            frame.text(line, Point(x: Self.edge, y: top + rowHeight + Double(index + 1) * Self.lineHeight), "t")
        }
        let size = "\(Markup.coordinate(Self.pageWidth))"
        return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(size)\" height=\"\(Markup.coordinate(height))\" "
            + "viewBox=\"0 0 \(size) \(Markup.coordinate(height))\">\n<style>\(ReportStyle.charts)</style>\n"
            + frame.body + placed + "</svg>\n"
    }

    /// Panels as wide as this fit a phone, and two of them a page.
    static let narrow = 370.0
    /// As wide as two narrow ones.
    static let pageWidth = 2 * narrow
    private static let heading = 36.0
    private static let lineHeight = 15.0
    private static let edge = 10.0

    /// Text broken into lines of a width.
    static func lines(_ text: String, width: Double) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, TextWidth.of("\(last) \(word)", size: Drawing.small) <= width {
                lines[lines.count - 1] = "\(last) \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
