// SPDX-License-Identifier: Apache-2.0

extension JSONScanner {
    /// Consumes a string, checking its escapes and its UTF-8.
    ///
    /// - Complexity: O(its length); nothing is copied.
    mutating func string() throws(ProtocolError) -> JSONString {
        guard consume(UInt8(ascii: "\"")) else { throw unexpected(expected: "a string") }
        let start = offset
        var hasEscapes = false
        while true {
            let byte = self[offset]
            switch byte {
            case UInt8(ascii: "\""):
                offset += 1
                return JSONString(range: start..<offset - 1, hasEscapes: hasEscapes)
            case UInt8(ascii: "\\"):
                hasEscapes = true
                _ = try escape()
            case 0..<0x20:
                guard offset < text.count else { throw failure(at: start - 1, "the string is never closed") }
                throw unexpected(expected: "control characters in a string to be escaped")
            case 0x80...:
                guard let length = UTF8Check.sequenceLength(in: text, at: offset) else {
                    throw failure("the string is not valid UTF-8 here")
                }
                offset += length
            default: offset += 1
            }
        }
    }

    /// Consumes one escape sequence and gives the character it stands for.
    private mutating func escape() throws(ProtocolError) -> Unicode.Scalar {
        let start = offset
        let letter = self[offset + 1]
        offset += 2
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(letter)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): break
        default: throw failure(at: start, "unknown escape after '\\'; use \\n, \\t, \\\", \\\\ or \\uXXXX")
        }
        var code = try hexadecimalDigits(escapeStart: start)
        if code >= 0xD800, code < 0xDC00, self[offset] == UInt8(ascii: "\\"), self[offset + 1] == UInt8(ascii: "u") {
            offset += 2
            let low = try hexadecimalDigits(escapeStart: offset - 2)
            guard low >= 0xDC00, low < 0xE000 else {
                throw failure(at: start, "a lone surrogate; \\uD800 to \\uDBFF need \\uDC00 to \\uDFFF behind them")
            }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else {
            throw failure(at: start, "a lone surrogate; \\uD800 to \\uDFFF only come in pairs")
        }
        return scalar
    }

    private mutating func hexadecimalDigits(escapeStart: Int) throws(ProtocolError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            let digit: UInt8
            switch self[offset] {
            case let byte where byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case let byte where byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "f"):
                digit = byte - UInt8(ascii: "a") + 10
            case let byte where byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "F"):
                digit = byte - UInt8(ascii: "A") + 10
            default: throw failure(at: escapeStart, "\\u needs four hexadecimal digits")
            }
            code = code << 4 | UInt32(digit)
            offset += 1
        }
        return code
    }

    /// The content of a string that ``string()`` found, escapes resolved.
    func content(of string: JSONString) throws(ProtocolError) -> String {
        let raw = UnsafeRawBufferPointer(rebasing: text[string.range])
        guard string.hasEscapes else { return String(decoding: raw, as: UTF8.self) }
        var bytes = [UInt8](repeating: 0, count: raw.count)
        let length = try resolve(string) { (index, byte) in bytes[index] = byte }
        return String(decoding: bytes[..<length], as: UTF8.self)
    }

    /// Writes the content of a string that ``string()`` found to `target`, escapes resolved; returns the length.
    ///
    /// `target` must have room for the string as it stands in the text; resolving never makes it longer.
    func write(_ string: JSONString, to target: UnsafeMutableRawBufferPointer) throws(ProtocolError) -> Int {
        precondition(target.count >= string.range.count, "no room for the string")
        guard string.hasEscapes else {
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: text[string.range]))
            return string.range.count
        }
        return try resolve(string) { (index, byte) in target[index] = byte }
    }

    private func resolve(_ string: JSONString, _ put: (Int, UInt8) -> Void) throws(ProtocolError) -> Int {
        var reader = self
        reader.offset = string.range.lowerBound
        var length = 0
        while reader.offset < string.range.upperBound {
            let byte = reader[reader.offset]
            if byte == UInt8(ascii: "\\") {
                for unit in String(Character(try reader.escape())).utf8 {
                    put(length, unit)
                    length += 1
                }
            } else {
                put(length, byte)
                length += 1
                reader.offset += 1
            }
        }
        return length
    }
}

/// What well-formed UTF-8 is.
enum UTF8Check {
    /// The length, 1 to 4, of the character that starts at `offset`; nil where the bytes are not well-formed UTF-8
    /// (overlong forms, surrogates and codes above U+10FFFF included).
    static func sequenceLength(in bytes: UnsafeRawBufferPointer, at offset: Int) -> Int? {
        guard offset < bytes.count else { return nil }
        let first = bytes[offset]
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch first {
        case 0..<0x80: return 1
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: length = 4
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: return nil
        }
        guard bytes.count - offset >= length, second.contains(bytes[offset + 1]) else { return nil }
        for index in 2..<max(2, length) where bytes[offset + index] & 0xC0 != 0x80 { return nil }
        return length
    }

    /// Whether all of `bytes` is well-formed UTF-8.
    static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var offset = 0
        while offset < bytes.count {
            guard let length = sequenceLength(in: bytes, at: offset) else { return false }
            offset += length
        }
        return true
    }
}
