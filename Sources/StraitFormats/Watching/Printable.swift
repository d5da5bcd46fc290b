// SPDX-License-Identifier: Apache-2.0

/// Text from others that is shown on a terminal: what would move its cursor, or make up lines, is made visible instead.
package enum Printable {
    /// The text with a `·` for each control character, and for each that turns the direction of others.
    package static func text(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isUnfit) else { return text }
        var shown = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { shown.append(isUnfit(scalar) ? "·" : scalar) }
        return String(shown)
    }

    private static func isUnfit(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
