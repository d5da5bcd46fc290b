// SPDX-License-Identifier: Apache-2.0

/// A header as it came: its name and what it says.
package struct Header: Sendable, Equatable {
    package let name: String
    package let value: String
    /// Their bytes as they came, which are more or fewer where those are no text; tables are measured in them.
    let nameBytes: Int
    let valueBytes: Int

    init(_ name: (text: String, bytes: Int), _ value: (text: String, bytes: Int)) {
        (self.name, nameBytes) = (name.text, name.bytes)
        (self.value, valueBytes) = (value.text, value.bytes)
    }

    /// What it counts as in HPACK's tables and lists: its bytes, and 32 for what holds it.
    package var size: Int { nameBytes + valueBytes + 32 }
}

/// The headers that a byte or two stand for: those that everybody knows, and behind them those that this connection's client
/// wants remembered, the last one first.
struct HeaderTable {
    /// The oldest first.
    private var remembered: [Header] = []
    /// What the remembered count as together.
    private(set) var bytes = 0
    /// The most that they may, which the client may lower.
    private(set) var limit = HeaderTable.maximumBytes

    /// The most that a client may have remembered: HTTP/2's default, as we tell no other.
    static let maximumBytes = 4096

    /// The header of a number; nil where there is none.
    subscript(_ number: Int) -> Header? {
        guard number > 0 else { return nil }
        if number <= Self.known.count { return Self.known[number - 1] }
        let place = remembered.count - (number - Self.known.count)
        return place >= 0 ? remembered[place] : nil
    }

    /// Remembers a header, and forgets the oldest for which there is no room then: itself, where it is longer than all.
    mutating func remember(_ header: Header) {
        remembered.append(header)
        bytes += header.size
        forget()
    }

    /// Changes how much may be remembered; false where that is more than was allowed.
    mutating func resize(_ limit: Int) -> Bool {
        guard limit <= Self.maximumBytes else { return false }
        self.limit = limit
        forget()
        return true
    }

    /// There are at most 128 of them, so that moving them up is cheap.
    private mutating func forget() {
        var count = 0
        while bytes > limit {
            bytes -= remembered[count].size
            count += 1
        }
        remembered.removeFirst(count)
    }

    /// RFC 7541, appendix A.
    private static let known: [Header] = [
        (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
        (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
        (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
        ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
        ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
        ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
        ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""),
        ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""),
        ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""),
        ("last-modified", ""), ("link", ""), ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""),
        ("proxy-authorization", ""), ("range", ""), ("referer", ""), ("refresh", ""), ("retry-after", ""),
        ("server", ""), ("set-cookie", ""), ("strict-transport-security", ""), ("transfer-encoding", ""),
        ("user-agent", ""), ("vary", ""), ("via", ""), ("www-authenticate", ""),
    ].map { Header(($0, $0.utf8.count), ($1, $1.utf8.count)) }
}
