// SPDX-License-Identifier: Apache-2.0

internal import FuzzedDecoders
internal import Glibc
internal import Testing

/// Inputs that the fuzzer found worth keeping, and those that once went wrong.
@Suite struct CorpusTests {
    /// Tests/FuzzCorpus, with a folder for each decoder.
    private static let corpus = #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/FuzzCorpus"

    @Test(arguments: FuzzedDecoder.allCases) func everyFileDecodesOrIsRefused(decoder: FuzzedDecoder) throws {
        let folder = "\(Self.corpus)/\(decoder.rawValue)"
        let names = Self.names(in: folder)
        #expect(!names.isEmpty, "\(folder) is empty")
        for name in names {
            let bytes = try #require(Self.content(of: "\(folder)/\(name)"))
            #expect(decoder.flaw(bytes) == nil, "\(decoder.rawValue)/\(name)")
        }
    }

    private static func names(in folder: String) -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    private static func content(of path: String) -> [UInt8]? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var content: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&piece, 1, piece.count, file), count > 0 { content += piece[..<count] }
        return content
    }
}
