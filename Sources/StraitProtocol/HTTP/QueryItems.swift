// SPDX-License-Identifier: Apache-2.0

/// The parameters behind the question mark of a path.
package struct QueryItems: Sendable {
    private var items: [(name: String, value: String)] = []

    /// More parameters than any endpoint has.
    static let maximumCount = 32

    /// Reads `a=1&b=two%20words`.
    ///
    /// - Parameters:
    ///   - text: what stands behind the question mark; empty for nothing.
    ///   - known: the names that mean something; any other is an error, so that slips are found.
    /// - Throws: ``ProtocolError`` for an escape that is broken, a name that is unknown or stands twice.
    package init(_ text: String, known: [String]) throws(ProtocolError) {
        let parts = text.split(separator: "&")
        guard parts.count <= Self.maximumCount else {
            throw ProtocolError(.invalidArgument, "more than \(Self.maximumCount) parameters behind the question mark")
        }
        for part in parts {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decoded(sides[0]), let value = Self.decoded(sides.count > 1 ? sides[1] : "") else {
                throw ProtocolError(.invalidArgument, "'\(shortened(part, to: 80))' is not percent-encoded UTF-8")
            }
            guard known.contains(name) else {
                throw ProtocolError(
                    .invalidArgument,
                    "there is no parameter '\(shortened(name, to: 40))'; there are \(known.joined(separator: ", "))")
            }
            guard self[name] == nil else {
                throw ProtocolError(.invalidArgument, "the parameter '\(name)' is given twice")
            }
            items.append((name, value))
        }
    }

    /// The value of a parameter; nil where it is not given.
    package subscript(name: String) -> String? { items.first { $0.name == name }?.value }

    /// Whether no parameter is given.
    package var isEmpty: Bool { items.isEmpty }

    /// The whole number that a parameter gives.
    ///
    /// - Throws: ``ProtocolError`` where it is none, or outside of the range.
    package func integer(_ name: String, in range: ClosedRange<Int>) throws(ProtocolError) -> Int? {
        guard let text = self[name] else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw ProtocolError(
                .invalidArgument,
                "\(name) is '\(shortened(text, to: 40))'; expected a whole number, \(range.lowerBound) to \(range.upperBound)"
            )
        }
        return value
    }

    private static func decoded(_ text: Substring) -> String? {
        Route.percentDecoded(text.contains("+") ? Substring(String(text.map { $0 == "+" ? " " : $0 })) : text)
    }
}
