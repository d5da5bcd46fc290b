// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// What tells whether a file is still the same, without reading it.
package struct FileStamp: Sendable, Hashable {
    /// Its path.
    package let path: String
    /// Its number in the file system: another after it was replaced.
    let number: UInt64
    /// Its length in bytes.
    let length: Int64
    /// When it was written last, in nanoseconds since 1970.
    let written: Int64
}

extension ModelRepository {
    /// The stamps of all files of a model: in its folder, in the folders there, and in those below them, where a model
    /// that is a folder has its files.
    ///
    /// - Complexity: O(files).
    package static func stamps(of entry: RepositoryEntry) -> [FileStamp] {
        var stamps: [FileStamp] = []
        collect(entry.directory, depth: 0, into: &stamps)
        return stamps
    }

    private static let maximumDepth = 2

    private static func collect(_ folder: String, depth: Int, into stamps: inout [FileStamp]) {
        // A folder that cannot be read is a problem that loading reports.
        for name in (try? FileSystem.names(in: folder, limit: maximumEntries)) ?? [] {
            let path = "\(folder)/\(name)"
            var info = stat()
            guard stat(path, &info) == 0 else { continue }
            if info.st_mode & S_IFMT == S_IFDIR {
                if depth < maximumDepth { collect(path, depth: depth + 1, into: &stamps) }
            } else {
                let written = Int64(info.st_mtim.tv_sec) * 1_000_000_000 + Int64(info.st_mtim.tv_nsec)
                stamps.append(
                    FileStamp(
                        path: path, number: UInt64(info.st_ino), length: Int64(info.st_size), written: written))
            }
        }
    }
}
