// SPDX-License-Identifier: Apache-2.0

extension JSONNode {
    /// Reads a document that a server sent.
    ///
    /// - Throws: ``FormatError`` where it is no JSON.
    package static func read(_ bytes: [UInt8]) throws(FormatError) -> JSONNode {
        try bytes.withUnsafeBufferPointer { (text) throws(FormatError) in try JSONReader.read(text) }
    }

    /// A member of an object; nil for one that is not there or `null`, and of anything else.
    package subscript(name: String) -> JSONNode? {
        guard case .object(let members) = content, let member = members.first(where: { $0.key == name }),
            !member.value.isNull
        else { return nil }
        return member.value
    }

    /// The elements of an array; none of anything else.
    package var elements: [JSONNode] { if case .array(let elements) = content { elements } else { [] } }

    /// The members of an object, in their order; none of anything else.
    package var members: [JSONMember] { if case .object(let members) = content { members } else { [] } }

    /// A number.
    package var double: Double? { if case .number(let value) = content { value.double } else { nil } }

    /// A text.
    package var text: String? { if case .string(let text) = content { text } else { nil } }

    /// A truth value.
    package var bool: Bool? { if case .bool(let value) = content { value } else { nil } }
}
