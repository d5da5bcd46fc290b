// SPDX-License-Identifier: Apache-2.0

/// Milliseconds as people and simulators write them, nanoseconds as the scheduler counts them.
enum Milliseconds {
    /// Decimal places between the two.
    static let digits = 6
    private static let nanoseconds: UInt64 = 1_000_000

    /// Nanoseconds as milliseconds, exactly and without needless zeros.
    static func text(_ nanoseconds: Int64) -> String {
        var text = JSONText()
        text.milliseconds(nanoseconds)
        return String(decoding: text.bytes, as: UTF8.self)
    }

    fileprivate static func append(_ value: Int64, to text: inout JSONText) {
        if value < 0 { text.raw("-") }
        var (whole, rest) = value.magnitude.quotientAndRemainder(dividingBy: nanoseconds)
        text.integer(whole)
        guard rest > 0 else { return }
        text.raw(".")
        whole = nanoseconds / 10
        while rest > 0 {
            text.digit(rest / whole)
            rest %= whole
            whole /= 10
        }
    }
}

/// JSON text as it grows. What it is given is written in order; what goes between values is the writer's business.
package struct JSONText: Sendable {
    /// The text so far, UTF-8.
    package private(set) var bytes: [UInt8] = []

    /// No text.
    package init() {}

    /// Empties the text and keeps its memory.
    package mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    /// Text as it is.
    package mutating func raw(_ text: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Other text, its line ends as blanks.
    mutating func onOneLine(_ text: JSONText) {
        bytes.append(contentsOf: text.bytes.lazy.map { $0 == UInt8(ascii: "\n") ? UInt8(ascii: " ") : $0 })
    }

    /// A number.
    package mutating func integer(_ value: UInt64) {
        guard value >= 10 else { return digit(value) }
        var scale: UInt64 = 1
        while value / scale >= 10 { scale *= 10 }
        var rest = value
        while scale > 0 {
            digit(rest / scale)
            rest %= scale
            scale /= 10
        }
    }

    /// A number that is not negative.
    package mutating func integer(_ value: Int) { integer(UInt64(value.magnitude)) }

    /// Nanoseconds, as milliseconds.
    mutating func milliseconds(_ nanoseconds: Int64) { Milliseconds.append(nanoseconds, to: &self) }

    /// A finite number, in the shortest form that reads back as the same.
    package mutating func number(_ value: Double) {
        let text = "\(value)"
        bytes.append(contentsOf: (text.hasSuffix(".0") ? text.dropLast(2) : text[...]).utf8)
    }

    /// A string, quoted and escaped.
    package mutating func string(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): raw("\\\"")
            case UInt8(ascii: "\\"): raw("\\\\")
            case UInt8(ascii: "\n"): raw("\\n")
            case UInt8(ascii: "\t"): raw("\\t")
            case UInt8(ascii: "\r"): raw("\\r")
            case 0..<0x20:
                raw("\\u00")
                hexadecimal(byte >> 4)
                hexadecimal(byte & 15)
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    fileprivate mutating func digit(_ value: UInt64) { bytes.append(UInt8(ascii: "0") + UInt8(value)) }

    private mutating func hexadecimal(_ value: UInt8) {
        bytes.append(value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10)
    }
}
