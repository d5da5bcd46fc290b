// SPDX-License-Identifier: Apache-2.0

/// The code in which HPACK shortens strings (RFC 7541, appendix B).
///
/// It is canonical: codes of the same length are consecutive numbers, in the order of their bytes, and shorter ones come
/// first. So the lengths say it all.
package struct HuffmanCode: Sendable {
    package static let standard = HuffmanCode(lengths: Self.lengths)

    /// For each length that there is, in bits: the number that no code of it reaches, at the top of 32 bits; its first
    /// code; and where its bytes begin among ``symbols``.
    private var steps: [(bits: Int, limit: UInt64, first: UInt32, place: Int)] = []
    /// All bytes in the order of their codes; the end of a string, which never stands in one, is 256.
    private var symbols: [UInt16] = []

    private init(lengths: [UInt8]) {
        var code: UInt64 = 0
        for bits in 1...30 {
            code <<= 1
            let same = lengths.indices.filter { Int(lengths[$0]) == bits }
            guard !same.isEmpty else { continue }
            let end = code + UInt64(same.count)
            steps.append((bits, end << UInt64(32 - bits), UInt32(code), symbols.count))
            symbols += same.map { UInt16($0) }
            code = end
        }
    }

    /// The bytes that a string stands for, added to others.
    ///
    /// - Parameter limit: the most bytes to add.
    /// - Returns: false where it is no string in this code, or one that is too long.
    /// - Complexity: O(bytes).
    package func decode(_ bytes: UnsafeRawBufferPointer, into text: inout [UInt8], limit: Int) -> Bool {
        var window: UInt64 = 0
        var bits = 0
        var next = 0
        var room = limit
        while true {
            while bits <= 32, next < bytes.count {
                window = window << 8 | UInt64(bytes[next])
                next += 1
                bits += 8
            }
            guard bits > 0 else { return true }
            // The next 32 bits, with ones behind the last.
            let top =
                bits >= 32
                ? (window >> UInt64(bits - 32)) & 0xFFFF_FFFF
                : (window << UInt64(32 - bits)) & 0xFFFF_FFFF | (1 << UInt64(32 - bits) - 1)
            guard let step = steps.first(where: { top < $0.limit }), step.bits <= bits else {
                // What is left is the start of the code for the end, shorter than a byte.
                return bits < 8 && top == 0xFFFF_FFFF
            }
            let symbol = symbols[step.place + Int((top >> UInt64(32 - step.bits)) - UInt64(step.first))]
            guard symbol < 256, room > 0 else { return false }
            text.append(UInt8(symbol))
            room -= 1
            bits -= step.bits
        }
    }

    /// How many bits each byte's code has, and at last the end's.
    private static let lengths: [UInt8] = [
        13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
        28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
        6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
        5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
        13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
        7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
        15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
        6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
        20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
        24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
        22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
        21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
        26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
        19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
        20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
        26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
        30,
    ]
}

extension HuffmanCode {
    /// A string in this code: what the fuzzer and the tests read back.
    package func encode(_ text: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        var window: UInt64 = 0
        var bits = 0
        for byte in text {
            guard let place = symbols.firstIndex(of: UInt16(byte)), let step = steps.last(where: { $0.place <= place })
            else { continue }
            window = window << UInt64(step.bits) | (UInt64(step.first) + UInt64(place - step.place))
            bits += step.bits
            while bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: window >> UInt64(bits)))
            }
        }
        if bits > 0 { bytes.append(UInt8(truncatingIfNeeded: window << UInt64(8 - bits)) | UInt8(0xFF >> bits)) }
        return bytes
    }
}
