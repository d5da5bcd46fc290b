// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// How much of the machine's cores was in use up to a moment, and by whom.
package struct MachineUse: Sendable, Hashable {
    /// The moment, in nanoseconds of the monotonic clock.
    private let at: Int64
    /// Seconds in which cores were not idle, over all of them; what a hypervisor took for other machines counts.
    private let busy: Double
    /// Seconds of processor time of this process.
    private let own: Double
    private let cores: Int

    /// The use of the given cores up to now; nil where the system does not say.
    package static func now(of cores: [Int]) -> MachineUse? {
        guard let busy = busySeconds(of: cores), !cores.isEmpty else { return nil }
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return MachineUse(
            at: MonotonicClock.nanoseconds(), busy: busy, own: Double(time.tv_sec) + Double(time.tv_nsec) / 1e9,
            cores: cores.count)
    }

    /// The share of the cores that others have taken since an earlier moment, 0…1. Coarse over less than a second, because
    /// the system counts in hundredths of one.
    package func takenByOthers(since earlier: MachineUse) -> Double {
        let seconds = Double(at - earlier.at) / 1e9 * Double(cores)
        guard seconds > 0 else { return 0 }
        return min(max(((busy - earlier.busy) - (own - earlier.own)) / seconds, 0), 1)
    }

    /// Bytes of /proc/stat that are read: the lines of hundreds of cores, which come first.
    private static let readLength = 1 << 16

    private static func busySeconds(of cores: [Int]) -> Double? {
        guard let file = fopen("/proc/stat", "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: readLength)
        let count = fread(&bytes, 1, bytes.count, file)
        let wanted = Set(cores.map { "cpu\($0)" })
        var ticks = 0
        var found = 0
        for line in String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let name = fields.first, wanted.contains(String(name)) else { continue }
            let times = fields.dropFirst().map { Int($0) ?? 0 }
            guard times.count > lastTime else { continue }
            found += 1
            ticks += times[...lastTime].reduce(0, +) - times[idleTime] - times[waitTime]
        }
        return found > 0 ? Double(ticks) / Double(sysconf(Int32(_SC_CLK_TCK))) : nil
    }

    // Where times stand in a core's line: user, nice, system, idle, waiting for input and output, two kinds of interrupts,
    // and what a hypervisor has taken. What follows counts under user already.
    private static let idleTime = 3
    private static let waitTime = 4
    private static let lastTime = 7
}

extension Processor {
    /// Bytes of the cache that is nearest to memory, as the first core sees it; nil where the system does not say.
    package static var lastLevelCache: Int? {
        for level in [4, 3, 2] {
            guard let file = fopen("/sys/devices/system/cpu/cpu0/cache/index\(level)/size", "r") else { continue }
            defer { fclose(file) }
            var bytes = [UInt8](repeating: 0, count: 32)
            let text = String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
            let unit = text.contains("M") ? 1 << 20 : text.contains("K") ? 1 << 10 : 1
            if let size = Int(text.prefix { $0.isNumber }) { return size * unit }
        }
        return nil
    }
}
