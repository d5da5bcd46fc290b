// SPDX-License-Identifier: Apache-2.0

/// A value read from JSON text, with where it stood.
package struct JSONNode: Sendable {
    /// The kinds of values.
    package enum Content: Sendable {
        case null
        case bool(Bool)
        case number(JSONDecimal)
        case string(String)
        case array([JSONNode])
        case object([JSONMember])
    }

    /// What it is.
    package var content: Content
    /// The byte at which it starts.
    var offset: Int

    /// Whether it is `null`.
    var isNull: Bool { if case .null = content { true } else { false } }

    /// What it is, for messages that expected something else.
    var words: String {
        switch content {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .number(let value): value.words
        case .string(let value): Self.quoted(value)
        case .array(let elements): "an array of \(elements.count)"
        case .object: "an object"
        }
    }

    /// Text from outside for a message: in quotes, and cut where it is long.
    static func quoted(_ text: String) -> String {
        let shown = shortened(text)
        return shown.utf8.count == text.utf8.count ? "\"\(text)\"" : "\"\(shown)…\""
    }

    /// The beginning of text from outside. Counted in scalars, because accents without end make a single character.
    static func shortened(_ text: String) -> Substring {
        let scalars = text.unicodeScalars
        let end = scalars.index(scalars.startIndex, offsetBy: quotedLength, limitedBy: scalars.endIndex)
        return text[..<(end ?? text.endIndex)]
    }

    /// Scalars of foreign text in a message: enough to recognise it by.
    private static let quotedLength = 40
}

/// A key with its value.
package struct JSONMember: Sendable {
    /// The key.
    package var key: String
    /// The value.
    package var value: JSONNode
}

/// A JSON number as it was written: ±`mantissa` × 10^`exponent`.
///
/// Not a double, so that milliseconds become nanoseconds without a rounding in between. Digits beyond the first 19 that
/// count are dropped: far below anything that is measured.
package struct JSONDecimal: Sendable, Hashable {
    var isNegative = false
    var mantissa: UInt64 = 0
    var exponent = 0

    /// The nearest integer to the number times 10^`power`; nil where it does not fit 64 bits, or, unless `rounding`,
    /// where it is not an integer.
    package func scaled(by power: Int, rounding: Bool) -> Int64? {
        guard mantissa > 0 else { return 0 }
        let shift = exponent + power
        var magnitude = mantissa
        if shift > 0 {
            guard shift < Self.powers.count else { return nil }
            let (product, overflow) = mantissa.multipliedReportingOverflow(by: Self.powers[shift])
            guard !overflow else { return nil }
            magnitude = product
        } else if shift < 0 {
            guard -shift < Self.powers.count else { return rounding ? 0 : nil }
            let (quotient, remainder) = mantissa.quotientAndRemainder(dividingBy: Self.powers[-shift])
            guard rounding || remainder == 0 else { return nil }
            magnitude = remainder >= Self.powers[-shift] - remainder ? quotient + 1 : quotient
        }
        guard magnitude <= UInt64(Int64.max) else { return nil }
        return isNegative ? -Int64(magnitude) : Int64(magnitude)
    }

    /// The double nearest to the number; nil where it is beyond the largest.
    package var double: Double? {
        if mantissa <= 1 << 53, abs(exponent) <= Self.exactPower {
            // Both operands are exact, so the one rounding is right.
            let scale = Double(Self.powers[abs(exponent)])
            let value = exponent < 0 ? Double(mantissa) / scale : Double(mantissa) * scale
            return isNegative ? -value : value
        }
        guard let value = Double(words), value.isFinite else { return nil }
        return value
    }

    /// The number in words; not always as it was written.
    var words: String {
        if !isNegative, exponent == 0 { return String(mantissa) }
        if exponent < 0, let value = double(orNilBeyond: Self.exactPower) { return "\(value)" }
        return (isNegative ? "-" : "") + "\(mantissa)" + (exponent == 0 ? "" : "e\(exponent)")
    }

    private func double(orNilBeyond power: Int) -> Double? {
        mantissa <= 1 << 53 && abs(exponent) <= power ? double : nil
    }

    /// 10^0 to 10^19, all that 64 bits hold.
    private static let powers: [UInt64] = (0..<20).map { exponent in (0..<exponent).reduce(1) { power, _ in power * 10 }
    }
    /// The largest of those powers that a double holds exactly.
    private static let exactPower = 19
}
