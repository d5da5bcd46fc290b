// SPDX-License-Identifier: Apache-2.0

/// The file that says who may read metrics: one token a line, as scrapers keep theirs, or the token's digest. Empty lines
/// and those that begin with # say nothing.
package struct MetricsTokensFile: Sendable, Hashable {
    /// SHA-256 of each token, as 64 hexadecimal digits in small letters.
    package let digests: [String]

    /// Bytes of the file: all tokens that may be in it, with room for remarks.
    private static let largest = 64 << 10
    /// Tokens: one in use, one that takes its place, and some for other scrapers.
    private static let mostTokens = 8
    /// Bytes of a token. What is shorter than the least is guessed; ours have 71.
    private static let tokenBytes = 16...512
    /// Before a digest.
    private static let mark = "sha256:"
    private static let digitCount = 64

    /// Reads a file.
    ///
    /// - Throws: ``FormatError`` with the file, the line, and what was expected; never with what stands there.
    package init(path: String) throws(FormatError) {
        var found: [String] = []
        let lines = try Files.read(path, limit: Self.largest)
            .split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, bytes) in lines.enumerated() {
            let line = Self.trimmed(bytes)
            guard let first = line.first, first != UInt8(ascii: "#") else { continue }
            guard let digest = Self.digest(String(decoding: line, as: UTF8.self)) else {
                throw FormatError(
                    .invalid,
                    "expected a token of \(Self.tokenBytes.lowerBound) to \(Self.tokenBytes.upperBound) letters without "
                        + "blanks, or \(Self.mark) and its SHA-256",
                    file: path, line: index + 1)
            }
            found.append(digest)
        }
        guard (1...Self.mostTokens).contains(found.count) else {
            throw FormatError(
                .invalid, "\(found.count) tokens; expected 1 to \(Self.mostTokens), one a line", file: path)
        }
        digests = found
    }

    private static func digest(_ line: String) -> String? {
        if line.hasPrefix(mark) {
            let digits = line.dropFirst(mark.utf8.count).lowercased()
            return digits.utf8.count == digitCount && digits.allSatisfy { $0.isASCII && $0.isHexDigit } ? digits : nil
        }
        let isPlain = line.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
        return isPlain && tokenBytes.contains(line.utf8.count) ? FileDigest.sha256(text: line) : nil
    }

    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let blanks: Set<UInt8> = [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r")]
        var line = line.drop { blanks.contains($0) }
        while let last = line.last, blanks.contains(last) { line = line.dropLast() }
        return line
    }
}
