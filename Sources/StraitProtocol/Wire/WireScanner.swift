// SPDX-License-Identifier: Apache-2.0

/// Walks over the fields of a protobuf message, where they lie.
///
/// Inference requests are read with it rather than through generated code for two reasons: tensors go from the message
/// straight to where the model reads them, and a message costs no more memory than its tensors, whatever it repeats.
struct WireScanner {
    /// How a field's value is written.
    enum Form: UInt8 {
        case varint = 0
        case fixed64 = 1
        case delimited = 2
        case fixed32 = 5

        var name: String {
            switch self {
            case .varint: "a varint"
            case .fixed64: "64 bits"
            case .delimited: "bytes with a length"
            case .fixed32: "32 bits"
            }
        }
    }

    /// A field's number and how its value, which stands next, is written.
    struct Field {
        let number: Int
        let form: Form
    }

    /// The whole message.
    let message: UnsafeRawBufferPointer
    /// What is still to be read.
    private(set) var offset: Int
    private let end: Int

    init(_ message: UnsafeRawBufferPointer, _ range: Range<Int>) {
        self.message = message
        self.offset = range.lowerBound
        self.end = range.upperBound
    }

    private static let longestTag = 5

    /// Whether nothing is left.
    var isAtEnd: Bool { offset >= end }

    /// The next field; nil at the end.
    mutating func next() throws(ProtocolError) -> Field? {
        guard !isAtEnd else { return nil }
        let start = offset
        let tag = try varint()
        // 32 bits; generated code refuses zeros before them, too.
        guard offset - start <= Self.longestTag else {
            throw malformed(at: start, "a field's number is longer than \(Self.longestTag) bytes")
        }
        guard let number = Int(exactly: tag >> 3), (1...0x1FFF_FFFF).contains(number) else {
            throw malformed(at: start, "a field has the number \(tag >> 3)")
        }
        guard let form = Form(rawValue: UInt8(tag & 7)) else {
            throw malformed(at: start, "field \(number) has the wire type \(tag & 7), which proto3 does not use")
        }
        return Field(number: number, form: form)
    }

    /// A number of up to 64 bits.
    @inline(__always)
    mutating func varint() throws(ProtocolError) -> UInt64 {
        if offset < end, message[offset] < 0x80 {
            offset += 1
            return UInt64(message[offset - 1])
        }
        return try longVarint()
    }

    private mutating func longVarint() throws(ProtocolError) -> UInt64 {
        let start = offset
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard offset < end else { throw malformed(at: start, "it ends inside a number") }
            let byte = message[offset]
            offset += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw malformed(at: start, "a number is longer than ten bytes")
    }

    /// Where the bytes of a delimited value lie.
    mutating func delimited() throws(ProtocolError) -> Range<Int> {
        let start = offset
        let length = try varint()
        guard let count = Int(exactly: length), count <= end - offset else {
            throw malformed(at: start, "a value claims \(length) bytes, \(end - offset) are left")
        }
        defer { offset += count }
        return offset..<offset + count
    }

    /// Where the bytes of a value of 4 or 8 bytes lie.
    mutating func fixed(_ count: Int) throws(ProtocolError) -> Range<Int> {
        guard count <= end - offset else { throw malformed(at: offset, "it ends inside a value of \(count) bytes") }
        defer { offset += count }
        return offset..<offset + count
    }

    /// Passes over the value of a field that means nothing here.
    mutating func skip(_ field: Field) throws(ProtocolError) {
        switch field.form {
        case .varint: _ = try varint()
        case .fixed64: _ = try fixed(8)
        case .fixed32: _ = try fixed(4)
        case .delimited: _ = try delimited()
        }
    }

    // -- values of a known kind ----------------------------------------------------------------------------------

    /// The bytes of a field that must be delimited.
    mutating func bytes(_ field: Field) throws(ProtocolError) -> Range<Int> {
        try expect(.delimited, of: field)
        return try delimited()
    }

    /// A whole number.
    mutating func number(_ field: Field) throws(ProtocolError) -> UInt64 {
        try expect(.varint, of: field)
        return try varint()
    }

    /// Text of at most `limit` bytes.
    mutating func text(_ field: Field, limit: Int) throws(ProtocolError) -> String {
        let range = try bytes(field)
        guard range.count <= limit else {
            throw ProtocolError(.invalidArgument, "\(range.count) bytes long; at most \(limit) are allowed")
        }
        let raw = UnsafeRawBufferPointer(rebasing: message[range])
        guard UTF8Check.isValid(raw) else { throw ProtocolError(.invalidArgument, "the text is not valid UTF-8") }
        return String(decoding: raw, as: UTF8.self)
    }

    /// The bytes of a submessage, to be walked over.
    mutating func submessage(_ field: Field) throws(ProtocolError) -> WireScanner {
        WireScanner(message, try bytes(field))
    }

    func expect(_ form: Form, of field: Field) throws(ProtocolError) {
        guard field.form == form else {
            throw malformed(at: offset, "field \(field.number) is written as \(field.form.name), not \(form.name)")
        }
    }

    func malformed(at offset: Int, _ what: String) -> ProtocolError {
        ProtocolError(.invalidArgument, "not a valid protobuf message: \(what) (byte \(offset))")
    }
}
