// SPDX-License-Identifier: Apache-2.0

/// Reads one JSON text into a tree, strictly: bounded depth, no key twice, nothing behind the value.
///
/// It never reads outside the text: past the end every byte reads as NUL, which JSON allows nowhere.
package struct JSONReader {
    /// The deepest nesting. A configuration needs seven levels; the bound keeps recursion shallow.
    static let maximumDepth = 16
    /// The most keys of one object. Ours have at most ten; the bound keeps the search for double keys cheap.
    static let maximumMembers = 64

    private let text: UnsafeBufferPointer<UInt8>
    private var offset = 0
    private var depth = 0

    /// Reads the whole text as one value.
    ///
    /// - Throws: `malformed` with the byte.
    /// - Complexity: O(bytes).
    package static func read(_ text: UnsafeBufferPointer<UInt8>) throws(FormatError) -> JSONNode {
        var reader = JSONReader(text: text)
        let node = try reader.value()
        guard reader.peek() == 0, reader.offset == text.count else { throw reader.unexpected("the end of the text") }
        return node
    }

    private init(text: UnsafeBufferPointer<UInt8>) { self.text = text }

    private subscript(position: Int) -> UInt8 { position < text.count ? text[position] : 0 }

    // -- errors ---------------------------------------------------------------------------------------------------

    private func failure(_ message: String, at position: Int? = nil) -> FormatError {
        FormatError(.malformed, message, offset: position ?? offset)
    }

    private func unexpected(_ expected: String) -> FormatError {
        guard offset < text.count else { return failure("expected \(expected), found the end of the text") }
        let byte = text[offset]
        let isPlain = byte > 0x20 && byte < 0x7F
        return failure(
            "expected \(expected), found "
                + (isPlain ? "'\(Character(Unicode.Scalar(byte)))'" : "byte 0x\(String(byte, radix: 16))"))
    }

    // -- values ---------------------------------------------------------------------------------------------------

    /// The next byte that is not white space, not consumed.
    private mutating func peek() -> UInt8 {
        while true {
            switch self[offset] {
            case 0x20, 0x0A, 0x0D, 0x09: offset += 1
            case let byte: return byte
            }
        }
    }

    private mutating func consume(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        offset += 1
        return true
    }

    private mutating func value() throws(FormatError) -> JSONNode {
        let byte = peek()
        let start = offset
        let content: JSONNode.Content
        switch byte {
        case UInt8(ascii: "{"): content = .object(try object())
        case UInt8(ascii: "["): content = .array(try array())
        case UInt8(ascii: "\""): content = .string(try string())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): content = .number(try number())
        case UInt8(ascii: "t") where consumeWord("true"): content = .bool(true)
        case UInt8(ascii: "f") where consumeWord("false"): content = .bool(false)
        case UInt8(ascii: "n") where consumeWord("null"): content = .null
        default: throw unexpected("a JSON value")
        }
        return JSONNode(content: content, offset: start)
    }

    private mutating func consumeWord(_ word: StaticString) -> Bool {
        let length = word.utf8CodeUnitCount
        for index in 0..<length where self[offset + index] != word.utf8Start[index] { return false }
        offset += length
        return true
    }

    private mutating func descend() throws(FormatError) {
        depth += 1
        guard depth <= Self.maximumDepth else { throw failure("nested deeper than \(Self.maximumDepth) levels") }
        offset += 1
    }

    private mutating func object() throws(FormatError) -> [JSONMember] {
        try descend()
        defer { depth -= 1 }
        var members: [JSONMember] = []
        if consume(UInt8(ascii: "}")) { return members }
        members.reserveCapacity(8)
        repeat {
            guard peek() == UInt8(ascii: "\"") else { throw unexpected("a key in quotes") }
            let start = offset
            let key = try string()
            guard !members.contains(where: { $0.key == key }) else {
                throw failure("the key \(JSONNode.quoted(key)) stands twice in one object", at: start)
            }
            guard members.count < Self.maximumMembers else {
                throw failure("more than \(Self.maximumMembers) keys in one object", at: start)
            }
            guard consume(UInt8(ascii: ":")) else { throw unexpected("':'") }
            members.append(JSONMember(key: key, value: try value()))
        } while consume(UInt8(ascii: ","))
        guard consume(UInt8(ascii: "}")) else { throw unexpected("',' or '}'") }
        return members
    }

    private mutating func array() throws(FormatError) -> [JSONNode] {
        try descend()
        defer { depth -= 1 }
        var elements: [JSONNode] = []
        if consume(UInt8(ascii: "]")) { return elements }
        repeat { elements.append(try value()) } while consume(UInt8(ascii: ","))
        guard consume(UInt8(ascii: "]")) else { throw unexpected("',' or ']'") }
        return elements
    }

    // -- numbers --------------------------------------------------------------------------------------------------

    private mutating func number() throws(FormatError) -> JSONDecimal {
        var decimal = JSONDecimal()
        if self[offset] == UInt8(ascii: "-") {
            decimal.isNegative = true
            offset += 1
        }
        let start = offset
        try digits(into: &decimal, isFraction: false, expected: "a digit")
        guard offset == start + 1 || self[start] != UInt8(ascii: "0") else {
            throw failure("a number does not start with 0 followed by digits", at: start)
        }
        if self[offset] == UInt8(ascii: ".") {
            offset += 1
            try digits(into: &decimal, isFraction: true, expected: "a digit after the decimal point")
        }
        if self[offset] | 0x20 == UInt8(ascii: "e") {
            offset += 1
            let isNegative = self[offset] == UInt8(ascii: "-")
            if isNegative || self[offset] == UInt8(ascii: "+") { offset += 1 }
            let exponent = try self.exponent()
            decimal.exponent += isNegative ? -exponent : exponent
        }
        return decimal
    }

    private mutating func digits(
        into decimal: inout JSONDecimal, isFraction: Bool, expected: String
    ) throws(FormatError) {
        let start = offset
        while self[offset] &- UInt8(ascii: "0") < 10 {
            // Below 10^18 another digit fits; what does not fit only shifts what is there.
            let fits = decimal.mantissa < 1_000_000_000_000_000_000
            if fits { decimal.mantissa = decimal.mantissa * 10 + UInt64(self[offset] - UInt8(ascii: "0")) }
            decimal.exponent += (isFraction ? -1 : 0) + (fits ? 0 : 1)
            offset += 1
        }
        guard offset > start else { throw unexpected(expected) }
    }

    private mutating func exponent() throws(FormatError) -> Int {
        let start = offset
        var value = 0
        while self[offset] &- UInt8(ascii: "0") < 10 {
            value = min(value * 10 + Int(self[offset] - UInt8(ascii: "0")), Self.exponentBound)
            offset += 1
        }
        guard offset > start else { throw unexpected("a digit in the exponent") }
        return value
    }

    /// Where exponents stop growing while they are read: far outside every range, far from overflow.
    private static let exponentBound = 100_000

    // -- strings --------------------------------------------------------------------------------------------------

    /// A string, from its opening quote.
    private mutating func string() throws(FormatError) -> String {
        let start = offset
        offset += 1
        let contentStart = offset
        while self[offset] != UInt8(ascii: "\""), self[offset] != UInt8(ascii: "\\"), self[offset] >= 0x20 {
            offset += 1
        }
        var bytes: [UInt8]?
        if self[offset] == UInt8(ascii: "\\") {
            var content = Array(text[contentStart..<offset])
            try unescape(into: &content)
            bytes = content
        }
        guard self[offset] == UInt8(ascii: "\"") else {
            guard offset < text.count else { throw failure("a string is not closed", at: start) }
            throw failure("a control character inside a string; write it as \\u00xx")
        }
        let content = UnsafeBufferPointer(rebasing: text[contentStart..<offset])
        offset += 1
        let string = bytes.map { String(validating: $0, as: UTF8.self) } ?? String(validating: content, as: UTF8.self)
        guard let string else { throw failure("a string is not UTF-8", at: start) }
        return string
    }

    /// The rest of a string that has escapes, up to its closing quote or a byte that may not stand in it.
    private mutating func unescape(into content: inout [UInt8]) throws(FormatError) {
        while self[offset] != UInt8(ascii: "\""), self[offset] >= 0x20 {
            guard self[offset] == UInt8(ascii: "\\") else {
                content.append(text[offset])
                offset += 1
                continue
            }
            offset += 2
            switch self[offset - 1] {
            case UInt8(ascii: "\""): content.append(UInt8(ascii: "\""))
            case UInt8(ascii: "\\"): content.append(UInt8(ascii: "\\"))
            case UInt8(ascii: "/"): content.append(UInt8(ascii: "/"))
            case UInt8(ascii: "b"): content.append(0x08)
            case UInt8(ascii: "f"): content.append(0x0C)
            case UInt8(ascii: "n"): content.append(0x0A)
            case UInt8(ascii: "r"): content.append(0x0D)
            case UInt8(ascii: "t"): content.append(0x09)
            case UInt8(ascii: "u"): content.append(contentsOf: Array(String(Character(try escapedScalar())).utf8))
            default: throw failure("an escape that JSON does not have", at: offset - 2)
            }
        }
    }

    /// The character behind `\u`, both halves of a surrogate pair taken together.
    private mutating func escapedScalar() throws(FormatError) -> Unicode.Scalar {
        let start = offset - 2
        let first = try hexadecimal()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, self[offset] == UInt8(ascii: "\\"), self[offset + 1] == UInt8(ascii: "u") else {
            throw failure("half of a surrogate pair", at: start)
        }
        offset += 2
        let second = try hexadecimal()
        guard (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw failure("half of a surrogate pair", at: start) }
        return scalar
    }

    private mutating func hexadecimal() throws(FormatError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            switch self[offset] {
            case let byte where byte &- UInt8(ascii: "0") < 10: value = value << 4 + UInt32(byte - UInt8(ascii: "0"))
            case let byte where (byte | 0x20) &- UInt8(ascii: "a") < 6:
                value = value << 4 + UInt32((byte | 0x20) - UInt8(ascii: "a") + 10)
            default: throw unexpected("four hexadecimal digits")
            }
            offset += 1
        }
        return value
    }
}
