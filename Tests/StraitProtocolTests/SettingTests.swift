// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable internal import StraitProtocol

@Suite struct SettingTests {
    private func body(_ text: String) throws(ProtocolError) -> ControlBody { try ControlBody(json: Array(text.utf8)) }

    @Test func `a control body is an object, or nothing`() throws {
        #expect(try body("").members.isEmpty)
        #expect(try body(" \n").members.isEmpty)
        let read = try body(
            #"{"a":null,"b":true,"c":-5,"d":1.5,"e":"é","f":["x","y"],"g":{"z":[1]},"h":[1],"i":1e999,"parameters":{"p":"q"}}"#
        )
        #expect(
            read.members == [
                "a": .null, "b": .bool(true), "c": .integer(-5), "d": .double(1.5), "e": .string("é"),
                "f": .strings(["x", "y"]), "g": .other, "h": .other, "i": .other,
            ])
        #expect(read.parameters == ["p": .string("q")])
        #expect(try body(#"{"parameters":null}"#) == ControlBody(json: []))
    }

    @Test(arguments: [
        "[]", "null", "1", "{", #"{"a"}"#, #"{"a":1,}"#, #"{"a":1,"a":2}"#, #"{"a":1} x"#, #"{"parameters":[]}"#,
        #"{"parameters":{"a":1,"a":1}}"#, "{\"a\":\"\u{0}\"}", "{\"a\":" + String(repeating: "[", count: 1000),
    ]) func `other bodies are refused`(_ text: String) {
        #expect(throws: ProtocolError.self) { try body(text) }
    }

    @Test func `members are of their type, or named as what they are not`() throws {
        let read = try body(#"{"yes":true,"n":7,"t":"x","zero":null,"minus":-1}"#)
        #expect(try read.bool("yes", default: false) && !read.bool("none", default: false))
        #expect(try read.count("n", default: 1) == 7 && read.count("zero", default: 1) == 1)
        #expect(try read.string("t") == "x")
        #expect(throws: ProtocolError(.invalidArgument, "minus is -1; expected a whole number of at least 0")) {
            try read.count("minus", default: nil)
        }
        #expect(throws: ProtocolError(.invalidArgument, "\"none\" is missing")) { try read.count("none", default: nil) }
        #expect(throws: ProtocolError(.invalidArgument, "n is 7; expected true or false")) {
            try read.bool("n", default: true)
        }
        #expect(throws: ProtocolError.self) { try read.string("zero") }
        #expect(throws: ProtocolError.self) { try read.string("n") }
    }

    @Test func `there are only so many members`() throws {
        let members = (0..<257).map { #""m\#($0)":1"# }.joined(separator: ",")
        #expect(throws: ProtocolError.self) { try body("{\(members)}") }
        let texts = (0..<257).map { "\"\($0)\"" }.joined(separator: ",")
        #expect(throws: ProtocolError.self) { try body(#"{"a":[\#(texts)]}"#) }
    }

    // -- traces ---------------------------------------------------------------------------------------------------

    @Test func `trace settings change and go back`() throws {
        var settings = TraceSettings()
        try settings.update(
            [
                "trace_level": .strings(["TENSORS", "TIMESTAMPS"]), "trace_rate": .string("5"),
                "trace_count": .integer(7), "log_frequency": .strings(["2"]),
            ], usual: TraceSettings())
        #expect(settings.level == ["TIMESTAMPS", "TENSORS"])
        #expect(settings.rate == 5 && settings.count == 7 && settings.logFrequency == 2)
        let document = String(decoding: Documents.settings(settings.entries), as: UTF8.self)
        #expect(document.hasPrefix(#"{"trace_level":["TIMESTAMPS","TENSORS"],"trace_rate":"5","trace_count":"7""#))
        try settings.update(["trace_level": .null, "trace_rate": .strings([])], usual: TraceSettings())
        #expect(settings.level == ["OFF"] && settings.rate == 1000 && settings.count == 7)
    }

    @Test(arguments: [
        ("trace_level", SettingValue.strings(["LOUD"])), ("trace_level", .strings(["OFF", "TENSORS"])),
        ("trace_level", .integer(1)), ("trace_rate", .string("0")), ("trace_rate", .string("x")),
        ("trace_rate", .string("4294967296")), ("trace_count", .string("-2")), ("trace_count", .bool(true)),
        ("log_frequency", .string("-1")), ("log_frequency", .strings(["1", "2"])), ("trace_file", .string("/etc/x")),
        ("unknown", .string("1")),
    ]) func `what cannot be is refused, and nothing changes`(_ name: String, _ value: SettingValue) {
        var settings = TraceSettings()
        var values: [String: SettingValue] = ["trace_count": .string("9"), "log_frequency": .string("9")]
        values[name] = value
        #expect(throws: ProtocolError.self) { try settings.update(values, usual: TraceSettings()) }
        #expect(settings == TraceSettings())
    }

    // -- the log --------------------------------------------------------------------------------------------------

    @Test func `log settings change`() throws {
        var settings = LogSettings()
        try settings.update([
            "log_info": .bool(false), "log_verbose_level": .integer(2), "log_format": .string("ISO8601"),
        ])
        #expect(!settings.info && settings.warning && settings.verboseLevel == 2 && settings.format == .iso8601)
        #expect(
            String(decoding: Documents.settings(settings.entries), as: UTF8.self)
                == #"{"log_file":"","log_info":false,"log_warning":true,"log_error":true,"log_verbose_level":2,"#
                + #""log_format":"ISO8601"}"#)
    }

    @Test(arguments: [
        ("log_info", SettingValue.integer(1)), ("log_verbose_level", .integer(-1)), ("log_verbose_level", .bool(true)),
        ("log_verbose_level", .integer(1 << 32)), ("log_format", .string("xml")), ("log_file", .string("/tmp/x")),
        ("log_everything", .bool(true)), ("log_error", .null),
    ]) func `log settings that cannot be are refused`(_ name: String, _ value: SettingValue) {
        var settings = LogSettings()
        #expect(throws: ProtocolError.self) { try settings.update(["log_warning": .bool(false), name: value]) }
        #expect(settings == LogSettings())
    }
}
