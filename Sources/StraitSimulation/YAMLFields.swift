// SPDX-License-Identifier: Apache-2.0

internal import Yams

/// A mapping of a YAML file whose keys are all known, read one by one, each checked for kind and range.
///
/// What is wrong names the file, the line and the key, and says what was expected.
struct YAMLFields {
    private let file: String
    /// Where the mapping stands, such as `models[2]`; empty at the top.
    private let path: String
    private let line: Int
    private let members: [String: Node]

    /// The root of a file's text.
    ///
    /// - Throws: `badFile`, also for text that is not YAML or that repeats itself with aliases.
    init(text: [UInt8], file: String, known: [String]) throws(SimulationError) {
        guard let root = try YAMLText(text, file: file).root() else {
            throw SimulationError(.badFile, "\(file): empty; expected one of the keys \(known.joined(separator: ", "))")
        }
        try self.init(root, file: file, path: "", known: known)
    }

    /// A mapping with keys out of `known`.
    private init(_ node: Node, file: String, path: String, known: [String]) throws(SimulationError) {
        self.file = file
        self.path = path
        line = node.line
        guard case .mapping(let mapping) = node, node.isUntagged else {
            throw Self.failure(
                file, node.line, path, "expected keys out of \(known.joined(separator: ", ")), found \(node.words)")
        }
        var members: [String: Node] = [:]
        for (key, value) in mapping {
            guard let name = key.scalar?.string, known.contains(name) else {
                let name = key.scalar.map { "unknown key \(Node.quoted($0.string))" } ?? "a key that is no text"
                throw Self.failure(file, key.line, path, "\(name); expected one of \(known.joined(separator: ", "))")
            }
            // A key that stands twice does not get here: the parser refuses it.
            members[name] = value
        }
        self.members = members
    }

    /// The mapping of an element of a list of this one.
    func fields(of node: Node, at key: String, _ index: Int, known: [String]) throws(SimulationError) -> YAMLFields {
        try YAMLFields(node, file: file, path: "\(keyPath(key))[\(index)]", known: known)
    }

    // -- errors ---------------------------------------------------------------------------------------------------

    private func keyPath(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    private static func failure(_ file: String, _ line: Int, _ key: String, _ message: String) -> SimulationError {
        SimulationError(.badFile, "\(file):\(line): " + (key.isEmpty ? "" : "\(key): ") + message)
    }

    /// An error about one of the keys.
    func failure(_ key: String, _ message: String) -> SimulationError {
        Self.failure(file, members[key]?.line ?? line, keyPath(key), message)
    }

    /// What `read` makes of a key's value, or else `fallback` where the key is not there.
    private func value<Value>(
        _ key: String, _ expected: @autoclosure () -> String, or fallback: Value?, _ read: (Node) -> Value?
    ) throws(SimulationError) -> Value {
        guard let node = members[key] else {
            guard let fallback else { throw failure(key, "missing; expected \(expected())") }
            return fallback
        }
        guard let value = read(node) else { throw failure(key, "expected \(expected()), found \(node.words)") }
        return value
    }

    // -- values ---------------------------------------------------------------------------------------------------

    /// Whether a key is there.
    func has(_ key: String) -> Bool { members[key] != nil }

    /// A text of 1 to 256 bytes.
    func text(_ key: String, or fallback: String? = nil) throws(SimulationError) -> String {
        try value(key, "a text of 1 to 256 bytes", or: fallback) { node in
            node.text.flatMap { (1...256).contains($0.utf8.count) ? $0 : nil }
        }
    }

    /// True or false.
    func bool(_ key: String, or fallback: Bool) throws(SimulationError) -> Bool {
        try value(key, "true or false", or: fallback) { node in node.plain.flatMap { Bool($0) } }
    }

    /// One of the raw values of an enumeration.
    func choice<Value: RawRepresentable & CaseIterable>(
        _ key: String, or fallback: Value
    ) throws(SimulationError) -> Value where Value.RawValue == String {
        try value(key, "one of " + Value.allCases.map(\.rawValue).joined(separator: ", "), or: fallback) { node in
            node.text.flatMap { Value(rawValue: $0) }
        }
    }

    /// A number in a range.
    func number(
        _ key: String, in range: ClosedRange<Double>, or fallback: Double? = nil
    ) throws(SimulationError) -> Double {
        try value(key, Self.words(range), or: fallback) { node in
            node.number.flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// A number in a range, or null.
    func numberOrNull(
        _ key: String, in range: ClosedRange<Double>, or fallback: Double?
    ) throws(SimulationError) -> Double? {
        if members[key]?.plain == "null" { return nil }
        return try value(key, Self.words(range) + ", or null", or: .some(fallback)) { node in
            node.number.flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// A whole number in a range; `4.9e6` is one.
    func whole<Value: FixedWidthInteger>(
        _ key: String, in range: ClosedRange<Value>, or fallback: Value? = nil
    ) throws(SimulationError) -> Value {
        try value(key, "a whole number from \(range.lowerBound) to \(range.upperBound)", or: fallback) { node in
            guard let number = node.number, let text = node.plain,
                let whole = Value(text) ?? Value(exactly: number), range.contains(whole)
            else { return nil }
            return whole
        }
    }

    /// The keys of a mapping, or nil where it is not there.
    func fields(_ key: String, known: [String]) throws(SimulationError) -> YAMLFields? {
        guard let node = members[key] else { return nil }
        return try YAMLFields(node, file: file, path: keyPath(key), known: known)
    }

    /// A list of 1 to `limit` elements, or nil where it is not there and need not be.
    func list(_ key: String, atMost limit: Int, isNeeded: Bool) throws(SimulationError) -> [Node]? {
        guard has(key) || isNeeded else { return nil }
        return try value(key, "a list of 1 to \(limit)", or: nil) { node in
            guard case .sequence(let list) = node, node.isUntagged, (1...limit).contains(list.count) else { return nil }
            return Array(list)
        }
    }

    private static func words(_ range: ClosedRange<Double>) -> String {
        "a number from \(words(range.lowerBound)) to \(words(range.upperBound))"
    }

    private static func words(_ number: Double) -> String {
        number.magnitude < 1e15 ? Int64(exactly: number).map { "\($0)" } ?? "\(number)" : "\(number)"
    }
}

extension Node {
    /// The line that it begins in, from 1.
    fileprivate var line: Int { mark?.line ?? 1 }

    /// Whether the file leaves it to us what it is. (Quoted texts count as tagged by their quotes.)
    fileprivate var isUntagged: Bool {
        switch self {
        case .scalar(let scalar): scalar.tag.rawValue.isEmpty || scalar.tag.rawValue == Tag.Name.str.rawValue
        case .mapping(let mapping): mapping.tag.rawValue.isEmpty
        case .sequence(let sequence): sequence.tag.rawValue.isEmpty
        case .alias: false
        }
    }

    /// Its text, quoted in the file or not; nil for what is no text and for nothing at all.
    fileprivate var text: String? { isUntagged ? scalar?.string : nil }

    /// Its text if it is not quoted.
    fileprivate var plain: String? {
        guard let scalar, scalar.style == .plain, scalar.tag.rawValue.isEmpty else { return nil }
        return scalar.string
    }

    /// A finite decimal number. What YAML also knows, such as 0x10, 1_000, 1:30 and .inf, is none here.
    fileprivate var number: Double? {
        guard let plain, plain.utf8.allSatisfy(Self.digits.contains), let number = Double(plain), number.isFinite else {
            return nil
        }
        return number
    }

    private static let digits = Set("0123456789+-.eE".utf8)

    /// What it is, for messages.
    fileprivate var words: String {
        guard isUntagged else { return "a value with a tag" }
        return switch self {
        case .scalar(let scalar):
            scalar.string.isEmpty && scalar.style == .plain ? "nothing" : Self.quoted(scalar.string)
        case .mapping: "keys with values"
        case .sequence(let list): "a list of \(list.count)"
        case .alias: "an alias"
        }
    }

    /// A text as it stands in messages: short, on one line.
    fileprivate static func quoted(_ text: String) -> String {
        let scalars = text.unicodeScalars
        var quoted = "\""
        for scalar in scalars.prefix(longestQuote) {
            quoted.unicodeScalars.append(scalar.properties.generalCategory == .control ? "\u{FFFD}" : scalar)
        }
        return quoted + (scalars.count > longestQuote ? "…\"" : "\"")
    }

    /// Longer texts do not help to find them.
    private static let longestQuote = 40
}

/// A file's text on its way to the parser.
private struct YAMLText {
    private let text: String
    private let file: String

    /// - Throws: `badFile` if it is not UTF-8, or if it refers to parts of itself.
    init(_ bytes: [UInt8], file: String) throws(SimulationError) {
        self.file = file
        if let line = Self.lineOfAlias(bytes) {
            throw SimulationError(
                .badFile, "\(file):\(line): an alias (*) of an anchor (&); expected every value written out")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw SimulationError(.badFile, "\(file): expected text in UTF-8")
        }
        self.text = text
    }

    /// Its one document; nil if there is nothing in it.
    func root() throws(SimulationError) -> Node? {
        do {
            // Without rules for what is a number or a date: what a value may be depends on its key.
            return try Parser(yaml: text, resolver: .basic, encoding: .utf8).singleRoot()
        } catch let error as YamlError {
            throw failure(error)
        } catch {
            throw SimulationError(.badFile, "\(file): \(error)")
        }
    }

    private func failure(_ error: YamlError) -> SimulationError {
        func failure(_ line: Int?, _ message: String) -> SimulationError {
            SimulationError(.badFile, "\(file):" + (line.map { "\($0): " } ?? " ") + message)
        }
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            return failure(
                mark.line, "expected YAML: \(problem)" + (context.map { " (\($0.text), line \($0.mark.line))" } ?? ""))
        case .reader(let problem, let offset, _, _):
            return failure(offset.map { 1 + text.prefix($0).count(where: \.isNewline) }, "expected text: \(problem)")
        case .duplicatedKeysInMapping(let keys, let context):
            return failure(
                context.mark.line,
                "\(Node.quoted(keys.first ?? "")): expected each key once, found this one again further down")
        default: return failure(nil, "expected YAML, found what its parser cannot take")
        }
    }

    /// The first line with an alias whose anchor also stands in the text; nil if there is none.
    ///
    /// This runs over the bytes before the parser does, since a few lines of aliases can stand for more than fits any
    /// memory. Quotes and comments are not told apart, so that nothing can hide behind them.
    private static func lineOfAlias(_ bytes: [UInt8]) -> Int? {
        func name(at start: Int) -> ArraySlice<UInt8> {
            bytes[(start + 1)...].prefix { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
        }
        var anchors: Set<ArraySlice<UInt8>> = []
        var line = 1
        for index in bytes.indices {
            switch bytes[index] {
            case UInt8(ascii: "\n"): line += 1
            case UInt8(ascii: "&"):
                let name = name(at: index)
                if !name.isEmpty { anchors.insert(name) }
            case UInt8(ascii: "*"): if anchors.contains(name(at: index)) { return line }
            default: break
            }
        }
        return nil
    }
}
