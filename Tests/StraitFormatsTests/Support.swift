// SPDX-License-Identifier: Apache-2.0

internal import Glibc

@testable internal import StraitFormats

/// A seeded generator, so that a failing seed fails again (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

extension JSONText {
    /// The lines written so far.
    var lines: [String] {
        bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
    }
}

extension CoreSession {
    /// Answers one line.
    mutating func answer(_ line: String) -> [String] { answer(Array(line.utf8)) }

    /// Answers one line of any bytes but newlines.
    mutating func answer(_ line: [UInt8]) -> [String] {
        var output = JSONText()
        (line + [UInt8(ascii: "\n")]).withUnsafeBufferPointer { take($0, into: &output) }
        return output.lines
    }

    /// What is wrong with a line, for one that must be refused; nil if it was taken.
    mutating func refusal(_ line: String) -> String? {
        let lines = answer(line)
        guard lines.count == 1, let text = lines.first, let node = try? JSONNode(parsing: text),
            case .object(let members) = node.content, members.map(\.key) == ["error", "line"],
            case .string(let message)? = members.first?.value.content
        else { return nil }
        return message
    }
}

extension JSONNode {
    /// A value from text.
    init(parsing text: String) throws(FormatError) {
        let result = Array(text.utf8).withUnsafeBufferPointer { bytes -> Result<JSONNode, FormatError> in
            do throws(FormatError) { return .success(try JSONReader.read(bytes)) } catch { return .failure(error) }
        }
        self = try result.get()
    }

    /// The member of an object.
    subscript(key: String) -> JSONNode? {
        guard case .object(let members) = content else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// A string's text.
    var string: String? { if case .string(let text) = content { text } else { nil } }

    /// Milliseconds as nanoseconds.
    var nanoseconds: Int64? {
        if case .number(let decimal) = content { decimal.scaled(by: Milliseconds.digits, rounding: true) } else { nil }
    }

    /// A whole number.
    var whole: Int64? { if case .number(let decimal) = content { decimal.scaled(by: 0, rounding: false) } else { nil } }
}

/// A folder of its own for each test, gone afterwards.
final class Folder {
    let path: String

    init() {
        var template = Array("/tmp/strait-formats-XXXXXX".utf8CString)
        path =
            template.withUnsafeMutableBufferPointer { $0.baseAddress.flatMap(mkdtemp).map { String(cString: $0) } }
            ?? ""
    }

    deinit {
        for name in names { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    var names: [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
