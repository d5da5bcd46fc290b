// SPDX-License-Identifier: Apache-2.0

/// The file that says whose requests are taken: for each tenant the digests of its tokens, and what it may do.
///
/// JSON, written by people and by `strait token`. It holds no token, so that who reads it can do nothing with it.
package struct TokensFile: Sendable, Hashable {
    /// The version of the form; a file of any other is refused.
    package static let version = 1
    /// The longest file that is read: all tenants that may be with all they may have is a fraction of it.
    static let maximumBytes = 4 << 20
    /// Tenants: a token that is new to a connection is compared with all of them.
    static let maximumTenants = 1024
    /// Tokens of one tenant: one in use and one that takes its place, and some to spare.
    static let maximumTokens = 8
    /// Patterns of one tenant.
    static let maximumPatterns = 256

    /// Whose requests are taken, and which.
    package struct Tenant: Sendable, Hashable {
        /// The name, for messages and logs: letters, digits and -_. of ASCII.
        package var name: String
        /// SHA-256 of each token, as 64 hexadecimal digits in small letters.
        package var digests: [String]
        /// The models that it may use: names in which `*` stands for any run of characters.
        package var models: [String]
        /// Whether its requests may be of the high class.
        package var mayClaimHigh = false
        /// Whether it may load and unload models, change settings and share memory.
        package var mayAdminister = false
        /// Requests a second in the long run; nil for any number.
        package var requestsPerSecond: Double?
        /// Requests that may come at once before that rate counts; nil for a second's worth.
        package var burst: Double?
        /// Requests between their arrival and their answer; nil for a fair share of the waiting queue.
        package var concurrency: Int?

        /// A tenant that may do nothing out of the ordinary.
        package init(name: String, digests: [String], models: [String]) {
            self.name = name
            self.digests = digests
            self.models = models
        }
    }

    /// All tenants, each name and each token once.
    package var tenants: [Tenant]

    /// Reads a file.
    ///
    /// - Throws: a ``FormatError`` with the file, and for its content the line, the key and what was expected.
    package init(path: String) throws(FormatError) {
        let content = try Files.read(path, limit: Self.maximumBytes)
        self = try content.parsed(file: path) { (text) throws(FormatError) in try TokensFile(text: text) }
    }

    /// Reads a text.
    package init(text: String) throws(FormatError) {
        try self.init(bytes: Array(text.utf8))
    }

    /// Reads a text's bytes.
    package init(bytes: [UInt8]) throws(FormatError) {
        self = try bytes.parsed(file: "") { (text) throws(FormatError) in try TokensFile(text: text) }
    }

    init(text: UnsafeBufferPointer<UInt8>) throws(FormatError) {
        var fields = try JSONFields(try JSONReader.read(text))
        try fields.version("strait_tokens", Self.version, otherwise: "see docs/security.md")
        let nodes = try fields.array("tenants", atMost: Self.maximumTenants)
        try fields.finish(known: ["strait_tokens", "tenants"])
        tenants = []
        var names: Set<String> = []
        var digests: Set<String> = []
        for (index, node) in nodes.enumerated() {
            var entry = try JSONFields(node, at: "tenants[\(index)]")
            let tenant = try Tenant(&entry)
            guard names.insert(tenant.name).inserted else {
                throw entry.failure("name", "there is a tenant \(JSONNode.quoted(tenant.name)) already")
            }
            for digest in tenant.digests where !digests.insert(digest).inserted {
                throw entry.failure("sha256", "\(digest.prefix(8))… stands twice in the file; each token has one owner")
            }
            tenants.append(tenant)
        }
    }
}

extension TokensFile.Tenant {
    private static let keys = [
        "name", "sha256", "models", "high", "administer", "requests_per_second", "burst", "concurrency",
    ]
    /// Bytes of a name: it stands in lines for people.
    private static let maximumName = 64
    /// Hexadecimal digits of SHA-256.
    private static let digits = 64

    fileprivate init(_ fields: inout JSONFields) throws(FormatError) {
        let name = try fields.name("name")
        guard name.utf8.count <= Self.maximumName, name.utf8.allSatisfy(Self.isPlain) else {
            throw fields.failure("name", "expected at most \(Self.maximumName) letters, digits and -_. of ASCII")
        }
        self.init(name: name, digests: [], models: [])
        for text in try fields.strings("sha256", atMost: TokensFile.maximumTokens) {
            guard text.utf8.count == Self.digits, text.utf8.allSatisfy(Self.isDigit) else {
                throw fields.failure(
                    "sha256", "expected \(Self.digits) hexadecimal digits, as `strait token` prints them")
            }
            digests.append(text.lowercased())
        }
        models = try fields.strings("models", atMost: TokensFile.maximumPatterns)
        mayClaimHigh = try fields.optionalBool("high") ?? false
        mayAdminister = try fields.optionalBool("administer") ?? false
        requestsPerSecond = try fields.optionalNumber("requests_per_second", in: 0.001...1e6)
        burst = try fields.optionalNumber("burst", in: 1...1e6)
        concurrency = try fields.optionalWhole("concurrency", in: 1...1_000_000)
        guard burst == nil || requestsPerSecond != nil else {
            throw fields.failure("burst", "means nothing without requests_per_second")
        }
        try fields.finish(known: Self.keys)
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}

extension TokensFile.Tenant {
    /// The entry as it stands in a file, on one line.
    package var json: String {
        var text = JSONText()
        text.raw("{\"name\": ")
        text.string(name)
        text.raw(", \"sha256\": ")
        text.strings(digests)
        text.raw(", \"models\": ")
        text.strings(models)
        if mayClaimHigh { text.raw(", \"high\": true") }
        if mayAdminister { text.raw(", \"administer\": true") }
        if let requestsPerSecond {
            text.raw(", \"requests_per_second\": ")
            text.number(requestsPerSecond)
        }
        if let burst {
            text.raw(", \"burst\": ")
            text.number(burst)
        }
        if let concurrency {
            text.raw(", \"concurrency\": ")
            text.integer(concurrency)
        }
        text.raw("}")
        return String(decoding: text.bytes, as: UTF8.self)
    }
}

extension JSONFields {
    /// An array of 1 to `limit` strings of 1 to `Bounds.name` bytes each.
    fileprivate mutating func strings(_ key: String, atMost limit: Int) throws(FormatError) -> [String] {
        var texts: [String] = []
        for node in try array(key, atMost: limit) {
            guard case .string(let text) = node.content, (1...Bounds.name).contains(text.utf8.count) else {
                throw failure(key, "expected strings of 1 to \(Bounds.name) bytes, found \(node.words)")
            }
            texts.append(text)
        }
        return texts
    }
}

extension JSONText {
    fileprivate mutating func strings(_ texts: [String]) {
        raw("[")
        for (index, text) in texts.enumerated() {
            if index > 0 { raw(", ") }
            string(text)
        }
        raw("]")
    }
}
