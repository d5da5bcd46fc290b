// SPDX-License-Identifier: Apache-2.0

/// The header `tracestate`: what other systems keep of a trace, for us to pass on unread.
package enum TraceState {
    /// Bytes that are passed on, as the W3C asks for at least.
    private static let longest = 512
    private static let mostMembers = 32
    private static let longestKey = 256
    private static let longestValue = 256

    /// What is passed on of a request's headers of that name, in their order; empty where they are malformed or too
    /// long, which loses the trace nothing but what other systems added.
    ///
    /// - Complexity: O(bytes).
    package static func passedOn(_ headers: some Sequence<String>) -> String {
        var members: [Substring] = []
        var length = 0
        for header in headers {
            // Before it is taken apart: a header may be far longer.
            guard header.utf8.count <= longest * 2 else { return "" }
            for part in header.split(separator: ",", omittingEmptySubsequences: true) {
                let member = trimmed(part)
                guard !member.isEmpty else { continue }
                guard isMember(member) else { return "" }
                members.append(member)
                length += member.utf8.count + 1
            }
            guard members.count <= mostMembers, length <= longest + 1 else { return "" }
        }
        return members.joined(separator: ",")
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let isBlank = { (character: Character) in character == " " || character == "\t" }
        let start = text.drop(while: isBlank)
        guard let last = start.lastIndex(where: { !isBlank($0) }) else { return "" }
        return start[...last]
    }

    /// Whether text is `key=value` of the allowed letters.
    private static func isMember(_ text: Substring) -> Bool {
        let bytes = text.utf8
        guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")) else { return false }
        let (key, value) = (bytes[..<equals], bytes[bytes.index(after: equals)...])
        guard (1...longestKey).contains(key.count), (1...longestValue).contains(value.count) else { return false }
        guard let first = key.first, isLetterOrDigit(first), key.allSatisfy(isOfKey) else { return false }
        return value.allSatisfy { (0x20...0x7E).contains($0) && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "=") }
    }

    private static func isOfKey(_ byte: UInt8) -> Bool { isLetterOrDigit(byte) || "_-*/@".utf8.contains(byte) }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
