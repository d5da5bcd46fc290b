// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import OnnxRuntime
internal import Testing

@Suite("Finding and loading the library")
struct LibraryTests {
    @Test("an absent library lists every path with its reason, and what to do")
    func absent() throws {
        let paths = ["/nowhere/libonnxruntime.so", "/nowhere/else/libonnxruntime.so", "libnowhere.so.77"]
        let error = try failure { _ = try OnnxRuntimeLibrary.load(searching: paths) }
        #expect(error.code == .libraryNotFound)
        #expect(error.ortCode == nil)
        let lines = error.description.split(separator: "\n")
        #expect(lines.count == paths.count + 2)
        for (line, path) in zip(lines.dropFirst(), paths) {
            #expect(line.hasPrefix("  \(path): "))
            #expect(line.contains("No such file"))
            #expect(line.components(of: path) == 1, "the path stands once in: \(line)")
        }
        for way in ["make setup", "--onnxruntime", "$STRAIT_ONNXRUNTIME"] {
            #expect(lines.last?.contains(way) == true)
        }
    }

    @Test("another shared library is refused as what it is")
    func anotherLibrary() throws {
        let error = try failure { _ = try OnnxRuntimeLibrary.load(searching: ["libm.so.6"]) }
        #expect(error.code == .libraryNotFound)
        #expect(error.message.contains("libm.so.6: not ONNX Runtime"))
    }

    @Test("a file that is no library is refused with the loader's reason")
    func noLibrary() throws {
        try withTemporaryFolder { folder in
            let path = try folder.write("libonnxruntime.so", [UInt8](repeating: 0x20, count: 4096))
            let error = try failure { _ = try OnnxRuntimeLibrary.load(searching: [path]) }
            #expect(error.code == .libraryNotFound)
            #expect(error.message.contains("\(path): "))
            #expect(error.message.contains("ELF"))
        }
    }

    @Test("an older ONNX Runtime is refused with its version and the one needed", arguments: ["1.23.2", "0.9", "odd"])
    func olderLibrary(version: String) throws {
        try withTemporaryFolder { folder in
            let path = try makeLibrary(version: version, in: folder)
            let error = try failure { _ = try OnnxRuntimeLibrary.load(searching: ["/nowhere/lib.so", path]) }
            #expect(error.code == .libraryTooOld)
            #expect(error.message.contains("\(path): version \(version) is too old: 1.24 or newer is needed"))
            #expect(error.message.contains("/nowhere/lib.so: "))
        }
    }

    /// A stand-in for an old ONNX Runtime: it has a version and no table to offer.
    private func makeLibrary(version: String, in folder: TemporaryFolder) throws -> String {
        let source = """
            static const char *version(void) { return "\(version)"; }
            static const void *get_api(unsigned wanted) { (void)wanted; return 0; }
            static const struct { const void *(*a)(unsigned); const char *(*b)(void); } base = {get_api, version};
            const void *OrtGetApiBase(void) { return &base; }
            """
        let path = try folder.write("old.c", Array(source.utf8))
        let library = folder.file("libonnxruntime.so")
        let command = "clang -shared -fPIC -o '\(library)' '\(path)' || cc -shared -fPIC -o '\(library)' '\(path)'"
        try #require(system(command) == 0, "a C compiler is needed: clang comes with the Swift toolchain")
        return library
    }

    @Test("no path at all still says what to do")
    func noPath() throws {
        let error = try failure { _ = try OnnxRuntimeLibrary.load(searching: []) }
        #expect(error.code == .libraryNotFound)
        #expect(error.message.contains("make setup"))
    }

    @Test("the first library that serves is loaded, and those passed over are kept")
    func laterCandidate() throws {
        let real = try Runtime.environment().library
        let library = try OnnxRuntimeLibrary.load(searching: ["/nowhere/lib.so", "libm.so.6", real.path, "libm.so.6"])
        #expect(library.version == real.version)
        #expect(library.path == real.path)
        #expect(library.rejected.map(\.path) == ["/nowhere/lib.so", "libm.so.6"])
        #expect(library.rejected.allSatisfy { !$0.reason.isEmpty })
    }

    @Test("the version is exposed and new enough")
    func version() throws {
        let parts = try Runtime.environment().library.version.split(separator: ".").compactMap { Int($0) }
        try #require(parts.count >= 2)
        #expect(parts[0] > 1 || parts[1] >= 24)
    }
}

@Suite("Where the library is sought")
struct LibrarySearchTests {
    @Test("the order is: option, variable, setup folder here and in the package, beside the binary, the loader")
    func order() {
        let found = OnnxRuntimeLibrary.candidates(
            explicit: "/a/ort.so", environment: ["STRAIT_ONNXRUNTIME": "/b/ort.so"],
            executableDirectory: "/src/strait/.build/x86_64/release", setupDirectory: ".strait/onnxruntime",
            fileExists: { $0 == "/src/strait/Package.swift" })
        #expect(
            found == [
                "/a/ort.so", "/b/ort.so", ".strait/onnxruntime/libonnxruntime.so",
                "/src/strait/.strait/onnxruntime/libonnxruntime.so",
                "/src/strait/.build/x86_64/release/libonnxruntime.so", "libonnxruntime.so.1", "libonnxruntime.so",
            ])
    }

    @Test("an installed binary has no package, and an empty variable counts as none")
    func installed() {
        let found = OnnxRuntimeLibrary.candidates(
            explicit: nil, environment: ["STRAIT_ONNXRUNTIME": ""], executableDirectory: "/usr/bin",
            setupDirectory: ".strait/onnxruntime", fileExists: { _ in false })
        #expect(
            found == [
                ".strait/onnxruntime/libonnxruntime.so", "/usr/bin/libonnxruntime.so", "libonnxruntime.so.1",
                "libonnxruntime.so",
            ])
    }

    @Test("a path that is named twice is sought once, and an absolute setup folder only where it is")
    func twice() {
        let found = OnnxRuntimeLibrary.candidates(
            explicit: "/x/libonnxruntime.so", environment: ["STRAIT_ONNXRUNTIME": "/x/libonnxruntime.so"],
            executableDirectory: "/x", setupDirectory: "/x", fileExists: { _ in true })
        #expect(found == ["/x/libonnxruntime.so", "libonnxruntime.so.1", "libonnxruntime.so"])
    }
}

extension Substring {
    /// How often `part` occurs.
    fileprivate func components(of part: String) -> Int {
        var (count, rest) = (0, self)
        while let range = rest.firstRange(of: part) {
            count += 1
            rest = rest[range.upperBound...]
        }
        return count
    }
}
