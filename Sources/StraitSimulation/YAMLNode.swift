// SPDX-License-Identifier: Apache-2.0

internal import Yams

extension Node {
    /// The line that it begins in, from 1.
    var line: Int { mark?.line ?? 1 }

    /// Whether the file leaves it to us what it is. (Quoted texts count as tagged by their quotes.)
    var isUntagged: Bool {
        switch self {
        case .scalar(let scalar): scalar.tag.rawValue.isEmpty || scalar.tag.rawValue == Tag.Name.str.rawValue
        case .mapping(let mapping): mapping.tag.rawValue.isEmpty
        case .sequence(let sequence): sequence.tag.rawValue.isEmpty
        case .alias: false
        }
    }

    /// Its text, quoted in the file or not; nil for what is no text and for nothing at all.
    var text: String? { isUntagged ? scalar?.string : nil }

    /// Its text if it is not quoted.
    var plain: String? {
        guard let scalar, scalar.style == .plain, scalar.tag.rawValue.isEmpty else { return nil }
        return scalar.string
    }

    /// A finite decimal number. What YAML also knows, such as 0x10, 1_000, 1:30 and .inf, is none here.
    var number: Double? {
        guard let plain, plain.utf8.allSatisfy(Self.digits.contains), let number = Double(plain), number.isFinite else {
            return nil
        }
        return number
    }

    /// The number before a per cent sign.
    var percentage: Double? {
        guard let plain, plain.utf8.last == UInt8(ascii: "%") else { return nil }
        let digits = plain.utf8.dropLast()
        guard digits.allSatisfy(Self.digits.contains), let number = Double(Substring(digits)), number.isFinite else {
            return nil
        }
        return number
    }

    private static let digits = Set("0123456789+-.eE".utf8)

    /// What it is, for messages.
    var words: String {
        guard isUntagged else { return "a value with a tag" }
        return switch self {
        case .scalar(let scalar):
            scalar.string.isEmpty && scalar.style == .plain ? "nothing" : Self.quoted(scalar.string)
        case .mapping: "keys with values"
        case .sequence(let list): "a list of \(list.count)"
        case .alias: "an alias"
        }
    }

    /// A text as it stands in messages: short, on one line.
    static func quoted(_ text: String) -> String {
        let scalars = text.unicodeScalars
        var quoted = "\""
        for scalar in scalars.prefix(longestQuote) {
            quoted.unicodeScalars.append(scalar.properties.generalCategory == .control ? "\u{FFFD}" : scalar)
        }
        return quoted + (scalars.count > longestQuote ? "…\"" : "\"")
    }

    /// Longer texts do not help to find them.
    private static let longestQuote = 40
}
