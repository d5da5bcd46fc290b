// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Testing

/// The seeds of one test case: few, so that a process that stops in one of them has named it nearly.
struct TortureSeeds: Sendable, CustomTestStringConvertible {
    let range: ClosedRange<UInt64>
    var testDescription: String { "seeds \(range.lowerBound)-\(range.upperBound)" }

    /// What every `make test` looks at.
    private static let usual: UInt64 = 400
    private static let length: UInt64 = 10

    /// The seeds that `STRAIT_SEEDS` asks for, a number of them or `FIRST-LAST`, in short ranges.
    static let chosen: [TortureSeeds] = {
        let wish = getenv("STRAIT_SEEDS").map { String(cString: $0) } ?? ""
        let ends = wish.split(separator: "-").compactMap { UInt64($0) }
        let (first, last) = ends.count == 2 ? (ends[0], max(ends[0], ends[1])) : (0, max(1, ends.first ?? usual) - 1)
        return stride(from: first, through: last, by: Int(length)).map {
            TortureSeeds(range: $0...min(last, $0 + length - 1))
        }
    }()
}

extension Seeded {
    /// Whether something happens that happens with a probability of `share`.
    mutating func chance(_ share: Double) -> Bool { Double.random(in: 0..<1, using: &self) < share }

    /// One of several.
    mutating func one<Value>(of values: [Value]) -> Value { values[Int.random(in: 0..<values.count, using: &self)] }
}
