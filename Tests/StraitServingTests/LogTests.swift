// SPDX-License-Identifier: Apache-2.0

internal import StraitProtocol
internal import Testing

@testable internal import StraitServing

/// The log: what is written, in which form, and that no name can forge a line.
@Suite struct LogTests {
    private let lines = Lines()

    private func log(_ format: LogSettings.Format = .plain) -> ServerLog {
        var settings = LogSettings()
        settings.format = format
        return ServerLog(settings, write: lines.note)
    }

    @Test func `an event is a line for people`() {
        log().note(LogLine(.modelReady, "m version 1 is loaded", ["model": "m", "version": "1"]))
        #expect(lines.all == ["m version 1 is loaded"])
    }

    @Test func `an event is an object for programs`() throws {
        let log = log(.json)
        log.note(LogLine(.deviceLost, "x is out of service", kind: .warning, ["device": "x", "batches": "2"]))
        log.note("  warning: low on memory")
        log.note(LogLine(.stopped, "not all was answered", kind: .error))
        try #require(lines.all.count == 3)
        let pattern = #/\{"time":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ",(.*)\}/#
        let rest = try lines.all.map { String(try #require($0.wholeMatch(of: pattern)).1) }
        #expect(
            rest[0]
                == #""level":"warning","event":"device_lost","message":"x is out of service","batches":"2","device":"x""#
        )
        #expect(rest[1] == #""level":"warning","message":"low on memory""#)
        #expect(rest[2] == #""level":"error","event":"stopped","message":"not all was answered""#)
    }

    private static let forged = [
        "a\nstrait 9.9.9, everything is fine", "a\r\u{1B}[2Jb", "a\u{1B}]0;title\u{7}", "\u{2028}b\u{2029}",
        "\u{202E}gpj",
        "a\u{0}b", "\u{9B}31m", "\u{85}x", "a\tb", "\u{200B}\u{FEFF}", "\u{7F}", "\"}\n{\"level\":\"error",
    ]

    @Test(arguments: forged) func `no name makes a second line or moves a terminal's cursor`(_ name: String) throws {
        for format in [LogSettings.Format.plain, .iso8601, .json] {
            log(format).note(
                LogLine(
                    .modelUnavailable, "\(name): UNAVAILABLE: \(name)", kind: .error, ["model": name, "reason": name]))
        }
        for line in lines.all {
            let hidden = line.unicodeScalars.filter { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) }
            // JSON leaves what is no control of ASCII as it is; whoever reads it decodes it first.
            #expect(hidden.isEmpty || line.hasPrefix("{") && hidden.allSatisfy { $0.value >= 0x7F })
            #expect(!line.contains("\n") && !line.contains("\r"))
        }
        let json = try #require(lines.all.last)
        let decoded = try ControlBody(json: Array(json.utf8)).members
        #expect(decoded["model"] == .string(name) && decoded["level"] == .string("error") && decoded.count == 6)
    }

    @Test func `what is long is cut`() {
        for format in [LogSettings.Format.plain, .json] {
            log(format).note(LogLine(.ready, String(repeating: "é", count: 100_000)))
        }
        #expect(lines.all.allSatisfy { $0.unicodeScalars.count < 8400 })
    }

    @Test func `a random text is one line`() {
        var numbers = SystemlessNumbers(state: 5)
        let log = log()
        for count in 1...2000 {
            var text = ""
            for _ in 0..<8 {
                if let scalar = Unicode.Scalar(UInt32.random(in: 0...0x2100, using: &numbers)) {
                    text.unicodeScalars.append(scalar)
                }
            }
            log.note(text)
            #expect(lines.all.count == count)
            let last = lines.all.last ?? ""
            #expect(last.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) })
        }
    }

    @Test func `levels change while it runs, and who changed them is told`() throws {
        let log = log()
        log.verbose(1, "no")
        _ = try log.update(["log_verbose_level": .integer(2), "log_info": .bool(false)])
        log.verbose(2, "yes")
        log.note("no")
        log.note(.error, "an error")
        _ = try log.update(["log_error": .bool(false), "log_warning": .bool(false), "log_verbose_level": .integer(0)])
        log.note(.error, "no")
        log.note(.warning, "no")
        let changed = "settings of log changed: log_info = false, log_verbose_level = 2"
        #expect(lines.all == [changed, "yes", "an error"])
        #expect(throws: ProtocolError.self) { try log.update(["log_format": .string("xml")]) }
        _ = try log.update(["log_format": .string("json"), "log_error": .bool(true)])
        log.note(.error, "in JSON")
        #expect(lines.all.last?.hasSuffix(#""level":"error","message":"in JSON"}"#) == true)
    }
}

/// Numbers at random, the same for the same beginning.
private struct SystemlessNumbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
    }
}
