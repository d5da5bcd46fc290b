// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitServing
internal import Synchronization

/// A folder of its own for each test, gone afterwards with all that is in it.
final class Folder: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/strait-serving-XXXXXX".utf8CString)
        path =
            template.withUnsafeMutableBufferPointer { $0.baseAddress.flatMap(mkdtemp).map { String(cString: $0) } }
            ?? ""
    }

    deinit { Self.remove(path) }

    /// Writes a file, in folders that are made where they are missing.
    func write(_ text: String, to name: String) {
        var folder = path
        for part in name.split(separator: "/").dropLast() {
            folder += "/\(part)"
            mkdir(folder, 0o755)
        }
        guard let file = fopen("\(path)/\(name)", "w") else { return }
        fputs(text, file)
        fclose(file)
    }

    /// The text of a file; empty where there is none.
    func read(_ name: String) -> String {
        guard let file = fopen("\(path)/\(name)", "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        return String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
    }

    private static func remove(_ path: String) {
        if let folder = opendir(path) {
            while let entry = readdir(folder) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != ".", name != ".." { remove("\(path)/\(name)") }
            }
            closedir(folder)
        }
        Glibc.remove(path)
    }
}

/// Lines that were logged.
final class Lines: Sendable {
    private let lines = Mutex<[String]>([])

    func note(_ line: String) { lines.withLock { $0.append(line) } }

    func note(_ line: LogLine) { note(line.text) }

    var all: [String] { lines.withLock { $0 } }

    /// Whether a line has these words.
    func have(_ words: String) -> Bool { all.contains { $0.contains(words) } }
}
