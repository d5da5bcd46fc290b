// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A number found in JSON text: ±`mantissa` × 10^`exponent`, unless it has too many digits for that.
struct JSONNumber {
    var isNegative: Bool
    /// All digits as one integer; meaningless where `significantDigits` is above 19, for it has wrapped around.
    var mantissa: UInt64
    var exponent: Int
    /// Digits from the first that is not zero on.
    var significantDigits: Int
    /// Whether it was written without fraction and exponent.
    var isWhole: Bool
    /// Where it stands in the text.
    var range: Range<Int>

    /// Whether `mantissa` and `exponent` are the number: any 19 digits fit into 64 bits.
    var isExact: Bool { significantDigits <= 19 }
}

extension JSONScanner {
    /// The longest number, in bytes. A double is settled by at most 767 digits; more is an attack on the slow path.
    static let maximumNumberLength = 1024
    /// Where exponents stop growing while they are read: far outside every type, far from overflow.
    private static let exponentBound = 100_000

    /// Consumes a number as JSON's grammar has it.
    @inline(__always)
    mutating func number() throws(ProtocolError) -> JSONNumber {
        let start = offset
        var position = offset
        let isNegative = self[position] == UInt8(ascii: "-")
        if isNegative { position += 1 }

        let digitsStart = position
        var mantissa: UInt64 = 0
        var byte = self[position]
        while byte &- UInt8(ascii: "0") < 10 {
            mantissa = mantissa &* 10 &+ UInt64(byte &- UInt8(ascii: "0"))
            position += 1
            byte = self[position]
        }
        var digits = position - digitsStart
        guard digits == 1 || (digits > 1 && self[digitsStart] != UInt8(ascii: "0")) else {
            offset = digitsStart
            if digits > 1 { throw failure("a number must not start with 0 followed by digits") }
            throw unexpected(expected: "a number")
        }

        var exponent = 0
        var isWhole = true
        if byte == UInt8(ascii: ".") {
            isWhole = false
            position += 1
            let fractionStart = position
            byte = self[position]
            while byte &- UInt8(ascii: "0") < 10 {
                mantissa = mantissa &* 10 &+ UInt64(byte &- UInt8(ascii: "0"))
                position += 1
                byte = self[position]
            }
            exponent = fractionStart - position
            guard exponent < 0 else {
                offset = position
                throw unexpected(expected: "a digit after the decimal point")
            }
            digits -= exponent
        }
        if byte | 0x20 == UInt8(ascii: "e") {
            isWhole = false
            exponent += try exponentPart(&position)
        }
        if digits > 19 { digits -= leadingZeros(from: digitsStart) }
        offset = position
        guard position - start <= Self.maximumNumberLength else {
            throw failure(at: start, "a number longer than \(Self.maximumNumberLength) characters")
        }
        return JSONNumber(
            isNegative: isNegative, mantissa: mantissa, exponent: exponent, significantDigits: digits,
            isWhole: isWhole, range: start..<position)
    }

    private mutating func exponentPart(_ position: inout Int) throws(ProtocolError) -> Int {
        position += 1
        let isNegative = self[position] == UInt8(ascii: "-")
        if isNegative || self[position] == UInt8(ascii: "+") { position += 1 }
        let start = position
        var value = 0
        while self[position] &- UInt8(ascii: "0") < 10 {
            value = min(value * 10 + Int(self[position] - UInt8(ascii: "0")), Self.exponentBound)
            position += 1
        }
        guard position > start else {
            offset = position
            throw unexpected(expected: "a digit in the exponent")
        }
        return isNegative ? -value : value
    }

    private func leadingZeros(from start: Int) -> Int {
        var zeros = 0
        var position = start
        while true {
            switch self[position] {
            case UInt8(ascii: "0"): zeros += 1
            case UInt8(ascii: "."): break
            default: return zeros
            }
            position += 1
        }
    }

    /// The text of a number, for messages; long ones are cut.
    func text(of number: JSONNumber) -> String {
        let shown = number.range.prefix(24)
        let digits = String(decoding: UnsafeRawBufferPointer(rebasing: text[shown]), as: UTF8.self)
        return shown.count < number.range.count ? digits + "…" : digits
    }

    // -- floating point ------------------------------------------------------------------------------------------

    /// The double nearest to a number; nil where it exceeds the largest.
    @inline(__always)
    func double(_ number: JSONNumber) -> Double? {
        if let quick = DecimalConversion.double(number) { return quick }
        return slowly(number) { strtod($0, nil) }
    }

    /// The float nearest to a number; nil where it exceeds the largest.
    @inline(__always)
    func float(_ number: JSONNumber) -> Float? {
        if let quick = DecimalConversion.float(number) { return quick }
        return slowly(number) { strtof($0, nil) }
    }

    /// Hands the digits to the C library, which is exact for any number of them; the process stays in the C locale.
    @inline(never)
    private func slowly<T: BinaryFloatingPoint>(
        _ number: JSONNumber, _ convert: (UnsafePointer<CChar>) -> T
    ) -> T? {
        let value = withUnsafeTemporaryAllocation(of: CChar.self, capacity: number.range.count + 1) { copy in
            for (index, position) in number.range.enumerated() {
                copy[index] = CChar(truncatingIfNeeded: text[position])
            }
            copy[number.range.count] = 0
            return copy.baseAddress.map { convert(UnsafePointer($0)) }
        }
        guard let value, value.isFinite else { return nil }
        return value
    }

    // -- integers ------------------------------------------------------------------------------------------------

    /// A whole number as the given type; nil where it has a fraction or an exponent, or is out of range.
    @inline(__always)
    func integer<T: FixedWidthInteger>(_ number: JSONNumber, as type: T.Type) -> T? {
        guard number.isWhole, let magnitude = number.isExact ? number.mantissa : magnitude(number) else { return nil }
        guard number.isNegative else { return T(exactly: magnitude) }
        guard magnitude <= Int64.min.magnitude else { return nil }
        return T(exactly: 0 &- Int64(bitPattern: magnitude))
    }

    /// The digits of a long whole number, if they fit into 64 bits.
    private func magnitude(_ number: JSONNumber) -> UInt64? {
        var magnitude: UInt64 = 0
        for position in number.range where text[position] != UInt8(ascii: "-") {
            let (shifted, tooLarge) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, overflow) = shifted.addingReportingOverflow(UInt64(text[position] - UInt8(ascii: "0")))
            guard !tooLarge, !overflow else { return nil }
            magnitude = sum
        }
        return magnitude
    }
}

/// Decimal to binary without the C library, for the numbers that clients really send; nil where it cannot be sure.
enum DecimalConversion {
    /// The largest power of ten that a double holds exactly.
    private static let largestExactPower = 22

    /// 10^`exponent` for 0 to 22, each exact as a double.
    @inline(__always)
    private static func power(_ exponent: Int) -> Double {
        switch exponent {
        case 0: 1e0
        case 1: 1e1
        case 2: 1e2
        case 3: 1e3
        case 4: 1e4
        case 5: 1e5
        case 6: 1e6
        case 7: 1e7
        case 8: 1e8
        case 9: 1e9
        case 10: 1e10
        case 11: 1e11
        case 12: 1e12
        case 13: 1e13
        case 14: 1e14
        case 15: 1e15
        case 16: 1e16
        case 17: 1e17
        case 18: 1e18
        case 19: 1e19
        case 20: 1e20
        case 21: 1e21
        default: 1e22
        }
    }

    /// The float nearest to `number`.
    ///
    /// The double computed here is off by at most 2 units in its last place. Rounding it to a float gives the right
    /// answer unless it lies that close to the middle between two floats; then, and for subnormals, give up.
    @inline(__always)
    static func float(_ number: JSONNumber) -> Float? {
        guard number.isExact, abs(number.exponent) <= largestExactPower else { return nil }
        let whole = Double(number.mantissa)
        let value = number.exponent < 0 ? whole / power(-number.exponent) : whole * power(number.exponent)
        let belowFloat = value.bitPattern & 0x1FFF_FFFF
        let middle: UInt64 = 0x1000_0000
        guard value == 0 || value >= Double(Float.leastNormalMagnitude) * 2, belowFloat &- (middle - 4) > 8 else {
            return nil
        }
        let result = Float(value)
        guard result.isFinite else { return nil }
        return number.isNegative ? -result : result
    }

    /// The double nearest to `number`.
    ///
    /// Up to 53 bits, one rounding of exact operands is right by IEEE 754. Beyond, the quotient or product is worked
    /// out to twice the precision, and trusted where an error of 2⁻⁹⁸ either way rounds to the same double.
    @inline(__always)
    static func double(_ number: JSONNumber) -> Double? {
        guard number.isExact, abs(number.exponent) <= largestExactPower else { return nil }
        let scale = power(abs(number.exponent))
        let head = Double(number.mantissa)
        let value: Double
        if number.mantissa <= 1 << 53 {
            value = number.exponent < 0 ? head / scale : head * scale
        } else {
            let tail = Double(Int64(bitPattern: number.mantissa &- UInt64(head)))
            guard let sum = sum(head, tail, scale, divide: number.exponent < 0) else { return nil }
            value = sum
        }
        return number.isNegative ? -value : value
    }

    /// (`head` + `tail`) × or ÷ `scale`, correctly rounded, or nil where two roundings are possible.
    @inline(never)
    private static func sum(_ head: Double, _ tail: Double, _ scale: Double, divide: Bool) -> Double? {
        let leading: Double
        let rest: Double
        if divide {
            leading = head / scale
            rest = (head.addingProduct(-leading, scale) + tail) / scale
        } else {
            leading = head * scale
            rest = (-leading).addingProduct(head, scale) + tail * scale
        }
        let margin = leading * 0x1p-98
        let low = leading + (rest - margin)
        return low == leading + (rest + margin) ? low : nil
    }
}
