// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitCore
internal import StraitFormats
internal import Synchronization

/// Files that are read and written by path.
enum FileProperty {
    /// Two files of this process's own, in memory: the fuzzer writes tens of thousands a second.
    private static let folder = "/dev/shm"

    /// Tests give their corpora to several decoders at the same time.
    private static let number = Atomic(0)

    private static func path(_ name: String) -> String {
        "\(folder)/strait-fuzz-\(getpid())-\(number.add(1, ordering: .relaxed).newValue)-\(name)"
    }

    /// Reads the bytes as a file; writes what they meant and reads that: it must be the same.
    static func flaw<File: Equatable>(
        _ bytes: [UInt8], _ read: (String) throws(FormatError) -> File,
        _ write: (File, String) throws(FormatError) -> Void
    ) -> String? {
        let (first, second) = (path("first"), path("second"))
        defer {
            unlink(first)
            unlink(second)
        }
        if let flaw = put(bytes, first) { return flaw }
        let file: File
        do throws(FormatError) { file = try read(first) } catch { return flaw(error, bytes) }
        do throws(FormatError) {
            try write(file, second)
            return try read(second) == file ? nil : "what was written is not what was read"
        } catch {
            return "what was read cannot be written and read again: \(error)"
        }
    }

    /// Reads the bytes as a trace in one piece and in small ones.
    static func flawInTrace(_ bytes: [UInt8]) -> String? {
        let first = path("first")
        defer { unlink(first) }
        if let flaw = put(bytes, first) { return flaw }
        let models = [TraceFile.Model(name: "m", maximumRows: 4), TraceFile.Model(name: "n", maximumRows: 4096)]
        var latest = Instant.zero
        var count = 0
        var flaw: String?
        do throws(FormatError) {
            try TraceFile.read(first, models: models, limit: 100) { request in
                count += 1
                if request.at < latest { flaw = "time goes back" }
                if request.deadline <= .zero { flaw = "a request is due at once" }
                if !models.indices.contains(request.model) || !(1...4096).contains(request.rows) {
                    flaw = "a request that cannot be: \(request)"
                }
                latest = request.at
            }
        } catch {
            flaw = flaw ?? Self.flaw(error, bytes)
        }
        return flaw ?? (count <= 100 ? nil : "\(count) requests")
    }

    private static func flaw(_ error: FormatError, _ bytes: [UInt8]) -> String? {
        let lines = 1 + bytes.count { $0 == UInt8(ascii: "\n") }
        if error.file == nil { return "an error without its file: \(error)" }
        if let line = error.line, !(1...lines).contains(line) { return "line \(line) of \(lines)" }
        return FuzzedDecoder.flaw(inMessage: error.message)
    }

    private static func put(_ bytes: [UInt8], _ path: String) -> String? {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { return "\(path): \(Files.reason())" }
        defer { close(file) }
        return Files.append(bytes, to: file)
    }
}
