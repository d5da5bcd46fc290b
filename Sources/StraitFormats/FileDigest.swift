// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Digests of models' files, by which another model under the same name is noticed.
package enum FileDigest {
    /// Bytes read at once: a file of gigabytes passes through without being held.
    private static let pieceLength = 1 << 18

    /// SHA-256 of a file as `sha256:` and 64 hexadecimal digits, the same that `sha256sum` prints.
    ///
    /// Of a model with weights in files beside it, only the model's own file counts: it has the structure, on which times
    /// depend.
    ///
    /// - Throws: `unreadable`, with the file.
    /// - Complexity: O(bytes), some 250 MB a second.
    package static func sha256(path: String) throws(FormatError) -> String {
        var digest = SHA256()
        try Files.read(path, pieceLength: pieceLength) { piece in
            digest.take(piece)
            return true
        }
        return "sha256:\(digest.hexadecimal())"
    }

    /// SHA-256 of a text's UTF-8 as 64 hexadecimal digits.
    ///
    /// - Complexity: O(bytes).
    package static func sha256(text: String) -> String {
        var digest = SHA256()
        var text = text
        text.withUTF8 { digest.take(UnsafeRawBufferPointer($0)) }
        return digest.hexadecimal()
    }
}

/// SHA-256 (FIPS 180-4) of bytes that come in pieces. Ours, because the packages that have it weigh more than the server;
/// of files it guards against mistakes; of tokens, which are long and random, it tells nothing back.
struct SHA256: Sendable {
    private var state: SIMD8<UInt32> = [
        0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
    ]
    /// The bytes since the last whole block.
    private var rest: [UInt8] = []
    private var length: UInt64 = 0

    private static let blockLength = 64

    /// Takes the next bytes.
    mutating func take(_ bytes: UnsafeRawBufferPointer) {
        length &+= UInt64(bytes.count)
        var bytes = bytes[...]
        if !rest.isEmpty {
            let missing = bytes.prefix(Self.blockLength - rest.count)
            rest.append(contentsOf: missing)
            bytes = bytes.dropFirst(missing.count)
            guard rest.count == Self.blockLength else { return }
            rest.withUnsafeBytes { compress($0) }
            rest.removeAll(keepingCapacity: true)
        }
        let whole = bytes.count / Self.blockLength * Self.blockLength
        compress(UnsafeRawBufferPointer(rebasing: bytes.prefix(whole)))
        rest.append(contentsOf: bytes.dropFirst(whole))
    }

    /// The digest of all bytes taken, as 64 digits.
    func hexadecimal() -> String {
        var last = self
        let bits = (length &* 8).bigEndian
        // A one, zeros to the end of a block less eight bytes, and the length.
        let zeros = (2 * Self.blockLength - 9 - rest.count) % Self.blockLength
        ([0x80] + [UInt8](repeating: 0, count: zeros)).withUnsafeBytes { last.take($0) }
        withUnsafeBytes(of: bits) { last.take($0) }
        return (0..<8).map { index in
            let digits = String(last.state[index], radix: 16)
            return String(repeating: "0", count: 8 - digits.count) + digits
        }.joined()
    }

    /// Works in whole blocks.
    private mutating func compress(_ blocks: UnsafeRawBufferPointer) {
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: Self.blockLength) { words in
            Self.constants.withUnsafeBufferPointer { constants in
                var offset = 0
                while offset < blocks.count {
                    for index in 0..<16 {
                        words[index] = UInt32(
                            bigEndian: blocks.loadUnaligned(fromByteOffset: offset + 4 * index, as: UInt32.self))
                    }
                    offset += Self.blockLength
                    for index in 16..<64 {
                        let (early, late) = (words[index - 15], words[index - 2])
                        let first = early.rotated(7) ^ early.rotated(18) ^ (early >> 3)
                        let second = late.rotated(17) ^ late.rotated(19) ^ (late >> 10)
                        words[index] = words[index - 16] &+ first &+ words[index - 7] &+ second
                    }
                    state &+= Self.rounds(state, words, constants)
                }
            }
        }
    }

    /// What the 64 rounds make of the state.
    private static func rounds(
        _ state: SIMD8<UInt32>, _ words: UnsafeMutableBufferPointer<UInt32>, _ constants: UnsafeBufferPointer<UInt32>
    ) -> SIMD8<UInt32> {
        var (a, b, c, d) = (state[0], state[1], state[2], state[3])
        var (e, f, g, h) = (state[4], state[5], state[6], state[7])
        // Eight at a time, so that the eight words stay where they are instead of moving on by one.
        for index in stride(from: 0, to: blockLength, by: 8) {
            round(a, b, c, &d, e, f, g, &h, constants[index] &+ words[index])
            round(h, a, b, &c, d, e, f, &g, constants[index + 1] &+ words[index + 1])
            round(g, h, a, &b, c, d, e, &f, constants[index + 2] &+ words[index + 2])
            round(f, g, h, &a, b, c, d, &e, constants[index + 3] &+ words[index + 3])
            round(e, f, g, &h, a, b, c, &d, constants[index + 4] &+ words[index + 4])
            round(d, e, f, &g, h, a, b, &c, constants[index + 5] &+ words[index + 5])
            round(c, d, e, &f, g, h, a, &b, constants[index + 6] &+ words[index + 6])
            round(b, c, d, &e, f, g, h, &a, constants[index + 7] &+ words[index + 7])
        }
        return [a, b, c, d, e, f, g, h]
    }

    @inline(__always)
    private static func round(
        _ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: inout UInt32, _ e: UInt32, _ f: UInt32, _ g: UInt32,
        _ h: inout UInt32, _ word: UInt32
    ) {
        h &+= (e.rotated(6) ^ e.rotated(11) ^ e.rotated(25)) &+ (g ^ (e & (f ^ g))) &+ word
        d &+= h
        h &+= (a.rotated(2) ^ a.rotated(13) ^ a.rotated(22)) &+ ((a & b) | (c & (a | b)))
    }

    /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
    private static let constants: [UInt32] = [
        0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
        0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
        0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
        0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
        0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
        0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
        0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
        0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
    ]
}

extension UInt32 {
    /// Its bits, rotated to the right.
    @inline(__always)
    fileprivate func rotated(_ count: UInt32) -> UInt32 { (self >> count) | (self << (32 - count)) }
}
