// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Testing

@testable internal import StraitProtocol

@Suite struct NumberTests {
    private func scan<Result>(
        _ text: String, _ body: (inout JSONScanner) throws(ProtocolError) -> Result
    ) throws -> Result {
        try Array(text.utf8).withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            let result = try body(&scanner)
            try scanner.finish()
            return result
        }
    }

    /// Compares both widths with the C library, bit for bit.
    private func checkAgainstTheCLibrary(_ text: String, _ seed: UInt64) throws {
        let double = try? scan(text, Double.scan)
        let expected = strtod(text, nil)
        #expect(double?.bitPattern == (expected.isFinite ? expected.bitPattern : nil), "\(text), seed \(seed)")
        let float = try? scan(text, Float.scan)
        let expectedFloat = strtof(text, nil)
        #expect(float?.bitPattern == (expectedFloat.isFinite ? expectedFloat.bitPattern : nil), "\(text), seed \(seed)")
    }

    @Test(arguments: 0..<UInt64(8))
    func shortestFormsOfRandomBitsAreExact(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<1000 {
            let float = Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
            if float.isFinite { try checkAgainstTheCLibrary("\(float)", seed) }
            let double = Double(bitPattern: generator.next())
            if double.isFinite { try checkAgainstTheCLibrary("\(double)", seed) }
            // What clients send for floats: the double's digits.
            try checkAgainstTheCLibrary("\(Double(Float.random(in: -10...10, using: &generator)))", seed)
        }
    }

    @Test(arguments: 0..<UInt64(8))
    func randomDigitsAreExact(seed: UInt64) throws {
        var generator = SeededGenerator(seed: 1000 + seed)
        for _ in 0..<2000 {
            let digits = Int.random(in: 1...30, using: &generator)
            var text = Bool.random(using: &generator) ? "-" : ""
            text += String(Int.random(in: 1...9, using: &generator))
            let point = Int.random(in: 0...digits, using: &generator)
            for index in 0..<digits {
                if index == point { text += "." }
                text += String(Int.random(in: 0...9, using: &generator))
            }
            if Bool.random(using: &generator) { text += "e\(Int.random(in: -50...40, using: &generator))" }
            if text.hasSuffix(".") { text += "0" }
            try checkAgainstTheCLibrary(text, seed)
        }
    }

    /// The middle between two neighbours is where a wrong rounding shows.
    @Test func numbersHalfwayBetweenTwoFloatsRoundLikeTheCLibrary() throws {
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<2000 {
            let low = Float(bitPattern: UInt32.random(in: 0x0080_0000..<0x7F00_0000, using: &generator))
            let middle = (Double(low) + Double(low.nextUp)) / 2
            for value in [middle, middle.nextUp, middle.nextDown] { try checkAgainstTheCLibrary("\(value)", 7) }
            guard middle > 1e-6, middle < 1e15 else { continue }
            // Written out in full, with a digit that decides far behind.
            let digits = String(middle.description)
            guard digits.contains("."), !digits.contains("e") else { continue }
            for tail in ["0000000001", "0000000000000000000000000001"] { try checkAgainstTheCLibrary(digits + tail, 7) }
        }
        for text in ["16777217", "16777217.0000000000000001", "9007199254740993", "9007199254740993.00000000000000001"]
        {
            try checkAgainstTheCLibrary(text, 7)
        }
    }

    @Test(arguments: [
        "0", "-0", "-0.0", "0e5", "0.000", "1e-400", "1e400", "-1e400", "1.7976931348623157e308",
        "1.7976931348623159e308",
        "3.4028235e38", "3.4028236e38", "3.40282357e38", "1.17549435e-38", "1e-45", "7e-46", "4.9e-324", "2e-324",
        "5e-324",
        "2.2250738585072011e-308", "123456789012345678901234567890", "0.00000000000000000000000000012345678901234567",
        "1e22", "1e23", "9999999999999999999", "99999999999999999999", "1e99999999999", "0e99999999999",
        "1e-99999999999",
        "8.5070591730234615847396907784e37", "9007199254740995", "90071992547409950e-1", "900719925474099.5e1",
        "6.631236846766476e-316",
    ])
    func cornersAgreeWithTheCLibrary(_ text: String) throws {
        try checkAgainstTheCLibrary(text, 0)
    }

    @Test func integersKeepTheirLimits() throws {
        func integer<T: JSONElement>(_ text: String, _ type: T.Type) -> T? { try? scan(text, T.scan) }
        #expect(integer("18446744073709551615", UInt64.self) == .max)
        #expect(integer("18446744073709551616", UInt64.self) == nil)
        #expect(integer("-9223372036854775808", Int64.self) == .min)
        #expect(integer("-9223372036854775809", Int64.self) == nil)
        #expect(integer("-18446744073709551615", Int64.self) == nil)
        #expect(integer("-1", UInt64.self) == nil)
        #expect(integer("-0", UInt8.self) == 0)
        #expect(integer("1.0", Int32.self) == nil)
        #expect(integer("1E3", Int32.self) == nil)
    }
}
