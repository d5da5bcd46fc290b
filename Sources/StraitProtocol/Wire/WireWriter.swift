// SPDX-License-Identifier: Apache-2.0

/// Writes the fields of a protobuf message.
struct WireWriter {
    /// What has been written.
    private(set) var bytes: [UInt8] = []

    init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

    mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// Bytes as they are.
    mutating func append(_ more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }

    /// The tag and the length of a delimited field, whose bytes follow.
    mutating func delimited(_ field: Int, count: Int) {
        varint(UInt64(field) << 3 | UInt64(WireScanner.Form.delimited.rawValue))
        varint(UInt64(count))
    }

    /// A text; left out where empty, as proto3 does.
    mutating func text(_ field: Int, _ value: String) {
        guard !value.isEmpty else { return }
        delimited(field, count: value.utf8.count)
        bytes.append(contentsOf: value.utf8)
    }

    /// A whole number, written even where it is 0: a chosen one of several is told by being there.
    mutating func number(_ field: Int, _ value: UInt64) {
        varint(UInt64(field) << 3 | UInt64(WireScanner.Form.varint.rawValue))
        varint(value)
    }

    /// A number of 64 bits.
    mutating func fixed64(_ field: Int, _ value: UInt64) {
        varint(UInt64(field) << 3 | UInt64(WireScanner.Form.fixed64.rawValue))
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// A submessage.
    mutating func message(_ field: Int, _ write: (inout WireWriter) -> Void) {
        // Most have fewer than 128 bytes, whose length takes one; the others are moved up.
        delimited(field, count: 0)
        let start = bytes.count
        write(&self)
        var length = bytes.count - start
        bytes[start - 1] = UInt8(truncatingIfNeeded: length & 0x7F)
        var place = start
        while length >= 0x80 {
            length >>= 7
            bytes[place - 1] |= 0x80
            bytes.insert(UInt8(truncatingIfNeeded: length & 0x7F), at: place)
            place += 1
        }
    }

    /// Packed whole numbers; left out where there are none.
    mutating func packed(_ field: Int, _ values: [Int]) {
        guard !values.isEmpty else { return }
        message(field) { inner in
            for value in values { inner.varint(UInt64(bitPattern: Int64(value))) }
        }
    }

    /// The bytes that a number takes.
    static func length(ofVarint value: UInt64) -> Int {
        max(1, (UInt64.bitWidth - value.leadingZeroBitCount + 6) / 7)
    }
}
