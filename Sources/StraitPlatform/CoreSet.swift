// SPDX-License-Identifier: Apache-2.0

internal import CPlatform
internal import Glibc

/// The processor cores that a thread may run on.
package enum CoreSet {
    /// Bytes of a set of cores as the system takes it, a bit a core.
    private static let setSize = Int(PLATFORM_CORE_SET_BYTES)

    /// The cores this process may use, ascending; empty where the system does not say.
    package static func allowed() -> [Int] {
        var set = [UInt8](repeating: 0, count: setSize)
        guard platform_get_cores(&set) == 0 else { return [] }
        return (0..<setSize * 8).filter { set[$0 / 8] & (1 << UInt8($0 % 8)) != 0 }
    }

    /// Keeps the calling thread on the given cores.
    ///
    /// - Returns: nil, or why the system refused.
    package static func pinCurrentThread(to cores: [Int]) -> String? {
        var set = [UInt8](repeating: 0, count: setSize)
        for core in cores where core >= 0 && core < setSize * 8 { set[core / 8] |= 1 << UInt8(core % 8) }
        let error = platform_pin_thread(set)
        guard error != 0 else { return nil }
        return "\(String(cString: strerror(error))); this process may use cores \(list(allowed()))"
    }

    /// Reads a list such as `1` or `0,2-3`; nil where it is none.
    package static func parse(_ text: String) -> [Int]? {
        var cores: Set<Int> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) ?? -1 }
            guard let first = ends.first, let last = ends.last, ends.count <= 2,
                first >= 0, first <= last, last < setSize * 8
            else { return nil }
            cores.formUnion(first...last)
        }
        return cores.sorted()
    }

    /// As `0,2-3`.
    package static func list(_ cores: [Int]) -> String {
        var parts: [String] = []
        var index = 0
        while index < cores.count {
            var end = index
            while end + 1 < cores.count, cores[end + 1] == cores[end] + 1 { end += 1 }
            parts.append(end == index ? "\(cores[index])" : "\(cores[index])-\(cores[end])")
            index = end + 1
        }
        return parts.joined(separator: ",")
    }
}
