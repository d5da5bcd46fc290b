// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable internal import StraitFormats

@Suite struct JSONTests {
    @Test(arguments: [
        ("", "end of the text"), ("   ", "end of the text"), ("{", "a key in quotes"), ("{\"a\"}", "':'"),
        ("{\"a\":}", "a JSON value"), ("{\"a\":1", "',' or '}'"), ("{\"a\":1,}", "a key in quotes"),
        ("[1,]", "a JSON value"), ("[1", "',' or ']'"), ("[1 2]", "',' or ']'"), ("1 2", "end of the text"),
        ("{} x", "end of the text"), ("tru", "a JSON value"), ("nul", "a JSON value"), ("NaN", "a JSON value"),
        ("Infinity", "a JSON value"), ("-", "a digit"), ("01", "does not start with 0"), ("-01", "start with 0"),
        ("1.", "after the decimal point"), (".5", "a JSON value"), ("1e", "in the exponent"), ("+1", "a JSON value"),
        ("\"a", "not closed"), ("\"a\u{1}\"", "control character"), ("\"\\x\"", "escape"),
        ("\"\\u12G4\"", "hexadecimal"),
        ("\"\\ud800\"", "surrogate"), ("\"\\udc00\"", "surrogate"), ("\"\\ud800\\u0041\"", "surrogate"),
        ("\"\\", "escape"), ("\"\\u00", "hexadecimal"), ("{\"a\":1,\"a\":2}", "stands twice"),
        ("{\"a\":1,\"\\u0061\":2}", "stands twice"), ("{'a':1}", "a key in quotes"), ("{\"a\":\u{0}}", "byte 0x0"),
        (String(repeating: "[", count: 17), "nested deeper"),
        (String(repeating: "{\"a\":", count: 17), "nested deeper"),
    ])
    func whatIsNotJSONIsRefused(text: String, expected: String) {
        #expect(throws: FormatError.self) { try JSONNode(parsing: text) }
        do { _ = try JSONNode(parsing: text) } catch {
            #expect(error.code == .malformed)
            #expect(error.message.contains(expected), "\(error)")
        }
    }

    @Test func textThatIsNotUTF8IsRefused() {
        let text: [UInt8] = [0x22, 0xFF, 0x22]
        text.withUnsafeBufferPointer { bytes -> Void in
            #expect(throws: FormatError.self) { _ = try JSONReader.read(bytes) }
        }
    }

    @Test func sixteenLevelsAndSixtyFourKeysAreRead() throws {
        _ = try JSONNode(parsing: String(repeating: "[", count: 16) + String(repeating: "]", count: 16))
        let keys = (0..<64).map { "\"\($0)\":0" }
        _ = try JSONNode(parsing: "{\(keys.joined(separator: ","))}")
        #expect(throws: FormatError.self) { try JSONNode(parsing: "{\(keys.joined(separator: ",")),\"x\":0}") }
    }

    @Test func stringsComeThroughEscapesAndBack() throws {
        let text = "\"\\ \"\n\t\r\u{8}\u{C}/ é € 😀\u{1}"
        var written = JSONText()
        written.string(text)
        #expect(try JSONNode(parsing: String(decoding: written.bytes, as: UTF8.self)).string == text)
        let escaped = #""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#
        #expect(try JSONNode(parsing: escaped).string == "\"\\/\u{8}\u{C}\n\r\té😀")
    }

    @Test(
        arguments: [
            ("0", 0), ("-0", 0), ("1", 1_000_000), ("0.000001", 1), ("0.0000004", 0), ("0.0000005", 1),
            ("0.00000049999999999999999999", 0), ("12.345678", 12_345_678), ("12.34567849999", 12_345_678),
            ("1e3", 1_000_000_000), ("1E-6", 1), ("1.5e+1", 15_000_000), ("1e-400", 0), ("-2.5", -2_500_000),
            ("999999999999.999999", 999_999_999_999_999_999), ("16.666666666666668", 16_666_667),
            ("0.000000000000000000000000000001e30", 1_000_000), ("100000000000000000000e-20", 1_000_000),
        ] as [(String, Int64)])
    func millisecondsAreReadToTheNearestNanosecond(text: String, nanoseconds: Int64) throws {
        #expect(try JSONNode(parsing: text).nanoseconds == nanoseconds)
    }

    @Test(arguments: ["1e13", "1e400", "-1e30", "9223372036854.775808"])
    func millisecondsBeyondSixtyFourBitsAreNone(text: String) throws {
        #expect(try JSONNode(parsing: text).nanoseconds == nil)
    }

    @Test(
        arguments: [
            ("3", 3), ("3.0", 3), ("30e-1", 3), ("3.5", nil), ("1e-30", nil), ("9223372036854775807", .max),
            ("9223372036854775808", nil), ("1e19", nil), ("-4", -4),
        ] as [(String, Int64?)])
    func onlyIntegersAreWhole(text: String, value: Int64?) throws {
        #expect(try JSONNode(parsing: text).whole == value)
    }

    @Test func instantsAreWrittenExactlyAndShortly() {
        let cases: [(Int64, String)] = [
            (0, "0"), (1, "0.000001"), (-1, "-0.000001"), (1_000_000, "1"), (1_500_000, "1.5"),
            (10_000_001, "10.000001"), (.max, "9223372036854.775807"), (.min, "-9223372036854.775808"),
        ]
        for (nanoseconds, text) in cases { #expect(Milliseconds.text(nanoseconds) == text) }
    }

    @Test func everyNumberIsReadBackAsItWasWritten() throws {
        var random = SeededGenerator(seed: 11)
        for _ in 0..<20_000 {
            let nanoseconds =
                Int64.random(in: .min ... .max, using: &random) >> Int64.random(in: 0..<63, using: &random)
            #expect(try JSONNode(parsing: Milliseconds.text(nanoseconds)).nanoseconds == nanoseconds)
            let value = Double(bitPattern: random.next())
            guard value.isFinite else { continue }
            var text = JSONText()
            text.number(value)
            let node = try JSONNode(parsing: String(decoding: text.bytes, as: UTF8.self))
            guard case .number(let decimal) = node.content else { Issue.record("\(value) is no number"); continue }
            #expect(decimal.double == value)
        }
    }

    /// A letter with any number of accents is one character, but must not make a message of any length.
    @Test func quotesAreShortInBytes() throws {
        let letter = "e" + String(repeating: "\u{301}", count: 10_000)
        #expect(JSONNode.quoted(letter).utf8.count < 200)
        #expect(JSONNode.quoted("short") == "\"short\"")
        let fields = try JSONFields(try JSONNode(parsing: "{\"\(letter)\": 1}"))
        do throws(FormatError) { try fields.finish(known: ["k"]) } catch { #expect(error.description.utf8.count < 300) }
    }
}
