// SPDX-License-Identifier: Apache-2.0

/// Where a server listens, taken from a URL such as `http://127.0.0.1:8000` or `grpcs://scanner:8001`.
package struct ServerAddress: Sendable, Equatable, CustomStringConvertible {
    /// The host's name or address.
    package let host: String
    /// The TCP port.
    package let port: Int
    /// What stands before `/v2` in every path: empty, or such as `/gateway`.
    package let pathPrefix: String
    /// What is spoken there.
    package let transport: LoadPlan.Transport
    /// Whether it is spoken over TLS.
    package let isSecure: Bool

    /// The ports where none is given: Triton's and our own.
    package static let defaultPort = 8000
    package static let defaultGRPCPort = 8001

    /// An address given in parts.
    package init(
        host: String, port: Int, pathPrefix: String = "", transport: LoadPlan.Transport = .http, isSecure: Bool = false
    ) {
        self.host = host
        self.port = port
        self.pathPrefix = pathPrefix
        self.transport = transport
        self.isSecure = isSecure
    }

    /// Reads `[http[s]://]host[:port][/prefix]`, or for gRPC `[grpc[s]://]host[:port]`; an IPv6 address stands in
    /// brackets.
    ///
    /// - Parameter transport: what is spoken; nil for what the URL says, which is HTTP where it says nothing.
    /// - Throws: ``LoadError`` of code `badPlan`.
    package init(url: String, transport asked: LoadPlan.Transport? = .http) throws(LoadError) {
        var rest = Substring(url)
        let transport = asked ?? (rest.hasPrefix("grpc") && Self.schemeEnd(rest) != nil ? .grpc : .http)
        let schemes = Self.schemes(transport)
        var isSecure = false
        if let scheme = schemes.first(where: rest.hasPrefix) {
            rest = rest.dropFirst(scheme.utf8.count)
            isSecure = scheme.hasSuffix("s://")
        } else if let scheme = Self.schemeEnd(rest) {
            throw LoadError(
                .badPlan,
                "The URL \(url) has the scheme \(rest[..<scheme]): only \(schemes.joined(separator: ", ")) are spoken "
                    + "here.")
        }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        var prefix = rest[slash...]
        while prefix.hasSuffix("/") { prefix = prefix.dropLast() }
        let authority = rest[..<slash]
        let host: Substring
        let portText: Substring?
        if authority.hasPrefix("["), let close = authority.firstIndex(of: "]") {
            host = authority[authority.index(after: authority.startIndex)..<close]
            let after = authority[authority.index(after: close)...]
            portText = after.hasPrefix(":") ? after.dropFirst() : (after.isEmpty ? nil : after)
        } else if let colon = authority.lastIndex(of: ":") {
            host = authority[..<colon]
            portText = authority[authority.index(after: colon)...]
        } else {
            host = authority
            portText = nil
        }
        let port = portText.map { Int($0) ?? 0 } ?? (transport == .http ? Self.defaultPort : Self.defaultGRPCPort)
        guard !host.isEmpty, (1...65_535).contains(port) else {
            let usual = transport == .http ? Self.defaultPort : Self.defaultGRPCPort
            throw LoadError(
                .badPlan,
                "The URL \(url) cannot be read: expected \(schemes[0])HOST:PORT, as in \(schemes[0])127.0.0.1:\(usual)."
            )
        }
        guard transport == .http || prefix.isEmpty else {
            throw LoadError(.badPlan, "The URL \(url) has the path \(prefix), and gRPC has its own; leave it out.")
        }
        self.init(
            host: String(host), port: port, pathPrefix: String(prefix), transport: transport, isSecure: isSecure)
    }

    /// What the `Host` header says.
    package var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// As a URL.
    package var description: String { "\(transport.rawValue)\(isSecure ? "s" : "")://\(authority)\(pathPrefix)" }

    /// The path of a model, to which `/infer` may be added; unusual bytes in the name are percent-encoded.
    package func path(ofModel model: String) -> String { "\(pathPrefix)/v2/models/\(Self.percentEncoded(model))" }

    /// How URLs begin, the plain one first; those of HTTP are taken for gRPC too, as other clients do.
    private static func schemes(_ transport: LoadPlan.Transport) -> [String] {
        let web = ["http://", "https://"]
        return transport == .http ? web : ["grpc://", "grpcs://"] + web
    }

    /// Where a scheme such as `https` ends; nil for a text that has none.
    private static func schemeEnd(_ text: Substring) -> Substring.Index? {
        guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else { return nil }
        return colon
    }

    static func percentEncoded(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                encoded += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return encoded
    }
}
