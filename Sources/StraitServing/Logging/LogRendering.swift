// SPDX-License-Identifier: Apache-2.0

internal import StraitProtocol

/// How a line of the log is written: as one line, whatever its parts hold. Names come from clients and from files, and
/// none may make a second line, move a terminal's cursor, or hide what is there.
enum LogRendering {
    /// Characters of a text that are kept.
    private static let longest = 8192

    /// A line for people.
    ///
    /// - Parameter time: milliseconds since 1970; nil to leave it out.
    static func text(_ message: String, time: UInt64?) -> String {
        let line = visible(message)
        return time.map { "\(CalendarTime(milliseconds: $0)) \(line)" } ?? line
    }

    /// A line for programs: an object in JSON.
    static func json(
        _ message: String, level: String, event: String?, fields: [LogLine.Field], time: UInt64
    ) -> String {
        var message = message.drop { $0 == " " }
        if message.hasPrefix(LogLine.warningPrefix) {
            message = message.dropFirst(LogLine.warningPrefix.count).drop { $0 == " " }
        }
        var writer = JSONWriter()
        writer.beginObject()
        func member(_ name: String, _ value: String) {
            writer.key(name)
            writer.string(value)
        }
        member("time", "\(CalendarTime(milliseconds: time))")
        member("level", level)
        if let event { member("event", event) }
        member("message", shortened(String(message)))
        for field in fields { member(field.name, shortened(field.value)) }
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private static func shortened(_ text: String) -> String {
        text.unicodeScalars.count <= longest ? text : String(text.unicodeScalars.prefix(longest)) + "…"
    }

    /// Text with everything written out that is no letter of its line.
    private static func visible(_ text: String) -> String {
        let text = shortened(text)
        guard text.unicodeScalars.contains(where: isHidden) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where isHidden(scalar): result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Controls, line ends of Unicode, and what turns the direction of writing or cannot be seen.
    private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F...0x9F, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x2069, 0xFEFF: true
        default: false
        }
    }
}
