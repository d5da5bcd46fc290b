// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitLoad
internal import Synchronization

/// A server that the demonstration starts as a process of its own, watches and ends.
struct DemoServer {
    /// How long a server may take to load its models, in seconds: a cold disk and four models need a few.
    private static let readyWithin = 120
    /// How long a server may take to drain before it is killed, in seconds.
    private static let drainWithin = 15

    /// Where it listens.
    let address: ServerAddress
    /// Its output.
    let log: String
    /// Its process.
    let process: pid_t

    /// Starts `strait serve` with the given arguments on a free port and waits until it is ready.
    ///
    /// - Throws: ``LoadError`` of code `system` if it cannot be started, ends early or never gets ready; the
    ///   message holds the end of its log.
    static func start(executable: String, arguments: [String], log: String) async throws(LoadError) -> DemoServer {
        let address = ServerAddress(host: "127.0.0.1", port: try freePort())
        let process = try spawn(
            executable, ["serve"] + arguments + ["--http-port", "\(address.port)", "--no-grpc", "--no-metrics"],
            log: log)
        runningServer.store(process, ordering: .sequentiallyConsistent)
        let server = DemoServer(address: address, log: log, process: process)
        let clock = ContinuousClock()
        let giveUp = clock.now + .seconds(readyWithin)
        while clock.now < giveUp {
            if server.hasEnded() {
                runningServer.store(0, ordering: .sequentiallyConsistent)
                throw LoadError(.system, "The server ended before it was ready. \(server.endOfLog())")
            }
            if await Load.isReady(address) { return server }
            usleep(100_000)
        }
        server.stop()
        throw LoadError(.system, "The server was not ready within \(readyWithin) s. \(server.endOfLog())")
    }

    /// Asks the server to drain and end, and kills it if it does not. Does nothing if it has ended.
    func stop() {
        kill(process, SIGTERM)
        for _ in 0..<Self.drainWithin * 50 {
            if hasEnded() { break }
            usleep(20_000)
        }
        if !hasEnded() {
            kill(process, SIGKILL)
            waitpid(process, nil, 0)
        }
        runningServer.store(0, ordering: .sequentiallyConsistent)
    }

    /// Ends the running server, if there is one, when the demonstration itself is told to end.
    static func endServerOnSignals() {
        // Touched here, because a handler must not be the one that initialises it.
        runningServer.store(0, ordering: .sequentiallyConsistent)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            // Only calls that are safe in a handler: write, an atomic load, kill and _exit.
            signal(number) { number in
                let words: StaticString = "\nstrait demo: told to end; ending the server too.\n"
                _ = write(STDERR_FILENO, words.utf8Start, words.utf8CodeUnitCount)
                let process = runningServer.load(ordering: .sequentiallyConsistent)
                if process > 0 { kill(process, SIGTERM) }
                _exit(128 + number)
            }
        }
    }

    private func hasEnded() -> Bool { waitpid(process, nil, WNOHANG) != 0 }

    private func endOfLog() -> String {
        let lines = (try? readText(log))?.split(separator: "\n").suffix(5).joined(separator: "\n  ") ?? ""
        return lines.isEmpty ? "Its log \(log) is empty." : "Its log \(log) ends:\n  \(lines)"
    }

    /// A port that no one listens on at this moment.
    private static func freePort() throws(LoadError) -> Int {
        let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let found = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { general in
                bind(listener, general, length) == 0 && getsockname(listener, general, &length) == 0
            }
        }
        guard found else {
            throw LoadError(.system, "No free port on 127.0.0.1: \(String(cString: strerror(errno))).")
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    private static func spawn(_ executable: String, _ arguments: [String], log: String) throws(LoadError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A group of its own: the terminal's Ctrl-C reaches us, and we end the server. No signal blocked: the thread
        // pool that runs this blocks them all, and a server that inherits that never hears SIGTERM.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
        posix_spawnattr_setpgroup(&attributes, 0)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        let words: [UnsafeMutablePointer<CChar>?] = ([executable] + arguments).map { strdup($0) }
        defer { for word in words { free(word) } }
        var process = pid_t()
        let status = posix_spawn(&process, executable, &actions, &attributes, words + [nil], environ)
        guard status == 0 else {
            throw LoadError(.system, "Cannot start \(executable): \(String(cString: strerror(status))).")
        }
        return process
    }
}

/// The process that a signal must end too; 0 for none.
private let runningServer = Atomic<pid_t>(0)

/// The path of this very program.
func ownExecutable() throws(LoadError) -> String {
    var path = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let length = readlink("/proc/self/exe", &path, Int(PATH_MAX))
    guard length > 0 else {
        throw LoadError(.system, "Cannot tell this program's own path: \(String(cString: strerror(errno))).")
    }
    return String(decoding: path.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// A new, empty folder for temporary files.
func makeTemporaryFolder() throws(LoadError) -> String {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array((parent + "/strait-demo-XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil else {
        throw LoadError(.system, "Cannot make a folder in \(parent): \(String(cString: strerror(errno))).")
    }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Removes a folder and the files in it, as far as it can.
func removeFolder(_ folder: String) {
    guard let directory = opendir(folder) else { return }
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) { name in
            name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != "." && name != ".." { unlink(folder + "/" + name) }
    }
    closedir(directory)
    rmdir(folder)
}

/// The whole text of a small file, such as one of /proc.
func readText(_ path: String) throws(LoadError) -> String {
    guard let file = fopen(path, "r") else {
        throw LoadError(.system, "Cannot read \(path): \(String(cString: strerror(errno))).")
    }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&part, 1, part.count, file), count > 0 { bytes += part[..<count] }
    return String(decoding: bytes, as: UTF8.self)
}
