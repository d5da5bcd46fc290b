// SPDX-License-Identifier: Apache-2.0

internal import OnnxRuntime
internal import StraitPlatform

/// What `strait --version` says: enough for a report of an error.
enum VersionText {
    /// All of it.
    static var whole: String {
        let commit = BuildFacts.commit.map { " (commit \($0))" } ?? ""
        return "strait \(Strait.version)\(commit)\nSwift \(swift), \(processor)\nONNX Runtime \(onnxRuntime)"
    }

    private static var onnxRuntime: String {
        do {
            let library = try OnnxRuntimeOptions.find()
            return "\(library.version) (\(library.path))"
        } catch {
            return "cannot be used: \(error)"
        }
    }

    /// The compiler that this was built with. There is no asking it for its name.
    private static var swift: String {
        #if compiler(>=6.5)
            "6.5 or later"
        #elseif compiler(>=6.4)
            "6.4"
        #elseif compiler(>=6.3)
            "6.3"
        #else
            "6.2"
        #endif
    }

    private static var processor: String {
        #if arch(x86_64)
            "x86_64"
        #elseif arch(arm64)
            "aarch64"
        #else
            "another processor"
        #endif
    }
}
