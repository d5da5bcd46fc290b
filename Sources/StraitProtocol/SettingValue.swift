// SPDX-License-Identifier: Apache-2.0

/// What a client gives for a setting or a parameter of a control request.
package enum SettingValue: Sendable, Hashable {
    /// Back to the default.
    case null
    case bool(Bool)
    case integer(Int64)
    case double(Double)
    case string(String)
    case strings([String])
    /// An object or something else that no setting takes.
    case other

    /// The one text of a setting that has one; nil where it has none, or several.
    package var text: String? {
        switch self {
        case .string(let text): text
        case .integer(let number): String(number)
        case .strings(let texts): texts.count == 1 ? texts[0] : nil
        case .null, .bool, .double, .other: nil
        }
    }

    /// For messages.
    package var words: String {
        switch self {
        case .null: "null"
        case .bool(let value): String(value)
        case .integer(let number): String(number)
        case .double(let number): String(number)
        case .string(let text): "\"\(shortened(text))\""
        case .strings(let texts): "a list of \(texts.count)"
        case .other: "an object"
        }
    }
}

/// The JSON bodies of requests that are no inferences: one object, whose members are settings, and which may be left out.
package struct ControlBody: Sendable, Hashable {
    /// The members, by name.
    package var members: [String: SettingValue] = [:]
    /// The members of the member `parameters`.
    package var parameters: [String: SettingValue] = [:]

    /// The most members of an object, and of a list.
    package static let maximumMembers = 256
    /// The largest body, in bytes: room for a model's configuration.
    package static let maximumSize = 1 << 20

    /// Reads a body.
    ///
    /// - Throws: ``ProtocolError`` `invalidArgument` for what is no JSON object.
    /// - Complexity: O(bytes).
    package init(_ bytes: UnsafeRawBufferPointer) throws(ProtocolError) {
        var scanner = JSONScanner(bytes)
        scanner.skipWhitespace()
        guard scanner.offset < bytes.count else { return }
        var parameters: [String: SettingValue] = [:]
        members = try Self.object(&scanner) { (name, scanner) throws(ProtocolError) in
            guard name == "parameters" else { return false }
            if scanner.null() { return true }
            parameters = try Self.object(&scanner) { _, _ in false }
            return true
        }
        self.parameters = parameters
        try scanner.finish()
    }

    /// Reads a body.
    ///
    /// - Throws: ``ProtocolError`` `invalidArgument` for what is no JSON object.
    package init(json: [UInt8]) throws(ProtocolError) {
        // The standard library's function throws no typed errors.
        let outcome = json.withUnsafeBytes { bytes -> Result<ControlBody, ProtocolError> in
            do throws(ProtocolError) {
                return .success(try ControlBody(bytes))
            } catch {
                return .failure(error)
            }
        }
        self = try outcome.get()
    }

    /// Reads an object; `take` may consume a member's value itself, and says whether it did.
    private static func object(
        _ scanner: inout JSONScanner, take: (String, inout JSONScanner) throws(ProtocolError) -> Bool
    ) throws(ProtocolError) -> [String: SettingValue] {
        var members: [String: SettingValue] = [:]
        var names: Set<String> = []
        try scanner.openObject()
        var isFirst = true
        while let token = try scanner.nextMember(isFirst: &isFirst) {
            let name = try scanner.content(of: token)
            guard names.insert(name).inserted else { throw scanner.failure("\"\(shortened(name))\" is given twice") }
            guard names.count <= maximumMembers else { throw scanner.failure("more than \(maximumMembers) members") }
            if try !take(name, &scanner) { members[name] = try value(&scanner) }
        }
        return members
    }

    private static func value(_ scanner: inout JSONScanner) throws(ProtocolError) -> SettingValue {
        switch scanner.peek() {
        case UInt8(ascii: "\""): return .string(try string(&scanner))
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool(try scanner.bool())
        case UInt8(ascii: "n"):
            guard scanner.null() else { throw scanner.unexpected(expected: "a value") }
            return .null
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            let number = try scanner.number()
            if let value = scanner.integer(number, as: Int64.self) { return .integer(value) }
            return scanner.double(number).map { .double($0) } ?? .other
        case UInt8(ascii: "["): return try list(&scanner)
        default:
            try scanner.skipValue()
            return .other
        }
    }

    private static func list(_ scanner: inout JSONScanner) throws(ProtocolError) -> SettingValue {
        var texts: [String] = []
        var isOther = false
        try scanner.openArray()
        var isFirst = true
        while try scanner.nextElement(isFirst: &isFirst) {
            guard texts.count < maximumMembers else { throw scanner.failure("more than \(maximumMembers) elements") }
            guard scanner.peek() == UInt8(ascii: "\"") else {
                try scanner.skipValue()
                isOther = true
                continue
            }
            texts.append(try string(&scanner))
        }
        return isOther ? .other : .strings(texts)
    }

    private static func string(_ scanner: inout JSONScanner) throws(ProtocolError) -> String {
        let token = try scanner.string()
        return try scanner.content(of: token)
    }

    // -- members --------------------------------------------------------------------------------------------------

    /// A truth value; the default where it is absent or null.
    package func bool(_ name: String, default usual: Bool) throws(ProtocolError) -> Bool {
        try Self.bool(name, members[name], usual)
    }

    /// A truth value among the parameters; the default where it is absent or null.
    package func parameter(_ name: String, default usual: Bool) throws(ProtocolError) -> Bool {
        try Self.bool("parameters.\(name)", parameters[name], usual)
    }

    private static func bool(
        _ name: String, _ value: SettingValue?, _ usual: Bool
    ) throws(ProtocolError) -> Bool {
        switch value {
        case nil, .null: return usual
        case .bool(let value): return value
        case let value?: throw unexpected(name, value, "true or false")
        }
    }

    /// A whole number of at least 0; the default where it is absent or null.
    package func count(_ name: String, default usual: Int?) throws(ProtocolError) -> Int {
        switch members[name] {
        case .integer(let value):
            if let count = Int(exactly: value), count >= 0 { return count }
        case nil, .null:
            guard let usual else { throw ProtocolError(.invalidArgument, "\"\(name)\" is missing") }
            return usual
        default: break
        }
        throw Self.unexpected(name, members[name] ?? .null, "a whole number of at least 0")
    }

    /// A text.
    package func string(_ name: String) throws(ProtocolError) -> String {
        switch members[name] {
        case .string(let text): return text
        case nil, .null: throw ProtocolError(.invalidArgument, "\"\(name)\" is missing")
        case let value?: throw Self.unexpected(name, value, "a string")
        }
    }

    static func unexpected(_ name: String, _ value: SettingValue, _ expected: String) -> ProtocolError {
        ProtocolError(.invalidArgument, "\(shortened(name)) is \(value.words); expected \(expected)")
    }
}
