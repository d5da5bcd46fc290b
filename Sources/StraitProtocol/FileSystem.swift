// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The few things a repository asks of the file system; links are followed.
enum FileSystem {
    enum Kind { case file, directory, other }

    /// What stands at `path`; nil where nothing can be reached.
    static func kind(_ path: String) -> Kind? {
        var info = stat()
        guard stat(path, &info) == 0 else { return nil }
        switch info.st_mode & S_IFMT {
        case S_IFREG: return .file
        case S_IFDIR: return .directory
        default: return .other
        }
    }

    /// The names in a folder, sorted, without those that start with a dot; at most `limit`.
    static func names(in path: String, limit: Int) throws(RepositoryError) -> [String] {
        guard let folder = opendir(path) else {
            throw RepositoryError(.unreadable, "the folder cannot be read: \(reason())", path: path)
        }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard !name.hasPrefix(".") else { continue }
            names.append(name)
            guard names.count <= limit else {
                throw RepositoryError(.unreadable, "more than \(limit) entries in the folder", path: path)
            }
        }
        return names.sorted()
    }

    /// The content of a file of at most `limit` bytes.
    static func read(_ path: String, limit: Int) throws(RepositoryError) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            throw RepositoryError(.unreadable, "the file cannot be read: \(reason())", path: path)
        }
        defer { close(file) }
        // One byte more than allowed tells a file that is too long from one that just fits.
        var content = [UInt8](repeating: 0, count: limit + 1)
        var length = 0
        while length < content.count {
            let room = content.count - length
            let count = content.withUnsafeMutableBytes { bytes in
                Glibc.read(file, bytes.baseAddress.map { $0 + length }, room)
            }
            guard count >= 0 else {
                if errno == EINTR { continue }
                throw RepositoryError(.unreadable, "the file cannot be read: \(reason())", path: path)
            }
            guard count > 0 else { break }
            length += count
        }
        guard length <= limit else {
            throw RepositoryError(.unreadable, "the file is longer than \(limit) bytes", path: path)
        }
        return Array(content[..<length])
    }

    private static func reason() -> String {
        strerror(errno).map { String(cString: $0) } ?? "error \(errno)"
    }
}
