// SPDX-License-Identifier: Apache-2.0

/// Text for XML and HTML.
enum Markup {
    /// The text with what XML reads as markup escaped, and without the characters that XML does not allow.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "\t", "\n", "\r": escaped += " "
            case _ where scalar.value < 0x20 || scalar.value == 0xFFFE || scalar.value == 0xFFFF: break
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// A coordinate with one decimal: a tenth of a pixel is not seen. What is no number is drawn at 0, and what is far
    /// out stays far out.
    static func coordinate(_ value: Double) -> String {
        guard value.isFinite else { return value == .infinity ? "100000" : value == -.infinity ? "-100000" : "0" }
        let text = Estimate.decimals(min(100_000, max(-100_000, value)), 1)
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    /// A number as people read it: no more digits than mean something, and no needless zeros.
    static func number(_ value: Double) -> String {
        guard value.isFinite else { return "–" }
        let size = value.magnitude
        let text = Estimate.decimals(value, size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.095 ? 2 : 3)
        guard text.contains(".") else { return text }
        var trimmed = text[...]
        while trimmed.hasSuffix("0") { trimmed = trimmed.dropLast() }
        return String(trimmed.hasSuffix(".") ? trimmed.dropLast() : trimmed)
    }
}

/// How wide text is, about: browsers differ in fonts, so nothing depends on a pixel.
enum TextWidth {
    /// The mean advance of a sans-serif letter, as a share of the font's size; a little much rather than too little.
    private static let letter = 0.58

    /// The width of a text in pixels.
    static func of(_ text: String, size: Double) -> Double { Double(text.count) * letter * size }
}

/// A place in a picture, in pixels from its upper left corner.
struct Point: Hashable {
    var x: Double
    var y: Double
}

/// A rectangle in a picture.
struct Box: Hashable {
    var left: Double
    var top: Double
    var width: Double
    var height: Double

    var right: Double { left + width }
    var bottom: Double { top + height }

    /// Whether two share some of their area.
    func overlaps(_ other: Box) -> Bool {
        left < other.right && other.left < right && top < other.bottom && other.top < bottom
    }

    /// Whether it lies inside another.
    func isInside(_ other: Box) -> Bool {
        left >= other.left && right <= other.right && top >= other.top && bottom <= other.bottom
    }
}
