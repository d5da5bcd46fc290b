// SPDX-License-Identifier: Apache-2.0

// OnnxRuntime: a thin Swift face over the C shim. Finding and loading the library, sessions, tensors over the caller's
// memory, runs, and errors that carry ONNX Runtime's code and message and the model's name.

internal import COnnxRuntime

/// ONNX Runtime's shared library, loaded. It stays loaded until the process ends.
// @unchecked: the function table is constant and the library never unloaded, so any thread may use it.
package final class OnnxRuntimeLibrary: @unchecked Sendable {
    /// A path that was tried and could not be used.
    package struct Rejection: Sendable, Hashable {
        /// The path, as it was given.
        package let path: String
        /// Why it could not be used.
        package let reason: String
    }

    /// The library's function table, for this module.
    let api: OpaquePointer
    /// The library's version, such as `1.32.0`.
    package let version: String
    /// The file that was loaded, as the system's loader found it.
    package let path: String
    /// The candidates that came before the one that was loaded, and why each was passed over.
    package let rejected: [Rejection]

    private init(api: OpaquePointer, version: String, path: String, rejected: [Rejection]) {
        self.api = api
        self.version = version
        self.path = path
        self.rejected = rejected
    }

    /// Loads the first of the candidates that is ONNX Runtime and new enough (1.24).
    ///
    /// - Parameter candidates: paths in order of preference, as `candidates(explicit:…)` gives them. A name without a
    ///   slash is sought by the system's loader.
    /// - Throws: `libraryNotFound`, or `libraryTooOld` where one of them was too old; the message lists every path with
    ///   its reason and says what to do.
    package static func load(searching candidates: [String]) throws(OnnxRuntimeError) -> OnnxRuntimeLibrary {
        var rejected: [Rejection] = []
        var code = OnnxRuntimeError.Code.libraryNotFound
        for path in candidates {
            let (found, reason) = open(path)
            if found.outcome == ORT_LOADED, let api = found.api {
                return OnnxRuntimeLibrary(
                    api: api, version: string(found.version), path: string(found.path), rejected: rejected)
            }
            if found.outcome == ORT_TOO_OLD { code = .libraryTooOld }
            rejected.append(Rejection(path: path, reason: shortened(reason, path: path)))
        }
        throw OnnxRuntimeError(code, complaint(code, rejected))
    }

    /// Room for the loader's longest complaint: a path (4096 at most) and a sentence.
    private static let reasonCapacity = 4608

    private static func open(_ path: String) -> (ort_library, reason: String) {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: reasonCapacity) { reason in
            let found = ort_load(path, reason.baseAddress, reason.count)
            return (found, string(reason.baseAddress))
        }
    }

    /// The loader begins its complaint with the path, which stands before it already.
    private static func shortened(_ reason: String, path: String) -> String {
        let prefix = path + ": "
        return reason.hasPrefix(prefix) ? String(reason.dropFirst(prefix.count)) : reason
    }

    private static func complaint(_ code: OnnxRuntimeError.Code, _ rejected: [Rejection]) -> String {
        let needed = "version 1.\(ORT_REQUIRED_API) or newer is needed"
        var text =
            code == .libraryTooOld
            ? "the ONNX Runtime that was found is too old (\(needed))." : "ONNX Runtime was not found (\(needed))."
        text += rejected.isEmpty ? " No path was given to look at.\n" : " Tried, in this order:\n"
        for one in rejected { text += "  \(one.path): \(one.reason)\n" }
        return text
            + "Run `make setup` in a checkout, put libonnxruntime.so of the Python wheel onnxruntime beside the program, "
            + "or name it with --onnxruntime PATH or $STRAIT_ONNXRUNTIME."
    }
}

/// A C string of the library's as a Swift string; "" for NULL.
func string(_ characters: UnsafePointer<CChar>?) -> String {
    guard let characters else { return "" }
    return String(cString: characters)
}
