// SPDX-License-Identifier: Apache-2.0

/// Where traces are sent: an address of plain HTTP.
package struct ExportAddress: Sendable, Hashable, CustomStringConvertible {
    /// A name, or an address; of IPv6 without its brackets.
    package let host: String
    package let port: UInt16
    /// The path, with its leading slash.
    package let path: String

    /// Why an address cannot be used.
    package struct Problem: Error, Sendable, Hashable, CustomStringConvertible {
        package let description: String
    }

    /// The path of traces below an address that is meant for all kinds of telemetry.
    private static let tracesPath = "/v1/traces"
    private static let longest = 2048

    /// Reads an address such as `http://localhost:4318`.
    ///
    /// - Parameter isWhole: whether it is that of traces alone, to be used as it is, rather than one to whose path
    ///   `/v1/traces` is added.
    package init(_ text: String, isWhole: Bool = false) throws(Problem) {
        func problem(_ words: String) -> Problem {
            Problem(description: "\(words); expected for instance http://localhost:4318")
        }
        let shown = String(text.prefix(200)).filter { !$0.isNewline }
        guard !text.hasPrefix("https://") else {
            throw Problem(
                description: "'\(shown)': traces are sent over plain HTTP only; run a collector beside the server that "
                    + "takes http:// and sends them on over TLS")
        }
        let scheme = "http://"
        guard text.hasPrefix(scheme) else { throw problem("'\(shown)' does not begin with http://") }
        guard text.utf8.count <= Self.longest, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw problem("'\(shown)' is too long, or has letters that no address has")
        }
        let rest = text.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        let path = rest.dropFirst(authority.count)
        guard !path.contains("#"), !path.contains("?"), !authority.contains("@") else {
            throw problem("'\(shown)' has a query, a fragment or a name of a user")
        }
        let (host, portText) = Self.split(authority)
        guard let host, !host.isEmpty else { throw problem("'\(shown)' names no host") }
        guard let port = portText.map({ UInt16($0) }) ?? 80, port > 0 else {
            throw problem("'\(shown)' has no port from 1 to 65535")
        }
        self.host = String(host)
        self.port = port
        if isWhole {
            self.path = path.isEmpty ? "/" : String(path)
        } else {
            self.path = (path.hasSuffix("/") ? path.dropLast() : path) + Self.tracesPath
        }
    }

    /// The host and the text of the port; no host where the brackets are wrong.
    private static func split(_ authority: Substring) -> (host: Substring?, port: Substring?) {
        if authority.first == "[" {
            guard let close = authority.firstIndex(of: "]") else { return (nil, nil) }
            let host = authority[authority.index(after: authority.startIndex)..<close]
            let rest = authority[authority.index(after: close)...]
            guard rest.isEmpty || rest.first == ":" else { return (nil, nil) }
            return (host, rest.isEmpty ? nil : rest.dropFirst())
        }
        guard let colon = authority.firstIndex(of: ":") else { return (authority, nil) }
        return (authority[..<colon], authority[authority.index(after: colon)...])
    }

    /// What the header `Host` says.
    package var authority: String { (host.contains(":") ? "[\(host)]" : host) + ":\(port)" }

    package var description: String { "http://\(authority)\(path)" }
}
