// SPDX-License-Identifier: Apache-2.0

internal import StraitFormats

/// Sessions of `strait core`.
enum CoreProperty {
    /// Pieces in which the same bytes come a second time: odd, so that their edges meet every part of a line.
    private static let pieceLength = 13

    static func flaw(_ bytes: [UInt8]) -> String? {
        let whole = answers(bytes, pieceLength: max(1, bytes.count))
        if let broken = whole.broken { return broken }
        let cut = answers(bytes, pieceLength: pieceLength)
        guard whole.text == cut.text else { return "the answers depend on how the bytes were cut" }
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)
        let asked = lines.count { line in line.contains { ![0x20, 0x09, 0x0D].contains($0) } }
        let answered = whole.text.split(separator: UInt8(ascii: "\n"))
        let closed = answered.count { $0.starts(with: #"{"done":"#.utf8) || $0.starts(with: #"{"error":"#.utf8) }
        guard closed == asked else { return "\(asked) lines have \(closed) ends of answers" }
        if let error = answered.first(where: { $0.starts(with: #"{"error":"#.utf8) }) {
            // Escapes make up to six bytes of one.
            guard error.count <= 6 * FuzzedDecoder.longestMessage else { return "an error of \(error.count) bytes" }
        }
        for line in answered where line.withUnsafeBufferPointer({ try? JSONReader.read($0) }) == nil {
            return "an answer that is not JSON"
        }
        return nil
    }

    private static func answers(_ bytes: [UInt8], pieceLength: Int) -> (text: [UInt8], broken: String?) {
        var session = CoreSession()
        var output = JSONText()
        bytes.withUnsafeBufferPointer { bytes in
            for start in stride(from: 0, to: bytes.count, by: pieceLength) {
                let piece = bytes[start..<min(start + pieceLength, bytes.count)]
                session.take(UnsafeBufferPointer(rebasing: piece), into: &output)
            }
        }
        session.end(into: &output)
        return (output.bytes, session.brokenInvariant())
    }
}
