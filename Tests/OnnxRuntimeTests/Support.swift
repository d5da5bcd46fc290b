// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import OnnxRuntime
internal import Testing

/// The real library, loaded once. Tests that need it fail where it is absent; they are never skipped.
enum Runtime {
    /// The environment that all tests share.
    static func environment() throws -> Environment { try shared.get() }

    private static let shared: Result<Environment, OnnxRuntimeError> = Result { () throws(OnnxRuntimeError) in
        // Not from the system's own path: the tests are about the version that `make setup` pins.
        let candidates = OnnxRuntimeLibrary.candidates(
            explicit: nil, environment: variables, executableDirectory: nil, setupDirectory: ".strait/onnxruntime")
        let library = try OnnxRuntimeLibrary.load(searching: candidates.filter { $0.contains("/") })
        return try Environment(library: library, logSeverity: .fatal)
    }

    private static var variables: [String: String] {
        let name = OnnxRuntimeLibrary.environmentVariable
        return getenv(name).map { [name: String(cString: $0)] } ?? [:]
    }

    /// A session of a fixture. It prints nothing: the tests provoke failures.
    static func session(_ fixture: OnnxFixture, named model: String = "fixture") throws -> Session {
        var options = SessionOptions()
        options.logSeverity = .fatal
        return try withTemporaryFolder { folder in
            let path = try folder.write("model.onnx", fixture.bytes)
            return try Session(path: path, model: model, options: options, in: environment())
        }
    }
}

/// Calls `body` with a folder that is removed with its files afterwards.
func withTemporaryFolder<Result>(_ body: (TemporaryFolder) throws -> Result) throws -> Result {
    let folder = try TemporaryFolder()
    // Without this the optimiser may let the folder go while only its paths are still in use.
    defer { withExtendedLifetime(folder) {} }
    return try body(folder)
}

/// A folder that is removed with its files when it is let go.
final class TemporaryFolder {
    let path: String
    private var files: [String] = []

    fileprivate init() throws {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/strait-ort-XXXXXX".utf8CString)
        path = try template.withUnsafeMutableBufferPointer { buffer in
            let start = try #require(buffer.baseAddress)
            let made = try #require(mkdtemp(start), "no temporary folder could be made in \(parent)")
            return String(cString: made)
        }
    }

    /// Writes a file and returns its path.
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = self.file(name)
        let stream = try #require(fopen(file, "wb"), "\(file) could not be written")
        let written = bytes.isEmpty ? 0 : fwrite(bytes, 1, bytes.count, stream)
        try #require(fclose(stream) == 0 && written == bytes.count, "\(file) could not be written")
        return file
    }

    /// The path of a file that another program may write.
    func file(_ name: String) -> String {
        files.append("\(path)/\(name)")
        return "\(path)/\(name)"
    }

    deinit {
        for file in files { unlink(file) }
        rmdir(path)
    }
}

/// Aligned memory of a test's own.
// @unchecked: the tests write it from one thread at a time.
final class Buffer: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer

    init(byteCount: Int) {
        bytes = .allocate(byteCount: byteCount, alignment: 64)
        bytes.initializeMemory(as: UInt8.self, repeating: 0xAA)
    }

    convenience init<Element: BitwiseCopyable>(_ elements: [Element]) {
        self.init(byteCount: elements.count * MemoryLayout<Element>.stride)
        write(elements)
    }

    func write<Element: BitwiseCopyable>(_ elements: [Element]) {
        elements.withUnsafeBytes { bytes.copyMemory(from: $0) }
    }

    deinit { bytes.deallocate() }
}

extension Value {
    /// A tensor over a buffer, which it keeps.
    convenience init(_ buffer: Buffer, _ type: OrtElementType, _ shape: [Int]) throws {
        try self.init(over: buffer.bytes, type: type, shape: shape, owner: buffer, in: Runtime.environment())
    }

    /// A tensor of floats of its own memory.
    convenience init(floats: [Float], _ shape: [Int]) throws { try self.init(Buffer(floats), .fp32, shape) }

    /// The elements, copied.
    func elements<Element: BitwiseCopyable>(_ type: Element.Type = Element.self) -> [Element] {
        Array(bytes.bindMemory(to: type))
    }
}

/// A thread of its own that runs `body`; joined by `join`.
struct TestThread {
    private let thread: pthread_t

    init(_ body: @escaping @Sendable () -> Void) throws {
        final class Box: Sendable {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        var thread = pthread_t()
        let box = Unmanaged.passRetained(Box(body))
        let code = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body() }
                return nil
            }, box.toOpaque())
        try #require(code == 0, "no thread could be started")
        self.thread = thread
    }

    func join() { pthread_join(thread, nil) }
}

/// A small seeded generator (SplitMix64), so that every run tests the same bytes.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// The error that `body` throws.
func failure(_ body: () throws -> Void, sourceLocation: SourceLocation = #_sourceLocation) throws -> OnnxRuntimeError {
    try #require(
        #expect(throws: OnnxRuntimeError.self, sourceLocation: sourceLocation, performing: body),
        sourceLocation: sourceLocation)
}
