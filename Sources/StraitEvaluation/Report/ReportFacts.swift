// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitPlatform

/// What a reader needs to make a report again. Unlike the rest of it this depends on when and where it was made.
enum ReportFacts {
    /// The command line, the revision of the code if it is in a git repository, the machine and the date.
    ///
    /// - Parameters:
    ///   - arguments: the command line, the program first.
    ///   - seeds: the seeds that ran.
    static func all(arguments: [String], seeds: [UInt64]) -> [(name: String, value: String)] {
        let program = arguments.first?.split(separator: "/").last.map(String.init) ?? "strait"
        let command = ([program] + arguments.dropFirst()).joined(separator: " ")
        let revision = output(of: "git describe --always --dirty --abbrev=12 2>/dev/null")
        return [
            ("command", command), ("seeds", seeds.map(String.init).joined(separator: ", ")),
            ("git revision", revision.isEmpty ? "unknown" : revision),
            ("host", "\(CoreSet.allowed().count) cores"), ("date", date()),
        ]
    }

    /// The first line that a command prints; empty if it fails.
    private static func output(of command: String) -> String {
        guard let pipe = popen(command, "r") else { return "" }
        defer { pclose(pipe) }
        var line = [CChar](repeating: 0, count: 128)
        guard fgets(&line, Int32(line.count), pipe) != nil else { return "" }
        let bytes = line.prefix { $0 != 0 && $0 != CChar(UInt8(ascii: "\n")) }
        return String(decoding: bytes.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Now, in UTC, to the minute.
    private static func date() -> String {
        var now = time(nil)
        var parts = tm()
        gmtime_r(&now, &parts)
        func two(_ value: Int32) -> String { (value < 10 ? "0" : "") + "\(value)" }
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)) UTC"
    }
}
