// SPDX-License-Identifier: Apache-2.0

package import StraitProtocol
package import StraitTensor

/// Puts a call's messages together from the bytes that come.
///
/// A message that comes whole is read where it lies. Of another one the bytes are collected in a slab of the pool, which
/// bounds what all calls may hold together; how much is taken follows what has come, not what is claimed.
package struct MessageAssembly {
    /// A message that is complete; its bytes are valid as long as what they came in, or `slab`.
    package struct Message {
        package let bytes: UnsafeRawBufferPointer
        package let isCompressed: Bool
        /// The slab that it was collected in, and where; nil where it lies in what came from the socket.
        package let home: (slab: Slab, offset: Int)?
    }

    /// A message that is complete, with the memory that it lies in: it may go to another thread.
    package struct KeptMessage: Sendable {
        fileprivate let slab: Slab
        fileprivate let range: Range<Int>
        fileprivate let isCompressed: Bool

        /// The message; its bytes are valid as long as this.
        package var message: Message {
            Message(
                bytes: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(slab.bytes)[range]),
                isCompressed: isCompressed, home: (slab, range.lowerBound))
        }
    }

    private let limit: Int
    /// What has come of the prefix of a message, as a number.
    private var prefix: UInt64 = 0
    private var prefixBytes = 0
    private var length = 0
    private var slab: Slab?
    /// Where in the slab the message begins: so that its first tensor is aligned, and can stay there.
    private var place = 0
    private var collected = 0

    /// - Parameter limit: the most bytes of a message.
    package init(limit: Int) { self.limit = limit }

    /// A byte that says whether it is compressed, and four with the length.
    package static let prefixLength = 5
    /// Memory taken when the first bytes of a message have come, however long it is to be.
    private static let firstBytes = 16 << 10
    /// A message of which this share has come gets the memory for all of it.
    private static let earnest = 8

    /// Whether a message has begun and is not complete.
    package var isAmidMessage: Bool { prefixBytes > 0 }

    /// The next message that is complete with these bytes; nil where they are used up before.
    ///
    /// - Parameter offset: from where on they are to be used, and afterwards where the rest begins.
    package mutating func next(
        _ bytes: UnsafeRawBufferPointer, _ offset: inout Int, pool: SlabPool
    ) throws(ProtocolError) -> Message? {
        while prefixBytes < Self.prefixLength {
            guard offset < bytes.count else { return nil }
            prefix = prefix << 8 | UInt64(bytes[offset])
            prefixBytes += 1
            offset += 1
            if prefixBytes == Self.prefixLength { try begin() }
        }
        let left = bytes.count - offset
        if slab == nil, left >= length {
            let end = offset + length
            defer { offset = end }
            return complete(UnsafeRawBufferPointer(rebasing: bytes[offset..<end]), nil)
        }
        let part = min(left, length - collected)
        guard part > 0 else { return nil }
        let piece = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + part])
        if slab == nil {
            place = WireRequestDecoder.firstTensor(inStart: piece).map { -$0 & (SlabPool.alignment - 1) } ?? 0
        }
        let slab = try room(for: collected + part, pool)
        UnsafeMutableRawBufferPointer(rebasing: slab.bytes[(place + collected)...]).copyMemory(from: piece)
        collected += part
        offset += part
        guard collected == length else { return nil }
        return complete(UnsafeRawBufferPointer(rebasing: slab.bytes[place..<place + length]), (slab, place))
    }

    private mutating func begin() throws(ProtocolError) {
        length = Int(prefix & 0xFFFF_FFFF)
        guard length <= limit else {
            throw ProtocolError(
                .resourceExhausted, "the message has \(length) bytes; this call takes at most \(limit)")
        }
        guard prefix >> 32 <= 1 else {
            throw ProtocolError(.failedInternally, "a message begins with \(prefix >> 32) instead of 0 or 1")
        }
    }

    private mutating func complete(
        _ bytes: UnsafeRawBufferPointer, _ home: (slab: Slab, offset: Int)?
    ) -> Message {
        defer {
            (prefix, prefixBytes, length, collected) = (0, 0, 0, 0)
            slab = nil
        }
        return Message(bytes: bytes, isCompressed: prefix >> 32 == 1, home: home)
    }

    private mutating func room(for needed: Int, _ pool: SlabPool) throws(ProtocolError) -> Slab {
        if let slab, slab.bytes.count >= place + needed { return slab }
        let size =
            needed * Self.earnest >= length ? length : min(length, max(needed, Self.firstBytes, 2 * collected))
        let larger: Slab
        do { larger = try pool.take(place + size) } catch {
            throw ProtocolError(.resourceExhausted, "the server's tensor memory is full; try again later")
        }
        if let slab {
            larger.bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: slab.bytes[..<(place + collected)]))
        }
        slab = larger
        return larger
    }
}

extension MessageAssembly.Message {
    /// The message with its memory: that in which it was collected, else a copy.
    ///
    /// - Complexity: O(bytes) for one that came whole.
    package func kept(_ pool: SlabPool) throws(ProtocolError) -> MessageAssembly.KeptMessage {
        if let home {
            let range = home.offset..<home.offset + bytes.count
            return MessageAssembly.KeptMessage(slab: home.slab, range: range, isCompressed: isCompressed)
        }
        let slab = try pool.takeForTensors(bytes.count)
        slab.bytes.copyMemory(from: bytes)
        return MessageAssembly.KeptMessage(slab: slab, range: 0..<bytes.count, isCompressed: isCompressed)
    }

    /// The message decompressed.
    ///
    /// - Parameters:
    ///   - coding: as the call's headers say.
    ///   - limit: the most bytes of the result.
    package func plain(_ coding: ContentCoding?, limit: Int, pool: SlabPool) throws(ProtocolError) -> Self {
        guard isCompressed else { return self }
        guard let coding else {
            throw ProtocolError(
                .failedInternally, "a message is compressed, but the call's grpc-encoding does not say how")
        }
        let decompressor = try Decompressor(coding)
        var (used, count) = (0, 0)
        // Numbers seldom shrink to less than a quarter.
        var slab = try pool.takeForTensors(min(limit + 1, max(1024, 4 * bytes.count)))
        while true {
            let target = UnsafeMutableRawBufferPointer(rebasing: slab.bytes[count...])
            let step = try decompressor.decompress(bytes.from(used), into: target)
            used += step.used
            count += step.written
            guard count <= limit else {
                throw ProtocolError(.resourceExhausted, "the message has more than \(limit) bytes")
            }
            if count < slab.bytes.count { break }
            let larger = try pool.takeForTensors(min(limit + 1, 2 * slab.bytes.count))
            larger.bytes.copyMemory(from: UnsafeRawBufferPointer(slab.bytes))
            slab = larger
        }
        guard decompressor.isFinished else { throw decompressor.endsEarly }
        return Self(bytes: UnsafeRawBufferPointer(rebasing: slab.bytes[..<count]), isCompressed: false, home: (slab, 0))
    }
}
