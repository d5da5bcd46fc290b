// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A seeded generator, so that a failing seed fails again (SplitMix64).
struct Luck: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// A text with up to four slips in it, or, in the first rounds, cut off ever earlier.
func damaged(_ text: String, round: Int, _ luck: inout Luck) -> [UInt8] {
    let spice = Array("&*!|>%@`'\"{}[]:,-?#\n\t \\\0.~<é\u{85}\u{2028}\u{FEFF}".utf8) + [0x80, 0xFF, 0xC3]
    var text = Array(text.utf8)
    if round < text.count {
        text.removeLast(round)
        return text
    }
    for _ in 0..<Int.random(in: 1...4, using: &luck) {
        let place = Int.random(in: 0..<text.count, using: &luck)
        switch Int.random(in: 0..<4, using: &luck) {
        case 0: text[place] = spice.randomElement(using: &luck) ?? 0
        case 1: text.insert(spice.randomElement(using: &luck) ?? 0, at: place)
        case 2: text.remove(at: place)
        default:
            let end = min(text.count, place + Int.random(in: 1...40, using: &luck))
            let piece = Array(text[place..<end])
            text.insert(contentsOf: piece, at: Int.random(in: 0...text.count, using: &luck))
        }
    }
    return text
}

/// A folder of its own for each test, gone afterwards with the files that were put into it.
final class Folder {
    let path: String
    private var names: [String] = []

    init() {
        var template = Array("/tmp/strait-simulation-XXXXXX".utf8CString)
        path =
            template.withUnsafeMutableBufferPointer { $0.baseAddress.flatMap(mkdtemp).map { String(cString: $0) } }
            ?? ""
    }

    deinit {
        for name in names { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    /// Puts a file into it.
    ///
    /// - Returns: its path.
    func add(_ name: String, _ text: String) -> String {
        names.append(name)
        let file = creat("\(path)/\(name)", 0o644)
        var text = text
        _ = text.withUTF8 { write(file, $0.baseAddress, $0.count) }
        close(file)
        return "\(path)/\(name)"
    }
}
