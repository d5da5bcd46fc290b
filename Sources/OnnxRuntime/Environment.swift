// SPDX-License-Identifier: Apache-2.0

internal import COnnxRuntime

/// How grave a message must be for ONNX Runtime to print it on standard error.
package enum LogSeverity: Int32, Sendable {
    case verbose = 0
    case info, warning, error, fatal
}

/// What all sessions of a process share. Make one and keep it: ONNX Runtime has one a process underneath.
// @unchecked: the handles are constant, and ONNX Runtime's functions on them are thread-safe.
package final class Environment: @unchecked Sendable {
    /// The library that serves.
    package let library: OnnxRuntimeLibrary
    /// Describes ordinary memory to ONNX Runtime.
    let cpuMemory: OpaquePointer
    /// The library's default allocator; it is not ours to release.
    let allocator: OpaquePointer
    private let handle: OpaquePointer

    /// The function table.
    var api: OpaquePointer { library.api }

    /// Starts ONNX Runtime.
    ///
    /// - Throws: what ONNX Runtime reports.
    package init(library: OnnxRuntimeLibrary, logSeverity: LogSeverity = .error) throws(OnnxRuntimeError) {
        self.library = library
        let api = library.api
        handle = try library.made { ort_create_env(api, logSeverity.rawValue, "strait", &$0) }
        do {
            cpuMemory = try library.made { ort_create_cpu_memory_info(api, &$0) }
        } catch {
            ort_release_env(api, handle)
            throw error
        }
        do {
            allocator = try library.made { ort_default_allocator(api, &$0) }
        } catch {
            ort_release_memory_info(api, cpuMemory)
            ort_release_env(api, handle)
            throw error
        }
    }

    deinit {
        // Sessions and values hold the environment, so none is left.
        ort_release_memory_info(api, cpuMemory)
        ort_release_env(api, handle)
    }

    /// A session's handle.
    func makeSession(
        path: String, options: OpaquePointer, model: String
    ) throws(OnnxRuntimeError) -> OpaquePointer {
        try library.made(model: model) { ort_create_session(api, handle, path, options, &$0) }
    }

    /// A string that ONNX Runtime allocated, as ours; the original is freed. Nil for NULL.
    func adopt(_ characters: UnsafeMutablePointer<CChar>?) -> String? {
        guard let characters else { return nil }
        defer { free(characters) }
        return String(cString: characters)
    }

    /// Frees memory that ONNX Runtime allocated with the default allocator.
    func free(_ memory: UnsafeMutableRawPointer) {
        // A failure could only be reported, not mended: the memory is then lost.
        if let status = ort_allocator_free(api, allocator, memory) { ort_release_status(api, status) }
    }
}

extension OnnxRuntimeLibrary {
    /// Turns a status into an error; releases it.
    func check(_ status: OpaquePointer?, model: String? = nil) throws(OnnxRuntimeError) {
        if let status { throw error(status, model: model) }
    }

    /// The error that a status stands for; releases the status.
    func error(_ status: OpaquePointer, model: String?) -> OnnxRuntimeError {
        defer { ort_release_status(api, status) }
        return OnnxRuntimeError(
            ortCode: Int(ort_status_code(api, status)), message: string(ort_status_message(api, status)), model: model)
    }

    /// The handle that a function makes.
    func made(
        model: String? = nil, _ make: (inout OpaquePointer?) -> OpaquePointer?
    ) throws(OnnxRuntimeError) -> OpaquePointer {
        var handle: OpaquePointer?
        try check(make(&handle), model: model)
        guard let handle else {
            throw OnnxRuntimeError(.other, "ONNX Runtime reported success but made nothing", model: model)
        }
        return handle
    }

    /// The number that a function reads.
    func read<Number: FixedWidthInteger>(
        model: String? = nil, _ get: (inout Number) -> OpaquePointer?
    ) throws(OnnxRuntimeError) -> Number {
        var number: Number = 0
        try check(get(&number), model: model)
        return number
    }
}
