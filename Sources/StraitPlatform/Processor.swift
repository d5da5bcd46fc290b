// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// What processor this is.
package enum Processor {
    /// Its name as the system has it, such as `AMD EPYC 7B13`. On arm64, which names none, its architecture with the
    /// numbers of its implementer and part.
    package static let name: String = {
        let first = fields(of: "/proc/cpuinfo")
        if let name = first["model name"], !name.isEmpty { return name }
        let numbers = ["CPU implementer", "CPU part"].compactMap { first[$0] }
        return ([architecture] + numbers).joined(separator: " ")
    }()

    private static var architecture: String {
        var names = utsname()
        guard uname(&names) == 0 else { return "processor" }
        return withUnsafeBytes(of: &names.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// Bytes of the file that are read: its first processor is all that is wanted.
    private static let readLength = 4096

    /// Keys with their values, of the first processor in the file.
    private static func fields(of path: String) -> [String: String] {
        guard let file = fopen(path, "r") else { return [:] }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: readLength)
        let count = fread(&bytes, 1, bytes.count, file)
        var fields: [String: String] = [:]
        for line in String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n") {
            let sides = line.split(separator: ":", maxSplits: 1)
            guard sides.count == 2 else { continue }
            let key = trimmed(sides[0])
            if fields[key] == nil { fields[key] = trimmed(sides[1]) }
        }
        return fields
    }

    private static func trimmed(_ text: Substring) -> String {
        text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}
