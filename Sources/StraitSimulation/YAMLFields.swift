// SPDX-License-Identifier: Apache-2.0

internal import StraitFormats

/// A mapping of a YAML file whose keys are all known, read one by one, each checked for kind and range.
///
/// What is wrong names the file, the line and the key, and says what was expected.
struct YAMLFields {
    private let file: String
    /// Where the mapping stands, such as `models[2]`; empty at the top.
    private let path: String
    private let line: Int
    private let members: [String: YAMLNode]

    /// The root of a file's text.
    ///
    /// - Throws: `badFile`, also for text that is not of the YAML that ``YAMLReader`` reads.
    init(text: [UInt8], file: String, known: [String]) throws(SimulationError) {
        guard let root = try YAMLReader.root(of: text, file: file) else {
            throw SimulationError(.badFile, "\(file): empty; expected one of the keys \(known.joined(separator: ", "))")
        }
        try self.init(root, file: file, path: "", known: known)
    }

    /// A mapping with keys out of `known`.
    private init(_ node: YAMLNode, file: String, path: String, known: [String]) throws(SimulationError) {
        self.file = file
        self.path = path
        line = node.line
        guard let entries = node.entries else {
            throw Self.failure(
                file, node.line, path, "expected keys out of \(known.joined(separator: ", ")), found \(node.words)")
        }
        var members: [String: YAMLNode] = [:]
        for entry in entries {
            let key = entry.key
            guard let name = key.text, known.contains(name) else {
                let name = key.text.map { "unknown key \(YAMLNode.quoted($0))" } ?? "a key that is no text"
                throw Self.failure(file, key.line, path, "\(name); expected one of \(known.joined(separator: ", "))")
            }
            // A key that stands twice does not get here: the reader refuses it.
            members[name] = entry.value
        }
        self.members = members
    }

    /// The mapping of an element of a list of this one.
    func fields(of node: YAMLNode, at key: String, _ index: Int, known: [String]) throws(SimulationError) -> YAMLFields
    {
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

    /// An error about the mapping itself.
    func failure(_ message: String) -> SimulationError { Self.failure(file, line, path, message) }

    /// A path as the file means it: from its own folder, unless it begins at the root.
    func besideItsFile(_ name: String) -> String {
        name.hasPrefix("/") || !file.contains("/") ? name : Files.folder(of: file) + "/" + name
    }

    /// What `read` makes of a key's value, or else `fallback` where the key is not there.
    private func value<Value>(
        _ key: String, _ expected: @autoclosure () -> String, or fallback: Value?, _ read: (YAMLNode) -> Value?
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

    /// Whether what stands at a key has keys itself.
    func hasKeys(_ key: String) -> Bool { members[key]?.entries != nil }

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

    /// A number in a range, or two of them, the smaller first: `2`, or `[2, 6]`.
    func span(
        _ key: String, in range: ClosedRange<Double>, or fallback: ClosedRange<Double>
    ) throws(SimulationError) -> ClosedRange<Double> {
        try value(key, Self.words(range) + ", or two of them, the smaller first", or: fallback) { node in
            let ends = node.list.map { $0.map(\.number) } ?? [node.number, node.number]
            guard ends.count == 2, let low = ends[0], let high = ends[1], low <= high,
                range.contains(low), range.contains(high)
            else { return nil }
            return low...high
        }
    }

    /// Seconds from the start, or with `%` a share of how long requests arrive.
    func moment(_ key: String, or fallback: Moment? = nil) throws(SimulationError) -> Moment {
        try value(key, "seconds from 0 to 100000, or a share from 0% to 100%", or: fallback) { node in
            if let number = node.number { return (0...100_000).contains(number) ? .seconds(number) : nil }
            return node.percentage.flatMap { (0...100).contains($0) ? .share($0 / 100) : nil }
        }
    }

    /// The place of a name in a list of them.
    func index(_ key: String, of names: [String], called what: String) throws(SimulationError) -> Int {
        try value(key, what, or: nil) { node in node.text.flatMap { names.firstIndex(of: $0) } }
    }

    /// A number in a range, or null.
    func numberOrNull(
        _ key: String, in range: ClosedRange<Double>, or fallback: Double?
    ) throws(SimulationError) -> Double? {
        guard let node = members[key] else { return fallback }
        if node.plain == "null" { return nil }
        // Not optional: a number outside of the range would be one, and be taken for null.
        let number: Double = try value(key, Self.words(range) + ", or null", or: nil) { node in
            node.number.flatMap { range.contains($0) ? $0 : nil }
        }
        return number
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
    func list(_ key: String, atMost limit: Int, isNeeded: Bool) throws(SimulationError) -> [YAMLNode]? {
        guard has(key) || isNeeded else { return nil }
        return try value(key, "a list of 1 to \(limit)", or: nil) { node in
            guard let list = node.list, (1...limit).contains(list.count) else { return nil }
            return list
        }
    }

    private static func words(_ range: ClosedRange<Double>) -> String {
        "a number from \(words(range.lowerBound)) to \(words(range.upperBound))"
    }

    private static func words(_ number: Double) -> String {
        number.magnitude < 1e15 ? Int64(exactly: number).map { "\($0)" } ?? "\(number)" : "\(number)"
    }
}
