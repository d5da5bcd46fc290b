// SPDX-License-Identifier: Apache-2.0

/// A string found in JSON text: where its content lies, without the quotes, and whether it has escapes.
struct JSONString {
    var range: Range<Int>
    var hasEscapes: Bool
}

/// One pass over JSON text, value by value, without building a tree.
///
/// A general decoder spends 100 ms on an image's worth of numbers; this one a few. It never reads outside the text:
/// past the end every byte reads as NUL, which JSON allows nowhere. Errors name the byte offset; the caller adds what
/// the value was for.
struct JSONScanner {
    /// The deepest nesting of arrays and objects. Tensors nest as deep as their rank, at most 16, inside 3 levels of
    /// request; the bound keeps recursion shallow.
    static let maximumDepth = 32

    /// The text. Whoever made the scanner keeps it alive.
    let text: UnsafeRawBufferPointer
    /// The byte that is read next.
    var offset = 0
    private var depth = 0

    init(_ text: UnsafeRawBufferPointer) { self.text = text }

    /// The byte at `position`, or NUL outside the text.
    @inline(__always)
    subscript(position: Int) -> UInt8 { position < text.count ? text[position] : 0 }

    // -- errors --------------------------------------------------------------------------------------------------

    /// An error at the given byte, by default the next one.
    func failure(at position: Int? = nil, _ message: String) -> ProtocolError {
        ProtocolError(.invalidArgument, "byte \(position ?? offset): \(message)")
    }

    /// An error that says what stands at the next byte and what should.
    func unexpected(expected: String) -> ProtocolError {
        failure("expected \(expected), found \(describeByte())")
    }

    /// The next byte in words.
    private func describeByte() -> String {
        guard offset < text.count else { return "the end of the JSON text" }
        let byte = text[offset]
        if byte == UInt8(ascii: "N") || byte == UInt8(ascii: "I") {
            return "'\(Character(Unicode.Scalar(byte)))' (JSON has no NaN or Infinity: send the tensor as binary)"
        }
        if byte > 0x20, byte < 0x7F { return "'\(Character(Unicode.Scalar(byte)))'" }
        return "byte 0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
    }

    // -- punctuation ---------------------------------------------------------------------------------------------

    /// Moves to the next byte that is not white space.
    @inline(__always)
    mutating func skipWhitespace() {
        while true {
            switch self[offset] {
            case 0x20, 0x0A, 0x0D, 0x09: offset += 1
            default: return
            }
        }
    }

    /// The next byte that is not white space, not consumed.
    @inline(__always)
    mutating func peek() -> UInt8 {
        skipWhitespace()
        return self[offset]
    }

    /// Consumes `byte` if it comes next, after white space.
    @inline(__always)
    mutating func consume(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        offset += 1
        return true
    }

    /// Consumes the opening `{` of an object; ``nextMember(isFirst:)`` reads on and closes it.
    mutating func openObject() throws(ProtocolError) {
        guard consume(UInt8(ascii: "{")) else { throw unexpected(expected: "an object") }
        try descend()
    }

    /// The key of the next member, the colon behind it consumed; nil once the object has been closed.
    mutating func nextMember(isFirst: inout Bool) throws(ProtocolError) -> JSONString? {
        if consume(UInt8(ascii: "}")) {
            depth -= 1
            return nil
        }
        if isFirst {
            isFirst = false
        } else {
            guard consume(UInt8(ascii: ",")) else { throw unexpected(expected: "',' or '}'") }
        }
        guard peek() == UInt8(ascii: "\"") else { throw unexpected(expected: "a key in quotes") }
        let key = try string()
        guard consume(UInt8(ascii: ":")) else { throw unexpected(expected: "':'") }
        return key
    }

    /// Consumes the opening `[` of an array; ``nextElement(isFirst:)`` reads on and closes it.
    mutating func openArray() throws(ProtocolError) {
        guard consume(UInt8(ascii: "[")) else { throw unexpected(expected: "an array") }
        try descend()
    }

    /// Whether an element follows, the comma before it consumed; false once the array has been closed.
    mutating func nextElement(isFirst: inout Bool) throws(ProtocolError) -> Bool {
        if closeArray() { return false }
        if isFirst {
            isFirst = false
        } else {
            guard consume(UInt8(ascii: ",")) else { throw unexpected(expected: "',' or ']'") }
            guard peek() != UInt8(ascii: "]") else { throw unexpected(expected: "a value after ','") }
        }
        return true
    }

    /// Consumes the closing `]` of an array, if it comes next.
    @inline(__always)
    mutating func closeArray() -> Bool {
        guard consume(UInt8(ascii: "]")) else { return false }
        depth -= 1
        return true
    }

    /// Nothing but white space may follow.
    mutating func finish() throws(ProtocolError) {
        skipWhitespace()
        guard offset == text.count else { throw unexpected(expected: "the end of the JSON text") }
    }

    private mutating func descend() throws(ProtocolError) {
        depth += 1
        guard depth <= Self.maximumDepth else {
            throw failure(at: offset - 1, "nested deeper than \(Self.maximumDepth) levels")
        }
    }

    // -- scalars -------------------------------------------------------------------------------------------------

    /// `true` or `false`.
    mutating func bool() throws(ProtocolError) -> Bool {
        switch peek() {
        case UInt8(ascii: "t") where consumeWord("true"): return true
        case UInt8(ascii: "f") where consumeWord("false"): return false
        default: throw unexpected(expected: "true or false")
        }
    }

    /// Consumes `null` if it comes next.
    mutating func null() -> Bool { peek() == UInt8(ascii: "n") && consumeWord("null") }

    private mutating func consumeWord(_ word: StaticString) -> Bool {
        let length = word.utf8CodeUnitCount
        for index in 0..<length where self[offset + index] != word.utf8Start[index] { return false }
        offset += length
        return true
    }

    // -- skipping ------------------------------------------------------------------------------------------------

    /// Passes over one value of any kind, checking that it is well formed.
    ///
    /// - Complexity: O(its length); recursion is bounded by ``maximumDepth``.
    mutating func skipValue() throws(ProtocolError) {
        switch peek() {
        case UInt8(ascii: "{"):
            try openObject()
            var isFirst = true
            while try nextMember(isFirst: &isFirst) != nil { try skipValue() }
        case UInt8(ascii: "["):
            try openArray()
            var isFirst = true
            while try nextElement(isFirst: &isFirst) { try skipValue() }
        case UInt8(ascii: "\""): _ = try string()
        case UInt8(ascii: "t"), UInt8(ascii: "f"): _ = try bool()
        case UInt8(ascii: "n"):
            guard null() else { throw unexpected(expected: "a value") }
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): _ = try number()
        default: throw unexpected(expected: "a value")
        }
    }

    /// Passes over an array of numbers or strings by its brackets and quotes alone, and tells where it lay.
    ///
    /// The content is not checked: this is for tensor data that is read again, once its type and shape are known.
    /// Eight bytes at a time where nothing but digits and commas stands.
    mutating func skipArrayUnchecked() throws(ProtocolError) -> Range<Int> {
        guard peek() == UInt8(ascii: "[") else { throw unexpected(expected: "an array") }
        let start = offset
        var open = 0
        repeat {
            skipPlainWords()
            switch self[offset] {
            case UInt8(ascii: "["):
                open += 1
                offset += 1
                guard depth + open <= Self.maximumDepth else {
                    throw failure(at: offset - 1, "nested deeper than \(Self.maximumDepth) levels")
                }
            case UInt8(ascii: "]"):
                open -= 1
                offset += 1
            case UInt8(ascii: "\""): _ = try string()
            case UInt8(ascii: "{"), UInt8(ascii: "}"): throw unexpected(expected: "numbers, strings or ']'")
            default:
                guard offset < text.count else { throw unexpected(expected: "']'") }
                offset += 1
            }
        } while open > 0
        return start..<offset
    }

    /// Moves on by whole words of 8 bytes that hold neither a bracket nor a quote.
    @inline(__always)
    private mutating func skipPlainWords() {
        while offset + 8 <= text.count {
            let word = text.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            // Brackets and braces are at or above '[' (0x5B): adding 0x25 carries into the top bit.
            let high = ((word & 0x7F7F_7F7F_7F7F_7F7F) &+ 0x2525_2525_2525_2525) | word
            let quote = word ^ 0x2222_2222_2222_2222
            let hasQuote = (quote &- 0x0101_0101_0101_0101) & ~quote
            guard (high | hasQuote) & 0x8080_8080_8080_8080 == 0 else { return }
            offset += 8
        }
    }
}
