// SPDX-License-Identifier: Apache-2.0

/// What a config.pbtxt says of a model's costs on virtual accelerators, which do not run it but take the time it would
/// take: `parameters` that start with `strait.virtual_`. What is nil is left to the device.
package struct VirtualCosts: Sendable, Hashable {
    /// Milliseconds that the kernels of any batch take, alone on a device like an L4 …
    package var baseMilliseconds: Double?
    /// … and that each of its rows adds.
    package var rowMilliseconds: Double?
    /// Bytes copied to the device for each row, whatever is on the wire.
    package var inputBytes: Int?
    /// Bytes copied back for each row.
    package var outputBytes: Int?
    /// What the largest batch needs of the device's compute units, 0 to 1 …
    package var compute: Double?
    /// … of its memory bandwidth …
    package var bandwidth: Double?
    /// … and of its cache.
    package var cache: Double?
    /// How much it suffers from what others hold in the cache, 0 to 1.
    package var cacheSensitivity: Double?
    /// Whether its host memory is pinned; pageable memory is copied more slowly.
    package var isPinned: Bool?
    /// A number from which the phases of its kernels are drawn.
    package var phases: UInt64?

    /// Nothing said.
    package init() {}

    /// What the names of these parameters start with.
    static let prefix = "strait.virtual_"
    /// What comes behind it.
    static let names = [
        "base_ms", "row_ms", "input_bytes", "output_bytes", "compute", "bandwidth", "cache", "cache_sensitivity",
        "pinned", "phases",
    ]

    /// The longest time of a batch: ten minutes. Longer is surely a mistake in the unit.
    private static let milliseconds = 0.0...600_000.0
    /// The most bytes of a row: more than any accelerator's memory.
    private static let bytes = 0...(1 << 40)

    /// Takes a parameter.
    ///
    /// - Parameter name: what comes behind the prefix.
    /// - Returns: what would have been a value of it; nil where this one is.
    mutating func set(_ name: String, to text: String) -> String? {
        switch name {
        case "base_ms": set(\.baseMilliseconds, Self.time(text), orExpect: Self.expectedTime)
        case "row_ms": set(\.rowMilliseconds, Self.time(text), orExpect: Self.expectedTime)
        case "input_bytes": set(\.inputBytes, Self.count(text), orExpect: Self.expectedBytes)
        case "output_bytes": set(\.outputBytes, Self.count(text), orExpect: Self.expectedBytes)
        case "compute": set(\.compute, Self.share(text), orExpect: Self.expectedShare)
        case "bandwidth": set(\.bandwidth, Self.share(text), orExpect: Self.expectedShare)
        case "cache": set(\.cache, Self.share(text), orExpect: Self.expectedShare)
        case "cache_sensitivity": set(\.cacheSensitivity, Self.share(text), orExpect: Self.expectedShare)
        case "pinned": set(\.isPinned, Bool(text), orExpect: "\"true\" or \"false\"")
        case "phases": set(\.phases, UInt64(text), orExpect: "a whole number from 0")
        default: "one of the parameters \(Self.names.map { Self.prefix + $0 }.joined(separator: ", "))"
        }
    }

    private mutating func set<Value>(
        _ member: WritableKeyPath<VirtualCosts, Value?>, _ value: Value?, orExpect expected: String
    ) -> String? {
        self[keyPath: member] = value
        return value == nil ? expected : nil
    }

    private static func time(_ text: String) -> Double? {
        Double(text).flatMap { milliseconds.contains($0) ? $0 : nil }
    }

    private static func count(_ text: String) -> Int? { Int(text).flatMap { bytes.contains($0) ? $0 : nil } }

    private static func share(_ text: String) -> Double? {
        Double(text).flatMap { (0.0...1.0).contains($0) ? $0 : nil }
    }

    private static let expectedTime = "milliseconds from 0 to \(Int(milliseconds.upperBound))"
    private static let expectedBytes = "a whole number of bytes from 0 to 2^40"
    private static let expectedShare = "a share from 0 to 1"
}
