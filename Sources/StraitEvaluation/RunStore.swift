// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitFormats

/// Where runs are kept: a file of lines, one for each run, appended as it ends. What broke off in the middle of a line is
/// cut off when it is opened again; nothing else is ever changed.
struct RunStore: ~Copyable {
    /// The file.
    let path: String
    /// What it held when it was opened, by key.
    private(set) var records: [String: RunRecord] = [:]
    private let file: Int32

    /// Bytes beyond which a file is no store of ours: half a million runs.
    private static let mostBytes = 1 << 31

    /// Opens a file, or makes it.
    ///
    /// - Parameter fresh: whether to forget what it holds.
    /// - Throws: `badFile` with the file and the line; also while another process has it open.
    init(_ path: String, fresh: Bool) throws(EvaluationError) {
        self.path = path
        file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw Self.failure(path, "cannot be opened: \(Files.reason())") }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            throw Self.failure(path, "another evaluation writes to it; give this one a folder of its own")
        }
        var whole = 0
        if !fresh {
            let lines: [RecordLine]
            (lines, whole) = try Self.read(path)
            for line in lines { records[line.key] = line.record }
        }
        guard ftruncate(file, off_t(whole)) == 0 else { throw Self.failure(path, "cannot be cut: \(Files.reason())") }
    }

    deinit { if file >= 0 { close(file) } }

    /// Adds a run. After a crash of the machine the last ones may be lost, after one of the process none.
    func append(_ line: RecordLine) throws(EvaluationError) {
        if let reason = Files.append(Array((line.text + "\n").utf8), to: file) {
            throw Self.failure(path, "cannot be written: \(reason)")
        }
    }

    /// Reads what a file holds, in its order, and says how many of its bytes are whole lines.
    static func read(_ path: String) throws(EvaluationError) -> (lines: [RecordLine], whole: Int) {
        let content: [UInt8]
        do throws(FormatError) { content = try Files.read(path, limit: mostBytes) } catch {
            throw EvaluationError(.badFile, "\(error)")
        }
        var start = 0
        var number = 0
        var lines: [RecordLine] = []
        while let end = content[start...].firstIndex(of: UInt8(ascii: "\n")) {
            number += 1
            do throws(FormatError) {
                lines.append(
                    try content.withUnsafeBufferPointer { (bytes) throws(FormatError) in
                        try RecordLine(UnsafeBufferPointer(rebasing: bytes[start..<end]))
                    })
            } catch {
                throw failure("\(path):\(number)", "\(error); remove the line, or start over with --fresh")
            }
            start = end + 1
        }
        return (lines, start)
    }

    private static func failure(_ place: String, _ message: String) -> EvaluationError {
        EvaluationError(.badFile, "\(place): \(message)")
    }
}
