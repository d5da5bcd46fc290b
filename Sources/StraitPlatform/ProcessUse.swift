// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// What this process has taken of the machine, as the system tells it; 0 where it does not.
package struct ProcessUse: Sendable, Hashable {
    /// Processor time of all its threads.
    package private(set) var processorSeconds = 0.0
    /// Memory that is there.
    package private(set) var residentBytes = 0
    /// Memory by addresses.
    package private(set) var virtualBytes = 0
    /// Descriptors that are open, and how many may be.
    package private(set) var openDescriptors = 0
    package private(set) var mostDescriptors = 0
    /// Threads.
    package private(set) var threads = 0
    /// When it started, in seconds since 1970.
    package private(set) var startedAt = 0.0

    /// What it has taken until now.
    ///
    /// - Complexity: O(open descriptors).
    package static func now() -> ProcessUse {
        var use = ProcessUse()
        use.processorSeconds = processCPUSeconds()
        // The name, which stands in parentheses, may hold anything.
        let fields = text("/proc/self/stat").split(separator: ")").last?.split(separator: " ") ?? []
        func field(_ index: Int) -> Int { index < fields.count ? Int(fields[index]) ?? 0 : 0 }
        use.threads = field(threadsField)
        use.virtualBytes = field(virtualField)
        use.residentBytes = field(residentField) * sysconf(Int32(_SC_PAGESIZE))
        use.startedAt = startOfMachine + Double(field(startField)) / Double(sysconf(Int32(_SC_CLK_TCK)))
        use.openDescriptors = openDescriptorCount()
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            use.mostDescriptors = Int(clamping: limit.rlim_cur)
        }
        return use
    }

    // Where fields stand behind the name.
    private static let threadsField = 17
    private static let startField = 19
    private static let virtualField = 20
    private static let residentField = 21

    /// When the machine started, in seconds since 1970: read once, since the system's own answer wavers by a second.
    private static let startOfMachine: Double = {
        for line in text("/proc/stat").split(separator: "\n") where line.hasPrefix("btime ") {
            return Double(line.dropFirst("btime ".count)) ?? 0
        }
        return 0
    }()

    private static func openDescriptorCount() -> Int {
        guard let folder = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // Neither the folder, nor the one above, nor the descriptor that reads them.
        return max(0, count - 3)
    }

    /// Bytes of a file that are read: the line of `btime` stands behind those of all cores.
    private static let readLength = 1 << 18

    private static func text(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: readLength)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
