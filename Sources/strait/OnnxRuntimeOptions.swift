// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import OnnxRuntime

/// Which ONNX Runtime a command uses.
struct OnnxRuntimeOptions: ParsableArguments {
    @Option(
        name: .customLong("onnxruntime"),
        help: ArgumentHelp(
            "ONNX Runtime's library.",
            discussion:
                "Sought here first, then in $STRAIT_ONNXRUNTIME, where make setup puts it, beside the program, and "
                + "on the loader's path.", valueName: "path"))
    var path: String?

    /// Loads the library.
    ///
    /// - Parameter warn: told where the one that was named cannot be used.
    /// - Throws: what was tried, and why none of it can be used.
    func load(warn: (String) -> Void = Console.log) throws(OnnxRuntimeError) -> OnnxRuntimeLibrary {
        let library = try Self.find(path)
        if let path, let rejected = library.rejected.first(where: { $0.path == path }) {
            warn("warning: --onnxruntime \(path) cannot be used (\(rejected.reason)); using \(library.path)")
        }
        return library
    }

    /// Loads the library that is named, or else found.
    static func find(_ path: String? = nil) throws(OnnxRuntimeError) -> OnnxRuntimeLibrary {
        try OnnxRuntimeLibrary.load(
            searching: OnnxRuntimeLibrary.candidates(
                explicit: path, environment: Surroundings.environment,
                executableDirectory: Surroundings.executableDirectory, setupDirectory: ".strait/onnxruntime"))
    }
}
