// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable internal import StraitProtocol

@Suite struct CompressionTests {
    private func compressed(_ parts: [[UInt8]], _ coding: ContentCoding) -> [UInt8] {
        let whole = parts.flatMap { $0 }
        return whole.withUnsafeBytes { bytes in
            var start = 0
            let views = parts.map { part in
                defer { start += part.count }
                return UnsafeRawBufferPointer(rebasing: bytes[start..<(start + part.count)])
            }
            return Compressor.compress(views, coding) ?? []
        }
    }

    /// Decompresses in pieces of so many bytes in and out.
    private func decompressed(
        _ bytes: [UInt8], _ coding: ContentCoding, piece: Int = 7, most: Int = 1 << 20
    ) throws -> [UInt8] {
        let decompressor = try Decompressor(coding)
        var result: [UInt8] = []
        var room = [UInt8](repeating: 0, count: piece)
        var rest = bytes[...]
        while result.count <= most {
            let (used, written) = try rest.prefix(piece).withUnsafeBytes { input in
                try room.withUnsafeMutableBytes { try decompressor.decompress(input, into: $0) }
            }
            rest = rest.dropFirst(used)
            result += room[..<written]
            if rest.isEmpty, written < piece { break }
        }
        guard decompressor.isFinished else { throw decompressor.endsEarly }
        return result
    }

    @Test(arguments: ContentCoding.allCases) func `what is compressed comes back`(_ coding: ContentCoding) throws {
        var random = SeededGenerator(seed: 1)
        let noise = (0..<5000).map { _ in UInt8.random(in: 0...255, using: &random) }
        for parts in [[noise], [Array("{}".utf8), noise, []], [[UInt8](repeating: 7, count: 100_000)], [[]]] {
            #expect(try decompressed(compressed(parts, coding), coding) == parts.flatMap { $0 })
        }
        #expect(compressed([[UInt8](repeating: 7, count: 100_000)], coding).count < 1000)
    }

    @Test(arguments: ContentCoding.allCases) func `what is cut or changed is an error`(_ coding: ContentCoding) throws {
        let good = compressed([Array("a body of some length, and again a body".utf8)], coding)
        for count in 0..<good.count {
            #expect(throws: ProtocolError.self) { try decompressed(Array(good[..<count]), coding) }
        }
        #expect(throws: ProtocolError.self) { try decompressed(good + [0], coding) }
        #expect(throws: ProtocolError.self) { try decompressed(Array("plain text".utf8), coding) }
        let other: ContentCoding = coding == .gzip ? .deflate : .gzip
        #expect(throws: ProtocolError.self) { try decompressed(good, other) }
    }

    @Test func `a bomb gives no more than there is room for`() throws {
        let bomb = compressed([[UInt8](repeating: 0, count: 50_000_000)], .gzip)
        #expect(bomb.count < 1 << 18)
        let decompressor = try Decompressor(.gzip)
        var room = [UInt8](repeating: 1, count: 1000)
        let (_, written) = try bomb.withUnsafeBytes { input in
            try room.withUnsafeMutableBytes { try decompressor.decompress(input, into: $0) }
        }
        #expect(written == 1000 && !decompressor.isFinished)
    }

    @Test func `a request's coding is known or refused`() throws {
        #expect(try ContentCoding.ofRequest(nil) == nil)
        #expect(try ContentCoding.ofRequest("identity") == nil)
        #expect(try ContentCoding.ofRequest("GZIP") == .gzip && ContentCoding.ofRequest("deflate") == .deflate)
        for name in ["br", "gzip, deflate", "gzip;q=1", String(repeating: "x", count: 9000)] {
            #expect(throws: ProtocolError.self) { try ContentCoding.ofRequest(name) }
        }
    }

    @Test(arguments: [
        ("gzip", ContentCoding.gzip), ("deflate, gzip", .gzip), ("deflate", .deflate), ("*", .gzip), ("br", nil),
        ("", nil), ("gzip;q=0", nil), ("gzip; q=0.0, deflate;q=0.1", .deflate), ("gzip;q=0, *", .deflate),
        ("identity, *;q=0", nil), ("GZip;Q=1", .gzip), (";;,,;q=0", nil),
    ]) func `a response's coding is one that the client takes`(_ header: String, _ coding: ContentCoding?) {
        #expect(ContentCoding.forResponse(header) == coding)
    }
}
