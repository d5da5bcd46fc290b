// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Testing

@testable internal import StraitFormats

@Suite struct FilesTests {
    @Test func `what killed writers left is removed, and nothing else`() throws {
        let folder = Folder()
        let path = "\(folder.path)/models.learned.json"
        let left = ["\(path).123.tmp", "\(path).1.tmp"]
        let others = [
            path, "\(path).tmp", "\(path).12x.tmp", "\(path).123.tmp.old", "\(folder.path)/other.json.123.tmp",
            "\(path).124.tmp",
        ]
        for file in left + others { try Files.replace(file, with: [1]) }
        // All but the last, which a writer may be about to rename, are an hour old.
        for file in (left + others).dropLast() {
            let hourAgo = timeval(tv_sec: time(nil) - 3600, tv_usec: 0)
            #expect(utimes(file, [hourAgo, hourAgo]) == 0)
        }
        Files.removeAbandoned(besides: path)
        for file in left { #expect(access(file, F_OK) != 0, "\(file) is still there") }
        for file in others { #expect(access(file, F_OK) == 0, "\(file) is gone") }
        // Where there is no such folder there is nothing to do.
        Files.removeAbandoned(besides: "/nowhere/models.learned.json")
    }

    @Test func `what a link leads to is replaced, and the link stays`() throws {
        let folder = Folder()
        let paths = ["real/state.json", "link.json", "far.json", "new.json", "real/new.json"].map {
            "\(folder.path)/\($0)"
        }
        #expect(mkdir("\(folder.path)/real", 0o755) == 0)
        try Files.replace(paths[0], with: [1])
        // By a path from its own folder, by a whole one over another link, and to what is not there yet.
        #expect(symlink("real/state.json", paths[1]) == 0)
        #expect(symlink(paths[1], paths[2]) == 0)
        #expect(symlink("real/new.json", paths[3]) == 0)
        for (number, path) in [paths[1], paths[2]].enumerated() {
            try Files.replace(path, with: [UInt8(number + 2)])
            #expect(try Files.read(paths[0], limit: 9) == [UInt8(number + 2)])
        }
        try Files.replace(paths[3], with: [7])
        #expect(try Files.read(paths[4], limit: 9) == [7])
        for link in paths[1...3] {
            var status = stat()
            #expect(lstat(link, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK, "\(link) is no link any more")
        }
        // What a writer left lies beside the file, not beside the link.
        let left = "\(paths[0]).123.tmp"
        try Files.replace(left, with: [1])
        let hourAgo = timeval(tv_sec: time(nil) - 3600, tv_usec: 0)
        #expect(utimes(left, [hourAgo, hourAgo]) == 0)
        Files.removeAbandoned(besides: paths[2])
        #expect(access(left, F_OK) != 0)
    }
}
