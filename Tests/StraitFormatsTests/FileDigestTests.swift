// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable internal import StraitFormats

@Suite struct FileDigestTests {
    private static func digest(_ bytes: [UInt8], pieces: Int) -> String {
        var digest = SHA256()
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = Array(rest.prefix(pieces))
            piece.withUnsafeBytes { digest.take($0) }
            rest = rest.dropFirst(pieces)
        }
        return digest.hexadecimal()
    }

    /// The examples of FIPS 180-4's companion, and lengths around a block.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
        ),
    ])
    func `digests are those of the standard`(text: String, expected: String) {
        #expect(Self.digest(Array(text.utf8), pieces: 1000) == expected)
    }

    @Test func `a million a's, in pieces of any length`() {
        let bytes = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
        #expect(
            Self.digest(bytes, pieces: 10_007) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test func `how it is cut does not matter`() {
        for length in [1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 200] {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let whole = Self.digest(bytes, pieces: length)
            for pieces in [1, 3, 64, 65] {
                #expect(Self.digest(bytes, pieces: pieces) == whole, "\(length), \(pieces)")
            }
        }
    }

    @Test func `a file's digest has its name before it, and a missing file is named`() throws {
        let folder = Folder()
        let path = "\(folder.path)/model.onnx"
        try Files.replace(path, with: Array("abc".utf8))
        let digest = try FileDigest.sha256(path: path)
        #expect(digest == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        do {
            _ = try FileDigest.sha256(path: "/nowhere/model.onnx")
            Issue.record("read")
        } catch {
            #expect(error.code == .unreadable && "\(error)".contains("/nowhere/model.onnx"))
        }
    }
}
