// SPDX-License-Identifier: Apache-2.0

/// Short texts, in the order in which they came: added at the end, forgotten from the front. They lie in blocks that are
/// used again, so that it holds no more memory than its texts once took, and adding allocates nothing after that.
struct TextLog: Sendable {
    /// Where a text lies, counted in bytes from the first text ever; wraps.
    typealias Place = UInt32

    /// The blocks, one after the other.
    private var bytes: [UInt8] = []
    /// Which of them is which, by the upper bits of places.
    private var table: [UInt32]
    /// Blocks that are not in use.
    private var free: [UInt32] = []
    /// The number of the first block in use, and where the next text comes.
    private var first: UInt32 = 0
    private(set) var end: Place = 0

    /// The longest text, in bytes.
    static let longest = 512
    private static let blockBits: UInt32 = 12
    private static let blockBytes = 1 << blockBits
    private static let numberMask = UInt32.max >> blockBits

    /// - Parameter bytes: how much is kept at least; older texts are lost then, if nobody forgets them before.
    init(keeping bytes: Int) {
        // A text does not cross the end of a block. One more block for what begins anew, one for what is nearly forgotten.
        let blocks = bytes / (Self.blockBytes - Self.longest) + 3
        var size = 1
        while size < min(blocks, Int(Self.numberMask)) { size *= 2 }
        table = Array(repeating: 0, count: size)
        // Asked for once and taken as it fills, so that it does not move.
        self.bytes.reserveCapacity(size * Self.blockBytes)
    }

    /// Adds a text.
    ///
    /// - Parameters:
    ///   - limit: bytes that are kept of it, at most ``longest``.
    ///   - oldest: nothing before this place is asked for any more; nil where nobody knows.
    /// - Returns: its place, and its bytes.
    mutating func append(
        _ text: String, atMost limit: Int = longest, forgettingBefore oldest: Place? = nil
    ) -> (place: Place, count: Int) {
        var text = text
        return text.withUTF8 {
            append(UnsafeBufferPointer(rebasing: $0.prefix(min(limit, Self.longest))), forgettingBefore: oldest)
        }
    }

    private mutating func append(
        _ text: UnsafeBufferPointer<UInt8>, forgettingBefore oldest: Place?
    ) -> (place: Place, count: Int) {
        let count = text.count
        guard count > 0 else { return (end, 0) }
        var position = Int(end) & (Self.blockBytes - 1)
        if position == 0 || position + count > Self.blockBytes {
            openBlock(oldest)
            position = 0
        }
        let start = Int(table[Int(end >> Self.blockBits) & (table.count - 1)]) * Self.blockBytes + position
        for index in 0..<count { bytes[start + index] = text[index] }
        defer { end &+= UInt32(count) }
        return (end, count)
    }

    /// Makes the end that of a new block.
    private mutating func openBlock(_ oldest: Place?) {
        let number = ((end &+ UInt32(Self.blockBytes - 1)) >> Self.blockBits) & Self.numberMask
        end = number << Self.blockBits
        let needed = (oldest ?? first << Self.blockBits) >> Self.blockBits
        while first != number, isBefore(first, needed) || used(until: number) >= table.count {
            free.append(table[Int(first) & (table.count - 1)])
            first = (first &+ 1) & Self.numberMask
        }
        let block: UInt32
        if let other = free.popLast() {
            block = other
        } else {
            block = UInt32(bytes.count >> Int(Self.blockBits))
            bytes.append(contentsOf: repeatElement(0, count: Self.blockBytes))
        }
        table[Int(number) & (table.count - 1)] = block
    }

    private func isBefore(_ number: UInt32, _ other: UInt32) -> Bool {
        let distance = (other &- number) & Self.numberMask
        return distance != 0 && distance <= Self.numberMask / 2
    }

    /// Blocks in use before that of a number.
    private func used(until number: UInt32) -> Int { Int((number &- first) & Self.numberMask) }

    /// Looks at a text; nil for one that is forgotten.
    private func look<Result>(_ place: Place, _ count: Int, _ body: (ArraySlice<UInt8>) -> Result) -> Result? {
        guard count > 0 else { return body([]) }
        let number = place >> Self.blockBits
        let last = (end &- 1) >> Self.blockBits
        guard !bytes.isEmpty, used(until: number) <= used(until: last) else { return nil }
        let start =
            Int(table[Int(number) & (table.count - 1)]) * Self.blockBytes + Int(place) & (Self.blockBytes - 1)
        return body(bytes[start..<start + count])
    }

    /// How many blocks there are, used or not.
    var blockCount: Int { bytes.count >> Int(Self.blockBits) }

    /// A text; nil for one that is forgotten.
    func text(at place: Place, _ count: Int) -> String? { look(place, count) { String(decoding: $0, as: UTF8.self) } }

    /// Whether a text has these bytes.
    func has(_ other: some Sequence<UInt8>, at place: Place, _ count: Int) -> Bool {
        look(place, count) { $0.elementsEqual(other) } ?? false
    }
}
