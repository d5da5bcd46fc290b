// SPDX-License-Identifier: Apache-2.0

/// Writes the fields of a protobuf message; what is empty or zero is left out, as proto3 does.
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    private enum Form: UInt64 { case varint = 0, fixed64 = 1, delimited = 2, fixed32 = 5 }

    private mutating func tag(_ field: UInt64, _ form: Form) { varint(field << 3 | form.rawValue) }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// A text.
    mutating func text(_ field: UInt64, _ value: String) {
        if !value.isEmpty { chosenText(field, value) }
    }

    /// A text, written even where it is empty, as ``number(_:_:)`` is.
    mutating func chosenText(_ field: UInt64, _ value: String) {
        tag(field, .delimited)
        varint(UInt64(value.utf8.count))
        bytes.append(contentsOf: value.utf8)
    }

    /// Eight bytes each, the most significant first, as a field of bytes.
    mutating func bigEndian(_ field: UInt64, _ words: UInt64...) {
        tag(field, .delimited)
        varint(UInt64(8 * words.count))
        for word in words { withUnsafeBytes(of: word.bigEndian) { bytes.append(contentsOf: $0) } }
    }

    /// A whole number, written even where it is 0: a chosen one of several is told by being there.
    mutating func number(_ field: UInt64, _ value: UInt64) {
        tag(field, .varint)
        varint(value)
    }

    /// A number of 64 bits.
    mutating func fixed64(_ field: UInt64, _ value: UInt64) {
        tag(field, .fixed64)
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// A number of 32 bits.
    mutating func fixed32(_ field: UInt64, _ value: UInt32) {
        tag(field, .fixed32)
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// A message within the message.
    mutating func message(_ field: UInt64, _ write: (inout ProtobufWriter) -> Void) {
        var inner = ProtobufWriter()
        write(&inner)
        tag(field, .delimited)
        varint(UInt64(inner.bytes.count))
        bytes.append(contentsOf: inner.bytes)
    }
}
