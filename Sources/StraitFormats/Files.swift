// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The few things that formats ask of the file system; links are followed.
package enum Files {
    /// The content of a file of at most `limit` bytes.
    ///
    /// - Throws: `unreadable` with the file, also for a longer one.
    package static func read(_ path: String, limit: Int) throws(FormatError) -> [UInt8] {
        var content: [UInt8] = []
        var isTooLong = false
        try read(path, pieceLength: pieceLength) { piece in
            content.append(contentsOf: piece)
            isTooLong = content.count > limit
            return !isTooLong
        }
        guard !isTooLong else {
            throw FormatError(.unreadable, "longer than \(limit) bytes, which is no such file", file: path)
        }
        return content
    }

    private static let pieceLength = 1 << 16

    /// Reads a file piece by piece, for as long as `take` wants more.
    static func read(
        _ path: String, pieceLength: Int, take: (UnsafeRawBufferPointer) -> Bool
    ) throws(FormatError) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw FormatError(.unreadable, "cannot be opened: \(reason())", file: path) }
        defer { close(file) }
        var piece = [UInt8](repeating: 0, count: pieceLength)
        while true {
            let count = piece.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FormatError(.unreadable, "cannot be read: \(reason())", file: path) }
            guard count > 0, piece.withUnsafeBytes({ take(UnsafeRawBufferPointer(rebasing: $0[..<count])) }) else {
                return
            }
        }
    }

    /// Puts a file in the place of another in one step: who reads it sees the old content or the new, also after a
    /// crash. Of a link, the file that it leads to is replaced, be it there or not.
    static func replace(_ path: String, with content: [UInt8]) throws(FormatError) {
        let path = behindLinks(path)
        // In the same folder, because a rename must not cross file systems; with the process's number, because two
        // servers may share the folder.
        let temporary = "\(path).\(getpid()).tmp"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw FormatError(.unwritable, "cannot be created: \(reason())", file: temporary) }
        let failure = fill(file, with: content)
        close(file)
        if failure == nil, rename(temporary, path) == 0 { return synchronizeFolder(of: path) }
        let message = failure ?? reason()
        unlink(temporary)
        throw FormatError(.unwritable, "cannot be written: \(message)", file: path)
    }

    /// The file that a path leads to; itself where it is no link.
    private static func behindLinks(_ path: String) -> String {
        var path = path
        // The system itself follows no more: one that goes on is a circle, and leads nowhere.
        for _ in 0..<40 {
            var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
            let count = readlink(path, &buffer, Int(PATH_MAX))
            guard count > 0 else { return path }
            let target = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            path = target.hasPrefix("/") ? target : "\(folder(of: path))/\(target)"
        }
        return path
    }

    /// Removes what is left beside a file of writers that were killed before they could rename.
    ///
    /// - Complexity: O(files in the folder).
    package static func removeAbandoned(besides path: String) {
        let path = behindLinks(path)
        let folder = folder(of: path)
        guard let entries = opendir(folder) else { return }
        defer { closedir(entries) }
        let start = (path.split(separator: "/").last.map(String.init) ?? path) + "."
        while let entry = readdir(entries) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard name.hasPrefix(start), name.hasSuffix(".tmp") else { continue }
            let writer = name.dropFirst(start.count).dropLast(4)
            guard !writer.isEmpty, writer.allSatisfy({ $0.isASCII && $0.isNumber }) else { continue }
            let left = "\(folder)/\(name)"
            var status = stat()
            guard stat(left, &status) == 0, time(nil) - status.st_mtim.tv_sec > abandonedSeconds else { continue }
            unlink(left)
        }
    }

    /// A write takes milliseconds; what is older than this has no writer any more.
    private static let abandonedSeconds = 60

    /// Writes all bytes and waits until they are on the disk; says what went wrong.
    private static func fill(_ file: Int32, with content: [UInt8]) -> String? {
        append(content, to: file) ?? (fsync(file) == 0 ? nil : reason())
    }

    /// Writes all bytes; says what went wrong.
    package static func append(_ content: [UInt8], to file: Int32) -> String? {
        var rest = content[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return reason() }
            rest = rest.dropFirst(count)
        }
        return nil
    }

    /// Makes the rename itself last. Best effort: some file systems cannot, and the content is safe either way.
    private static func synchronizeFolder(of path: String) {
        let file = open(folder(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { return }
        fsync(file)
        close(file)
    }

    /// The folder that a file stands in.
    package static func folder(of path: String) -> String {
        path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    }

    /// What the system's last error was.
    package static func reason() -> String { strerror(errno).map { String(cString: $0) } ?? "error \(errno)" }
}
