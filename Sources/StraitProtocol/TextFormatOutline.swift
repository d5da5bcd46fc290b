// SPDX-License-Identifier: Apache-2.0

/// Where the fields of a text in protobuf's text format stand.
///
/// swift-protobuf decodes the text but tells no positions. This reads just enough of the syntax to say on which line
/// each field is, whatever the schema and however broken the text: it never fails.
struct TextFormatOutline {
    /// One field as written: `name: value`, `name { … }` or `name [ … ]`.
    struct Field {
        /// The name of the field.
        var name: String
        /// The names from the outermost message down to this field, joined by dots.
        var path: String
        /// Where the name starts, in bytes.
        var offset: Int
        /// The line of the name, from 1.
        var line: Int
        /// The first scalar behind it, without quotes; nil for messages.
        var value: String?
    }

    /// A bracket that is open.
    struct Bracket {
        var closing: UInt8
        var line: Int
        /// The path of the field that it belongs to.
        var path: String
    }

    /// Messages nested deeper than swift-protobuf reads are broken anyway; their paths would only grow.
    private static let maximumDepth = 100
    /// The longest path in bytes, several times that of any field we know: every field carries its own.
    private static let maximumPathLength = 256

    /// All fields in the order of the text.
    private(set) var fields: [Field] = []
    /// The brackets still open at the end, outermost first.
    private(set) var open: [Bracket] = []

    private let text: ArraySlice<UInt8>
    private var offset: Int
    private var line = 1
    /// Whether a colon has announced a value that has not come yet.
    private var awaitsValue = false

    /// Outlines `text`.
    ///
    /// - Complexity: O(length · depth).
    init(_ text: ArraySlice<UInt8>) {
        self.text = text
        self.offset = text.startIndex
        while offset < text.endIndex { step() }
    }

    /// The bytes that would close what is still open.
    var closing: [UInt8] { [UInt8(ascii: "\n")] + open.reversed().map(\.closing) }

    /// The first field of that path, and with that value if one is given.
    func first(_ path: String, value: String? = nil) -> Field? {
        fields.first { $0.path == path && (value == nil || $0.value == value) }
    }

    private mutating func step() {
        let byte = text[offset]
        switch byte {
        case UInt8(ascii: "\n"):
            line += 1
            offset += 1
        case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), 0x0B, 0x0C: offset += 1
        case UInt8(ascii: "#"): while offset < text.endIndex, text[offset] != UInt8(ascii: "\n") { offset += 1 }
        case UInt8(ascii: "\""), UInt8(ascii: "'"): quoted(by: byte)
        case UInt8(ascii: "{"): push(UInt8(ascii: "}"))
        case UInt8(ascii: "<"): push(UInt8(ascii: ">"))
        case UInt8(ascii: "["): push(UInt8(ascii: "]"))
        case UInt8(ascii: "}"), UInt8(ascii: ">"), UInt8(ascii: "]"):
            _ = open.popLast()
            awaitsValue = false
            offset += 1
        case UInt8(ascii: ":"):
            awaitsValue = true
            offset += 1
        case UInt8(ascii: ","), UInt8(ascii: ";"):
            awaitsValue = false
            offset += 1
        default: word()
        }
    }

    private var isInList: Bool { open.last?.closing == UInt8(ascii: "]") }

    private mutating func push(_ closing: UInt8) {
        // A message in a list belongs to the list's field, any other bracket to the field just named.
        let path = isInList ? open.last?.path : fields.last?.path
        open.append(Bracket(closing: closing, line: line, path: path ?? ""))
        awaitsValue = false
        offset += 1
    }

    private mutating func quoted(by quote: UInt8) {
        let start = offset + 1
        offset = start
        while offset < text.endIndex, text[offset] != quote, text[offset] != UInt8(ascii: "\n") {
            offset += text[offset] == UInt8(ascii: "\\") ? 2 : 1
        }
        offset = min(offset, text.endIndex)
        note(value: text[start..<offset])
        if offset < text.endIndex, text[offset] == quote { offset += 1 }
    }

    private mutating func word() {
        let start = offset
        while offset < text.endIndex, !Self.endsWord(text[offset]) { offset += 1 }
        let word = text[start..<offset]
        if awaitsValue || isInList {
            note(value: word)
        } else {
            let name = String(decoding: word, as: UTF8.self)
            let outer = open.count <= Self.maximumDepth ? open.last?.path ?? "" : ""
            let isShort = outer.utf8.count + name.utf8.count < Self.maximumPathLength
            let path = outer.isEmpty || !isShort ? name : outer + "." + name
            fields.append(Field(name: name, path: path, offset: start, line: line))
        }
    }

    private mutating func note(value: ArraySlice<UInt8>) {
        guard awaitsValue || isInList, let last = fields.indices.last else { return }
        if fields[last].value == nil { fields[last].value = String(decoding: value, as: UTF8.self) }
        awaitsValue = false
    }

    private static func endsWord(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x09...0x0D, UInt8(ascii: " "), UInt8(ascii: "#"), UInt8(ascii: "\""), UInt8(ascii: "'"),
            UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "["),
            UInt8(ascii: "]"), UInt8(ascii: ":"), UInt8(ascii: ","), UInt8(ascii: ";"):
            true
        default: false
        }
    }
}
