// SPDX-License-Identifier: Apache-2.0

/// How a body may be compressed on its way (RFC 9110, 8.4.1).
package enum ContentCoding: String, Sendable, Hashable, CaseIterable {
    case gzip
    /// The zlib format, as the RFC has it; not the bare deflate stream.
    case deflate

    /// The coding of a request's body.
    ///
    /// - Parameter header: of Content-Encoding; nil where there is none.
    /// - Returns: nil for a body as it is.
    /// - Throws: ``ProtocolError`` `invalidArgument` for other codings, and for more than one.
    package static func ofRequest(_ header: String?) throws(ProtocolError) -> ContentCoding? {
        guard let name = header?.lowercased(), !name.isEmpty, name != "identity" else { return nil }
        if let coding = ContentCoding(rawValue: name == "x-gzip" ? "gzip" : name) { return coding }
        throw ProtocolError(
            .invalidArgument,
            "Content-Encoding: \(shortened(name)) is not taken; send gzip, deflate, or the body as it is")
    }

    /// The coding for a response: gzip before deflate where a client takes both, nil where it takes neither.
    ///
    /// - Parameter header: of Accept-Encoding.
    /// - Complexity: O(bytes).
    package static func forResponse(_ header: String) -> ContentCoding? {
        var taken: Set<ContentCoding> = []
        var refused: Set<ContentCoding> = []
        var takesAny = false
        for item in header.split(separator: ",") {
            let parts = item.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
            guard let name = parts.first else { continue }
            let isRefused = parts.dropFirst().contains { part in
                part.hasPrefix("q=") && Double(part.dropFirst(2)) == 0
            }
            if name == "*" {
                takesAny = !isRefused
            } else if let coding = ContentCoding(rawValue: name == "x-gzip" ? "gzip" : name) {
                if isRefused { refused.insert(coding) } else { taken.insert(coding) }
            }
        }
        return allCases.first { taken.contains($0) || (takesAny && !refused.contains($0)) }
    }
}
