// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitLoad

/// Processor time and cores of a process's threads, in groups of one name: who paid for what, and where.
struct ThreadUsage {
    /// Threads of one name.
    struct Group {
        var threads = 0
        var cores: Set<String> = []
        var seconds = 0.0
    }

    /// By name, trailing numbers left out.
    private(set) var groups: [String: Group] = [:]

    /// What the process's threads have used so far; empty where /proc does not tell.
    init(of process: pid_t) {
        let folder = "/proc/\(process)/task"
        guard let directory = opendir(folder) else { return }
        defer { closedir(directory) }
        let ticksPerSecond = Double(sysconf(CInt(_SC_CLK_TCK)))
        while let entry = readdir(directory) {
            let thread = withUnsafePointer(to: &entry.pointee.d_name) { name in
                name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let number = Int(thread), let stat = try? readText("\(folder)/\(number)/stat"),
                let status = try? readText("\(folder)/\(number)/status"),
                let open = stat.firstIndex(of: "("), let close = stat.lastIndex(of: ")")
            else { continue }
            // After the name: state is field 3 of proc(5), user and system time are fields 14 and 15.
            let fields = stat[close...].split(separator: " ").dropFirst()
            let ticks = fields.dropFirst(11).prefix(2).compactMap { Double($0) }.reduce(0, +)
            let cores = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
            var name = String(stat[stat.index(after: open)..<close])
            while let last = name.last, last.isNumber || "-#_ ".contains(last) { name.removeLast() }
            var group = groups[name] ?? Group()
            group.threads += 1
            group.seconds += ticks / ticksPerSecond
            if let cores { group.cores.insert(String(cores.split(whereSeparator: \.isWhitespace).last ?? "")) }
            groups[name] = group
        }
    }

    /// The time used since an earlier look.
    func since(_ earlier: ThreadUsage) -> ThreadUsage {
        var difference = self
        for (name, group) in earlier.groups { difference.groups[name]?.seconds -= group.seconds }
        return difference
    }

    /// Processor time of all threads together, in seconds.
    var seconds: Double { groups.values.reduce(0) { $0 + $1.seconds } }

    /// Processor time of the threads that run models, known by their name; nil if none bears it.
    var laneSeconds: Double? {
        let lanes = groups.filter { $0.key.contains("lane") }
        return lanes.isEmpty ? nil : lanes.values.reduce(0) { $0 + $1.seconds }
    }

    /// The groups that used noticeable time, most first.
    var text: String {
        let noticeable = groups.filter { $0.value.seconds >= 0.05 }
            .sorted { ($1.value.seconds, $0.key) < ($0.value.seconds, $1.key) }
        return noticeable.map { name, group in
            "\(group.threads) × \(name) on cores \(group.cores.sorted().joined(separator: " / ")) "
                + "\(decimal(group.seconds, 1)) s"
        }.joined(separator: "; ")
    }
}
