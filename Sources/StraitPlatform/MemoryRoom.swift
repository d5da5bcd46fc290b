// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// How much memory this process may still take.
package enum MemoryRoom {
    /// Bytes until the first of the limits that the system sets: of the machine, of the process's addresses, and of its
    /// control groups, as containers have them. Nil where nothing is known.
    package static func left() -> Int? { [machine(), addresses(), groups()].compactMap(\.self).min() }

    /// What the machine has without swapping.
    private static func machine() -> Int? {
        number(after: "MemAvailable:", in: text("/proc/meminfo")).map { $0 * 1024 }
    }

    /// What is left of `ulimit -v`.
    private static func addresses() -> Int? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0, limit.rlim_cur < rlim_t(Int.max),
            let pages = text("/proc/self/statm").split(separator: " ").first.flatMap({ Int($0) })
        else { return nil }
        return max(0, Int(limit.rlim_cur) - pages * sysconf(Int32(_SC_PAGESIZE)))
    }

    /// What is left of the control groups' limits, of this process's own and those above it.
    private static func groups() -> Int? {
        var least: Int?
        // Lines such as `0::/a/b` (version 2) and `4:memory:/a/b` (version 1).
        for line in text("/proc/self/cgroup").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let isSecond = parts[1].isEmpty
            guard isSecond || parts[1].split(separator: ",").contains("memory") else { continue }
            var path = parts[2].split(separator: "/")
            while true {
                let group = path.reduce(isSecond ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory") { $0 + "/" + $1 }
                if let room = room(inGroup: group, isSecond: isSecond) { least = min(least ?? room, room) }
                if path.popLast() == nil { break }
            }
        }
        return least
    }

    /// The limit of a group less what is in use; what the system can drop, such as cached files, counts as free.
    private static func room(inGroup path: String, isSecond: Bool) -> Int? {
        let limit = text(path + (isSecond ? "/memory.max" : "/memory.limit_in_bytes"))
        guard let most = Int(limit.prefix { $0.isNumber }) else { return nil }
        let used = number(after: isSecond ? "anon" : "total_rss", in: text(path + "/memory.stat"))
        return max(0, most - (used ?? 0))
    }

    /// Bytes of a file that are read: those here have a few kilobytes.
    private static let readLength = 16_384

    private static func text(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: readLength)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    /// The number behind a word at the beginning of a line.
    private static func number(after word: String, in text: String) -> Int? {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.first == word[...], words.count > 1 { return Int(words[1]) }
        }
        return nil
    }
}
