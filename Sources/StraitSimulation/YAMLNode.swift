// SPDX-License-Identifier: Apache-2.0

/// A value of a scenario file, with the line that it begins in.
struct YAMLNode: Hashable {
    /// What it is.
    enum Content: Hashable {
        /// A text as it stands in the file; without its quotes, if it has any.
        case text(String, isQuoted: Bool)
        /// Keys with values, in the file's order. No text stands twice among the keys.
        case mapping([Entry])
        /// Values one after the other.
        case list([YAMLNode])
    }

    /// A key with its value.
    struct Entry: Hashable {
        let key: YAMLNode
        let value: YAMLNode
    }

    /// What it is.
    let content: Content
    /// The line that it begins in, from 1.
    let line: Int

    /// Its text, quoted in the file or not; nil for what is no text.
    var text: String? { if case .text(let text, _) = content { text } else { nil } }

    /// Its text if it is not quoted.
    var plain: String? { if case .text(let text, isQuoted: false) = content { text } else { nil } }

    /// Its values, if it is a list.
    var list: [YAMLNode]? { if case .list(let list) = content { list } else { nil } }

    /// Its keys with their values, if it has any.
    var entries: [Entry]? { if case .mapping(let entries) = content { entries } else { nil } }

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
        switch content {
        case .text(let text, let isQuoted): text.isEmpty && !isQuoted ? "nothing" : Self.quoted(text)
        case .mapping: "keys with values"
        case .list(let list): "a list of \(list.count)"
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
