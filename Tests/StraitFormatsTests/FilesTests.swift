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
}
