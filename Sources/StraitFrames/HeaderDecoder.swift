// SPDX-License-Identifier: Apache-2.0

/// Reads the blocks of headers of one connection: HPACK (RFC 7541).
///
/// Every block changes what later ones mean, so all have to be read, in their order; after one that cannot be, nothing can.
package struct HeaderDecoder {
    private var table = HeaderTable()
    private let limit: Int
    /// Memory for a string that comes in Huffman's code.
    private var unpacked: [UInt8] = []

    /// - Parameter limit: the most that the headers of a block may count as together.
    package init(limit: Int) { self.limit = limit }

    /// What is remembered counts as this together, and at most ``tableLimit``.
    package var tableBytes: Int { table.bytes }
    /// See ``tableBytes``.
    package var tableLimit: Int { table.limit }

    /// Headers of a call as libraries send them.
    private static let usualHeaders = 12
    /// Changes of the table's size that may stand at the start of a block: the least that it had meanwhile, and the last.
    private static let mostResizes = 2

    /// Reads a block.
    ///
    /// - Throws: where it is none, or stands for more than is allowed.
    /// - Complexity: O(bytes + headers).
    package mutating func decode(_ block: UnsafeRawBufferPointer) throws(ConnectionFault) -> [Header] {
        var headers: [Header] = []
        headers.reserveCapacity(Self.usualHeaders)
        var (offset, size, resizes) = (0, 0, 0)
        while offset < block.count {
            let header: Header
            switch block[offset] {
            case 0x80...:
                guard let found = table[try number(block, &offset, prefix: 7)] else { throw Self.unknown }
                header = found
            case 0x40...:
                header = try literal(block, &offset, prefix: 6, room: limit - size)
                table.remember(header)
            case 0x20...:
                resizes += 1
                guard headers.isEmpty, resizes <= Self.mostResizes else {
                    throw ConnectionFault(.compression, "the header table is resized in the midst of a block")
                }
                guard table.resize(try number(block, &offset, prefix: 5)) else {
                    throw ConnectionFault(
                        .compression, "the header table may have \(HeaderTable.maximumBytes) bytes at most")
                }
                continue
            default: header = try literal(block, &offset, prefix: 4, room: limit - size)
            }
            size += header.size
            guard size <= limit else { throw tooLong }
            headers.append(header)
        }
        return headers
    }

    private var tooLong: ConnectionFault {
        ConnectionFault(.compression, "the headers of a call may have \(limit) bytes at most")
    }
    private static let unknown = ConnectionFault(.compression, "a header is referred to that nobody remembers")
    /// Bytes of the memory for strings that an idle connection keeps.
    private static let keptBytes = 256
    private static let cut = ConnectionFault(.compression, "a block of headers ends inside a header")

    // -- parts ---------------------------------------------------------------------------------------------------

    private mutating func literal(
        _ block: UnsafeRawBufferPointer, _ offset: inout Int, prefix: UInt8, room: Int
    ) throws(ConnectionFault) -> Header {
        let reference = try number(block, &offset, prefix: prefix)
        let name: (text: String, bytes: Int)
        if reference > 0 {
            guard let found = table[reference] else { throw Self.unknown }
            name = (found.name, found.nameBytes)
        } else {
            name = try string(block, &offset, room: room)
            guard name.bytes > 0 else { throw ConnectionFault(.compression, "a header has no name") }
        }
        return Header(name, try string(block, &offset, room: room))
    }

    private mutating func string(
        _ block: UnsafeRawBufferPointer, _ offset: inout Int, room: Int
    ) throws(ConnectionFault) -> (text: String, bytes: Int) {
        guard offset < block.count else { throw Self.cut }
        let isPacked = block[offset] & 0x80 != 0
        let length = try number(block, &offset, prefix: 7)
        guard length <= block.count - offset else { throw Self.cut }
        let bytes = UnsafeRawBufferPointer(rebasing: block[offset..<offset + length])
        offset += length
        guard isPacked else {
            guard length <= room else { throw tooLong }
            return (String(decoding: bytes, as: UTF8.self), length)
        }
        unpacked.removeAll(keepingCapacity: unpacked.count <= Self.keptBytes)
        guard HuffmanCode.standard.decode(bytes, into: &unpacked, limit: room) else {
            throw unpacked.count >= room
                ? tooLong : ConnectionFault(.compression, "a header is not in HPACK's Huffman code")
        }
        return (String(decoding: unpacked, as: UTF8.self), unpacked.count)
    }

    /// A number whose start are the low bits of a byte.
    private func number(
        _ block: UnsafeRawBufferPointer, _ offset: inout Int, prefix: UInt8
    ) throws(ConnectionFault) -> Int {
        let full = 1 << Int(prefix) - 1
        var value = Int(block[offset]) & full
        offset += 1
        guard value == full else { return value }
        for shift in stride(from: 0, through: Self.lastShift, by: 7) {
            guard offset < block.count else { throw Self.cut }
            let byte = block[offset]
            offset += 1
            value += Int(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw ConnectionFault(.compression, "a number in a block of headers is longer than any that means something")
    }

    /// Numbers have 28 bits and a prefix at most: a block has 16.
    private static let lastShift = 21
}
