// SPDX-License-Identifier: Apache-2.0

/// An object whose keys are taken one by one, each checked for kind and range; in the end none may be left.
///
/// `null` stands for a key that is not there, wherever a key may be left out.
package struct JSONFields {
    /// Where the object stands, such as `models[2]`; empty at the top.
    let path: String
    private let members: [JSONMember]
    private let offset: Int
    /// The members that were taken, as bits; `JSONReader.maximumMembers` of them fit.
    private var taken: UInt64 = 0

    /// The fields of a node that must be an object.
    package init(_ node: JSONNode, at path: String = "") throws(FormatError) {
        guard case .object(let members) = node.content else {
            throw FormatError(.invalid, "expected an object, found \(node.words)", key: path, offset: node.offset)
        }
        self.members = members
        self.path = path
        self.offset = node.offset
    }

    // -- errors ---------------------------------------------------------------------------------------------------

    /// A key of this object with the path to it.
    func keyPath(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// An error about one of its keys.
    func failure(_ key: String, _ message: String, code: FormatError.Code = .invalid) -> FormatError {
        let member = members.first { $0.key == key }
        return FormatError(code, message, key: keyPath(key), offset: member?.value.offset ?? offset)
    }

    private func mismatch(_ key: String, _ node: JSONNode, _ expected: String) -> FormatError {
        FormatError(
            .invalid, "expected \(expected), found \(node.words)", key: keyPath(key), offset: node.offset)
    }

    private func missing(_ key: String, _ expected: String) -> FormatError {
        FormatError(.invalid, "missing; expected \(expected)", key: keyPath(key), offset: offset)
    }

    // -- taking ---------------------------------------------------------------------------------------------------

    /// Takes a key as it stands, `null` included; nil where it is not there.
    mutating func take(_ key: String) -> JSONNode? {
        for index in members.indices where members[index].key == key {
            taken |= 1 << UInt64(index)
            return members[index].value
        }
        return nil
    }

    /// Takes a key; nil where it is not there or null.
    package mutating func optional(_ key: String) -> JSONNode? { take(key).flatMap { $0.isNull ? nil : $0 } }

    /// Whether a key is there and not null; it still has to be taken.
    func has(_ key: String) -> Bool { members.contains { $0.key == key && !$0.value.isNull } }

    /// Nothing may be left.
    ///
    /// - Parameter known: what may stand in such an object, for the message.
    func finish(known: [String]) throws(FormatError) {
        guard taken.nonzeroBitCount < members.count else { return }
        for index in members.indices where taken & 1 << UInt64(index) == 0 {
            throw FormatError(
                .invalid, "unknown key; expected one of \(known.joined(separator: ", "))",
                key: keyPath(String(JSONNode.shortened(members[index].key))), offset: members[index].value.offset)
        }
    }

    /// Takes a key that must be there, `null` included.
    package mutating func node(_ key: String, _ expected: String) throws(FormatError) -> JSONNode {
        guard let node = take(key) else { throw missing(key, expected) }
        return node
    }

    /// Takes a file's version, which must be the one that this program writes.
    mutating func version(_ key: String, _ version: Int, otherwise advice: String) throws(FormatError) {
        let found = try whole(key, in: 1...Int(Int32.max))
        guard found == version else {
            throw failure(key, "expected version \(version), found \(found); \(advice)", code: .unknownVersion)
        }
    }

    // -- strings --------------------------------------------------------------------------------------------------

    /// A string of 1 to `Bounds.name` bytes, or nil.
    package mutating func optionalName(_ key: String) throws(FormatError) -> String? {
        guard let node = optional(key) else { return nil }
        guard case .string(let text) = node.content, (1...Bounds.name).contains(text.utf8.count) else {
            throw mismatch(key, node, Self.name)
        }
        return text
    }

    /// A string of 1 to `Bounds.name` bytes.
    package mutating func name(_ key: String) throws(FormatError) -> String {
        guard let text = try optionalName(key) else { throw missing(key, Self.name) }
        return text
    }

    private static let name = "a string of 1 to \(Bounds.name) bytes"

    /// One of the raw values of an enumeration, or nil.
    mutating func optionalChoice<T: RawRepresentable & CaseIterable>(
        _ key: String, of type: T.Type
    ) throws(FormatError) -> T? where T.RawValue == String {
        guard let node = optional(key) else { return nil }
        guard case .string(let text) = node.content, let value = T(rawValue: text) else {
            throw mismatch(key, node, Self.choices(type))
        }
        return value
    }

    /// One of the raw values of an enumeration.
    mutating func choice<T: RawRepresentable & CaseIterable>(
        _ key: String, of type: T.Type
    ) throws(FormatError) -> T where T.RawValue == String {
        guard let value = try optionalChoice(key, of: type) else { throw missing(key, Self.choices(type)) }
        return value
    }

    private static func choices<T: RawRepresentable & CaseIterable>(_ type: T.Type) -> String
    where T.RawValue == String {
        "one of " + T.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
    }

    // -- true and false -------------------------------------------------------------------------------------------

    /// True or false, or nil.
    mutating func optionalBool(_ key: String) throws(FormatError) -> Bool? {
        guard let node = optional(key) else { return nil }
        guard case .bool(let value) = node.content else { throw mismatch(key, node, "true or false") }
        return value
    }

    // -- numbers --------------------------------------------------------------------------------------------------

    /// A whole number in a range, or nil.
    mutating func optionalWhole<T: FixedWidthInteger>(
        _ key: String, in range: ClosedRange<T>
    ) throws(FormatError) -> T? {
        guard let node = optional(key) else { return nil }
        guard case .number(let decimal) = node.content, let whole = decimal.scaled(by: 0, rounding: false),
            let value = T(exactly: whole), range.contains(value)
        else { throw mismatch(key, node, Self.words(range)) }
        return value
    }

    /// A whole number in a range.
    package mutating func whole<T: FixedWidthInteger>(_ key: String, in range: ClosedRange<T>) throws(FormatError) -> T
    {
        guard let value = try optionalWhole(key, in: range) else { throw missing(key, Self.words(range)) }
        return value
    }

    private static func words<T: FixedWidthInteger>(_ range: ClosedRange<T>) -> String {
        "a whole number from \(range.lowerBound) to \(range.upperBound)"
    }

    /// A number in a range, or nil.
    package mutating func optionalNumber(_ key: String, in range: ClosedRange<Double>) throws(FormatError) -> Double? {
        guard let node = optional(key) else { return nil }
        guard case .number(let decimal) = node.content, let value = decimal.double, range.contains(value) else {
            throw mismatch(key, node, "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// A number in a range.
    package mutating func number(_ key: String, in range: ClosedRange<Double>) throws(FormatError) -> Double {
        guard let value = try optionalNumber(key, in: range) else {
            throw missing(key, "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// Milliseconds as nanoseconds in a range, to the nearest, or nil.
    mutating func optionalMilliseconds(_ key: String, in range: ClosedRange<Int64>) throws(FormatError) -> Int64? {
        guard let node = optional(key) else { return nil }
        guard case .number(let decimal) = node.content,
            let value = decimal.scaled(by: Milliseconds.digits, rounding: true), range.contains(value)
        else { throw mismatch(key, node, Self.milliseconds(range)) }
        return value
    }

    /// Milliseconds as nanoseconds in a range, to the nearest.
    mutating func milliseconds(_ key: String, in range: ClosedRange<Int64>) throws(FormatError) -> Int64 {
        guard let value = try optionalMilliseconds(key, in: range) else { throw missing(key, Self.milliseconds(range)) }
        return value
    }

    private static func milliseconds(_ range: ClosedRange<Int64>) -> String {
        "milliseconds from \(Milliseconds.text(range.lowerBound)) to \(Milliseconds.text(range.upperBound))"
    }

    // -- arrays ---------------------------------------------------------------------------------------------------

    /// An array of at most `limit` elements; empty where it is not there.
    package mutating func optionalArray(_ key: String, atMost limit: Int) throws(FormatError) -> [JSONNode] {
        guard let node = optional(key) else { return [] }
        guard case .array(let elements) = node.content, elements.count <= limit else {
            throw mismatch(key, node, "an array of at most \(limit)")
        }
        return elements
    }

    /// An array of 1 to `limit` elements.
    mutating func array(_ key: String, atMost limit: Int) throws(FormatError) -> [JSONNode] {
        let elements = try optionalArray(key, atMost: limit)
        guard !elements.isEmpty else { throw failure(key, "expected an array of 1 to \(limit), found none") }
        return elements
    }
}
