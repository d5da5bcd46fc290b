// SPDX-License-Identifier: Apache-2.0

// StraitTracing: traces as values: the W3C's trace context, who is traced, where a request's time went as spans, and
// their form in OpenTelemetry's protocol. Pure: no clock, no thread, no network.

/// The number of a trace: 128 bits, not all zero.
package struct TraceID: Sendable, Hashable, CustomStringConvertible {
    /// The first eight bytes.
    package let high: UInt64
    /// The last eight bytes.
    package let low: UInt64

    /// A trace's number; nil for zero, which is none.
    package init?(high: UInt64, low: UInt64) {
        guard high != 0 || low != 0 else { return nil }
        self.high = high
        self.low = low
    }

    /// Thirty-two hexadecimal digits.
    package var description: String { Hexadecimal.text(high, digits: 16) + Hexadecimal.text(low, digits: 16) }
}

/// The number of a span: 64 bits, not all zero.
package struct SpanID: Sendable, Hashable, CustomStringConvertible {
    /// Its eight bytes.
    package let bits: UInt64

    /// A span's number; nil for zero, which is none.
    package init?(_ bits: UInt64) {
        guard bits != 0 else { return nil }
        self.bits = bits
    }

    /// The number of a part of this span: different for each part, the same each time.
    package func child(_ index: Int) -> SpanID {
        var number = UInt64(index) &+ 1
        while true {
            if let id = SpanID(Scramble.bits(bits &+ number &* Scramble.step)), id != self { return id }
            number &+= 1 << 32
        }
    }

    /// Sixteen hexadecimal digits.
    package var description: String { Hexadecimal.text(bits, digits: 16) }
}

/// Where a request belongs: the content of the header `traceparent`, as the W3C's Trace Context has it.
package struct TraceContext: Sendable, Hashable {
    /// The trace.
    package let trace: TraceID
    /// The span of it that the request comes from, or is.
    package let span: SpanID
    /// Bit 0: it is sampled. Bit 1: the trace's number is random. Others are not kept.
    package let flags: UInt8

    private static let sampledFlag: UInt8 = 1
    private static let knownFlags: UInt8 = 3
    /// `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits.
    private static let length = 55

    package init(trace: TraceID, span: SpanID, isSampled: Bool, isRandom: Bool = false) {
        self.trace = trace
        self.span = span
        flags = (isSampled ? 1 : 0) | (isRandom ? 2 : 0)
    }

    /// Reads a `traceparent`; nil for one that is to be ignored.
    ///
    /// A version later than 00 may have more behind what is known, after another hyphen.
    package init?(parsing text: some StringProtocol) {
        let bytes = Array(text.utf8.prefix(Self.length + 1))
        guard bytes.count >= Self.length, [2, 35, 52].allSatisfy({ bytes[$0] == UInt8(ascii: "-") }),
            let version = Hexadecimal.number(bytes[0..<2]), version != 0xFF,
            let high = Hexadecimal.number(bytes[3..<19]), let low = Hexadecimal.number(bytes[19..<35]),
            let parent = Hexadecimal.number(bytes[36..<52]), let flags = Hexadecimal.number(bytes[53..<55]),
            let trace = TraceID(high: high, low: low), let span = SpanID(parent)
        else { return nil }
        if bytes.count > Self.length {
            guard version > 0, bytes[Self.length] == UInt8(ascii: "-") else { return nil }
        }
        self.trace = trace
        self.span = span
        self.flags = UInt8(truncatingIfNeeded: flags) & Self.knownFlags
    }

    /// Whether the one who sent it records its part of the trace.
    package var isSampled: Bool { flags & Self.sampledFlag != 0 }

    /// The content of a `traceparent` of version 00.
    package var header: String { "00-\(trace)-\(span)-\(Hexadecimal.text(UInt64(flags), digits: 2))" }
}

/// Lower-case hexadecimal digits.
enum Hexadecimal {
    private static let digits = Array("0123456789abcdef".utf8)

    /// A number with leading zeros.
    static func text(_ value: UInt64, digits count: Int) -> String {
        String(unsafeUninitializedCapacity: count) { bytes in
            for index in 0..<count { bytes[index] = digits[Int(value >> UInt64(4 * (count - 1 - index)) & 15)] }
            return count
        }
    }

    /// The number that digits mean; nil where one is none, such as an upper-case letter.
    static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for digit in digits {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt64(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt64(digit - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return value
    }
}
