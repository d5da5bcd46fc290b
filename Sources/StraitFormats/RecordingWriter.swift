// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import StraitCore

/// Writes a recording while it is made. What was written is there for others to read at once, but is not waited for.
package struct RecordingWriter: Sendable {
    /// The file.
    package let path: String
    /// Requests that were written.
    package private(set) var arrivals = 0
    /// Batches that were written.
    package private(set) var batches = 0

    private let file: Int32
    private var text = JSONText()

    /// Opens a file, in the place of what was there, and writes its head.
    ///
    /// - Throws: `unwritable` with the file.
    package init(path: String, _ head: Recording.Head) throws(FormatError) {
        self.path = path
        file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw FormatError(.unwritable, "cannot be created: \(Files.reason())", file: path) }
        text.recordingHead(head)
        do throws(FormatError) { try flush() } catch {
            close(file)
            throw error
        }
    }

    /// Writes records.
    ///
    /// - Throws: `unwritable` with the file.
    package mutating func append(_ records: [Recording.Record]) throws(FormatError) {
        for record in records {
            switch record {
            case .arrival:
                text.record(record, number: arrivals)
                arrivals += 1
            case .batch:
                text.record(record, number: batches)
                batches += 1
            case .answer(let answer): text.record(record, number: answer.arrival)
            case .model, .device: text.record(record, number: 0)
            }
            if text.bytes.count >= Self.pieceLength { try flush() }
        }
        try flush()
    }

    /// Writes the end, if one is given, and closes the file. Nothing can be written afterwards.
    ///
    /// - Throws: `unwritable` with the file, which is closed all the same.
    package mutating func finish(at end: Instant?, dropped: Int) throws(FormatError) {
        defer { close(file) }
        if let end { text.recordingEnd(at: end, dropped: dropped) }
        try flush()
    }

    /// Bytes that are written at once.
    private static let pieceLength = 1 << 18

    private mutating func flush() throws(FormatError) {
        defer { text.removeAll() }
        if let reason = Files.append(text.bytes, to: file) {
            throw FormatError(.unwritable, "cannot be written: \(reason)", file: path)
        }
    }
}
