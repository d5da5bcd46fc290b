// SPDX-License-Identifier: Apache-2.0

// Values that need no indentation: texts, and what stands in brackets.
extension YAMLReader {
    /// The value that begins here: in brackets, quoted, or plain to the line's end or `end`.
    mutating func value(until end: Int? = nil) throws(SimulationError) -> YAMLNode {
        switch byte() {
        case UInt8(ascii: "["): try deeper { (reader) throws(SimulationError) in try reader.brackets() }
        case UInt8(ascii: "{"): try deeper { (reader) throws(SimulationError) in try reader.braces() }
        case UInt8.quote, UInt8.apostrophe: try quotedText()
        default: try plainText(until: end ?? plainEnd(inBrackets: false))
        }
    }

    // -- in brackets ------------------------------------------------------------------------------------------------

    private mutating func brackets() throws(SimulationError) -> YAMLNode {
        let first = line
        position += 1
        var list: [YAMLNode] = []
        try skipToContent()
        while try !closes(UInt8(ascii: "]"), openedIn: first) {
            list.append(try bracketed())
            try separate(UInt8(ascii: "]"), openedIn: first)
        }
        return YAMLNode(content: .list(list), line: first)
    }

    private mutating func braces() throws(SimulationError) -> YAMLNode {
        let first = line
        position += 1
        var entries = Entries(line: first)
        try skipToContent()
        while try !closes(UInt8(ascii: "}"), openedIn: first) {
            let key = try bracketed()
            try skipToContent()
            var value = YAMLNode(content: .text("", isQuoted: false), line: key.line)
            if byte() == UInt8(ascii: ":") {
                position += 1
                try skipToContent()
                if byte() != UInt8(ascii: ","), byte() != UInt8(ascii: "}") { value = try bracketed() }
            }
            try entries.add(key, value, self)
            try separate(UInt8(ascii: "}"), openedIn: first)
        }
        return entries.node
    }

    /// A value within brackets, where plain texts end sooner.
    private mutating func bracketed() throws(SimulationError) -> YAMLNode {
        switch byte() {
        case UInt8(ascii: "["), UInt8(ascii: "{"), UInt8.quote, UInt8.apostrophe: return try value()
        case UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}"), UInt8(ascii: ":"):
            throw failure("expected a value within the brackets")
        default: return try plainText(until: plainEnd(inBrackets: true))
        }
    }

    /// Whether the bracket closes here; then past it.
    private mutating func closes(_ bracket: UInt8, openedIn first: Int) throws(SimulationError) -> Bool {
        guard !isAtEnd else { throw unclosed(bracket, first) }
        guard byte() == bracket else { return false }
        position += 1
        return true
    }

    /// Past the comma behind a value; the closing bracket stays.
    private mutating func separate(_ bracket: UInt8, openedIn first: Int) throws(SimulationError) {
        try skipToContent()
        if byte() == UInt8(ascii: ",") {
            position += 1
            try skipToContent()
        } else if byte() != bracket {
            throw unclosed(bracket, first)
        }
    }

    private func unclosed(_ bracket: UInt8, _ first: Int) -> SimulationError {
        failure("expected ',' or '\(Character(Unicode.Scalar(bracket)))' of the bracket opened in line \(first)")
    }

    // -- texts ------------------------------------------------------------------------------------------------------

    /// Where the plain text that begins here ends: with its line, before a comment, or where brackets go on.
    private func plainEnd(inBrackets: Bool) -> Int {
        var end = position
        while end < bytes.count, bytes[end] != .newline {
            let next = end + 1 < bytes.count ? bytes[end + 1] : nil
            if bytes[end] == UInt8(ascii: "#"), end == position || Self.isGap(bytes[end - 1]) { break }
            if inBrackets {
                if Self.ends.contains(bytes[end]) { break }
                if bytes[end] == UInt8(ascii: ":"), Self.isGap(next) || next.map(Self.ends.contains) == true { break }
            }
            end += 1
        }
        return end
    }

    private static let ends = Set("[]{},".utf8)

    /// What begins so means something in YAML that scenarios do not have.
    static let leftOut: [UInt8: String] = [
        UInt8(ascii: "&"): "an anchor (&)", UInt8(ascii: "*"): "an alias (*)", UInt8(ascii: "!"): "a tag (!)",
        UInt8(ascii: "|"): "a text over several lines (|)", UInt8(ascii: ">"): "a text over several lines (>)",
        UInt8(ascii: "%"): "a directive (%)", UInt8(ascii: "@"): "a reserved sign (@)",
        UInt8(ascii: "`"): "a reserved sign (`)",
    ]

    private mutating func plainText(until end: Int) throws(SimulationError) -> YAMLNode {
        if let first = byte() {
            if let name = Self.leftOut[first] { throw failure("\(name); expected every value written out") }
            if Self.ends.contains(first) {
                throw failure("expected a value, found a bracket or comma that nothing opened")
            }
            if (first == UInt8(ascii: "?") || first == UInt8(ascii: "-")) && Self.isGap(byte(1)) {
                throw failure("expected a value, found '\(Character(Unicode.Scalar(first)))' and a blank")
            }
        }
        var last = end
        while last > position, Self.isGap(bytes[last - 1]) { last -= 1 }
        let text = String(decoding: bytes[position..<last], as: UTF8.self)
        position = end
        return YAMLNode(content: .text(text, isQuoted: false), line: line)
    }

    /// Where the quote that begins here ends; nil if it does not on its line.
    func quoteEnd(_ quote: UInt8) -> Int? {
        var end = position + 1
        while end < bytes.count, bytes[end] != .newline {
            if quote == .quote, bytes[end] == .backslash {
                end += 1
            } else if bytes[end] == quote {
                let isDoubled = quote == .apostrophe && end + 1 < bytes.count && bytes[end + 1] == quote
                guard isDoubled else { return end }
                end += 1
            }
            end += 1
        }
        return nil
    }

    private mutating func quotedText() throws(SimulationError) -> YAMLNode {
        let quote = bytes[position]
        guard let end = quoteEnd(quote) else {
            throw failure("expected the quote to end on its line")
        }
        let inner = bytes[(position + 1)..<end]
        let text = try quote == .quote ? unescaped(inner) : withoutDoubles(inner)
        position = end + 1
        return YAMLNode(content: .text(String(decoding: text, as: UTF8.self), isQuoted: true), line: line)
    }

    private func withoutDoubles(_ inner: ArraySlice<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        var isSecond = false
        for byte in inner {
            isSecond = byte == .apostrophe && !isSecond
            if byte != .apostrophe || isSecond { text.append(byte) }
        }
        return text
    }

    private static let escapes: [UInt8: UInt8] = [
        .quote: .quote, .backslash: .backslash, UInt8(ascii: "/"): UInt8(ascii: "/"), UInt8(ascii: "n"): .newline,
        UInt8(ascii: "t"): .tab,
    ]

    private func unescaped(_ inner: ArraySlice<UInt8>) throws(SimulationError) -> [UInt8] {
        var text: [UInt8] = []
        var isEscaped = false
        for byte in inner {
            if isEscaped {
                guard let meant = Self.escapes[byte] else {
                    throw failure(#"expected one of \" \\ \/ \n \t behind a backslash; write the sign itself"#)
                }
                text.append(meant)
                isEscaped = false
            } else if byte == .backslash {
                isEscaped = true
            } else {
                text.append(byte)
            }
        }
        return text
    }
}
