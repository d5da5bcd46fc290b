// SPDX-License-Identifier: Apache-2.0

internal import StraitFrames
internal import Testing

@Suite("Blocks of headers")
struct HeaderTests {
    private static let limit = 16 << 10

    private func read(_ block: [UInt8], _ decoder: inout HeaderDecoder) throws -> [String] {
        try block.withUnsafeBytes { bytes in
            Result { () throws(ConnectionFault) in try decoder.decode(bytes) }
        }.get().map { "\($0.name)=\($0.value)" }
    }

    private func bytes(_ hexadecimal: String) -> [UInt8] {
        let digits = hexadecimal.filter { $0 != " " }.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    @Test("the requests of RFC 7541's appendix C.4, whose strings are in Huffman's code")
    func requests() throws {
        var decoder = HeaderDecoder(limit: Self.limit)
        let start = [":method=GET", ":scheme=http", ":path=/", ":authority=www.example.com"]
        #expect(try read(bytes("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"), &decoder) == start)
        #expect(decoder.tableBytes == 57)
        #expect(try read(bytes("8286 84be 5886 a8eb 1064 9cbf"), &decoder) == start + ["cache-control=no-cache"])
        #expect(decoder.tableBytes == 110)
        let third = bytes("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf")
        #expect(
            try read(third, &decoder) == [
                ":method=GET", ":scheme=https", ":path=/index.html", ":authority=www.example.com",
                "custom-key=custom-value",
            ])
        #expect(decoder.tableBytes == 164)
    }

    @Test("the answers of appendix C.6, for which 256 bytes are remembered")
    func answers() throws {
        var decoder = HeaderDecoder(limit: Self.limit)
        let first = bytes(
            """
            3fe1 01 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718
            63c7 8f0b 97c8 e9ae 82ae 43d3
            """.filter { $0 != "\n" })
        let date = "date=Mon, 21 Oct 2013 20:13:21 GMT"
        #expect(
            try read(first, &decoder) == [
                ":status=302", "cache-control=private", date, "location=https://www.example.com",
            ])
        #expect(decoder.tableBytes == 222 && decoder.tableLimit == 256)
        #expect(
            try read(bytes("4883 640e ffc1 c0bf"), &decoder) == [
                ":status=307", "cache-control=private", date, "location=https://www.example.com",
            ])
        let third = bytes(
            """
            88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
            dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07
            """.filter { $0 != "\n" })
        #expect(
            try read(third, &decoder) == [
                ":status=200", "cache-control=private", "date=Mon, 21 Oct 2013 20:13:22 GMT",
                "location=https://www.example.com", "content-encoding=gzip",
                "set-cookie=foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
            ])
        #expect(decoder.tableBytes == 215)
    }

    @Test("every byte comes back from Huffman's code")
    func everyByte() {
        let all = (0...255).map { UInt8($0) } + (0...255).reversed().map { UInt8($0) }
        for text in [all] + (0...255).map({ [UInt8($0)] }) {
            var read: [UInt8] = []
            let isCode = HuffmanCode.standard.encode(text).withUnsafeBytes {
                HuffmanCode.standard.decode($0, into: &read, limit: 1000)
            }
            #expect(isCode && read == text)
        }
    }

    @Test(
        "what is no block is refused, and says why",
        arguments: [
            ("80", "nobody remembers"), ("be", "nobody remembers"), ("7e", "nobody remembers"),
            ("ff ffff ffff ff", "longer than any"), ("40", "ends inside"), ("40 05 61", "ends inside"),
            ("00 00 01 61", "no name"), ("82 20", "in the midst"), ("20 20 20", "in the midst"), ("3f e2 1f", "4096"),
            // More than seven bits of filling, filling that is no ones, and the end inside a string.
            ("0f 10 82 07 ff", "Huffman"), ("0f 10 81 00", "Huffman"), ("0f 10 84 ffff ffff", "Huffman"),
        ])
    func refused(block: String, reason: String) throws {
        var decoder = HeaderDecoder(limit: Self.limit)
        let fault = #expect(throws: ConnectionFault.self) { try read(bytes(block), &decoder) }
        #expect(fault?.code == .compression)
        #expect(fault?.text.contains(reason) == true, "\(block): \(fault?.text ?? "")")
    }

    @Test("a few bytes cannot stand for more than a call's headers may have")
    func bomb() throws {
        var decoder = HeaderDecoder(limit: Self.limit)
        let remembered = [0x40, 1, 120, 127, 0xBD, 0x1D] + [UInt8](repeating: 118, count: 3900)
        #expect(try read(remembered, &decoder).count == 1)
        #expect(try read([0xBE, 0xBE, 0xBE, 0xBE], &decoder).count == 4)
        #expect(throws: ConnectionFault.self) { try read([UInt8](repeating: 0xBE, count: 60_000), &decoder) }
        // In Huffman's code, too, and whether its length is told or not.
        let packed = HuffmanCode.standard.encode([UInt8](repeating: 48, count: 20_000))
        #expect(throws: ConnectionFault.self) { try read([0x0F, 16, 0xFF, 0xD5, 0x60] + packed, &decoder) }
    }

    @Test("bytes that are no text count as they came, as they do for their sender")
    func noText() throws {
        var decoder = HeaderDecoder(limit: Self.limit)
        _ = try read([0x40, 1, 120, 3, 0xFF, 0xFE, 0xFD], &decoder)
        #expect(decoder.tableBytes == 36)
    }
}
