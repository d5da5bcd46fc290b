// SPDX-License-Identifier: Apache-2.0

extension Files {
    /// Reads a file of at most `limit` bytes line by line, whatever its length in no more memory than a line takes.
    ///
    /// - Throws: `unreadable`, or what `take` throws, with the file and the line.
    static func readLines(
        _ path: String, limit: Int, pieceLength: Int = 1 << 16,
        take: (UnsafeBufferPointer<UInt8>) throws(FormatError) -> Void
    ) throws(FormatError) {
        var splitter = LineSplitter()
        var failure: FormatError?
        var (bytes, line) = (0, 0)
        func hand(_ text: UnsafeBufferPointer<UInt8>) {
            do throws(FormatError) { try take(text) } catch { failure = error.located(file: path, line: line) }
        }
        func hand(_ found: LineSplitter.Line, in piece: UnsafeBufferPointer<UInt8>) {
            line += 1
            switch found {
            case .within(let range): hand(UnsafeBufferPointer(rebasing: piece[range]))
            case .joined(let text): text.withUnsafeBufferPointer { hand($0) }
            case .tooLong:
                failure = FormatError(
                    .malformed, "longer than \(LineSplitter.maximumLength) bytes", file: path, line: line)
            }
        }
        try read(path, pieceLength: pieceLength) { piece in
            bytes += piece.count
            guard bytes <= limit else {
                failure = FormatError(.unreadable, "longer than \(limit) bytes, which is no such file", file: path)
                return false
            }
            let piece = piece.bindMemory(to: UInt8.self)
            var offset = 0
            while failure == nil, let found = splitter.next(in: piece, from: &offset) { hand(found, in: piece) }
            return failure == nil
        }
        if failure == nil, let found = splitter.rest() {
            hand(found, in: UnsafeBufferPointer(start: nil, count: 0))
        }
        if let failure { throw failure }
    }
}
