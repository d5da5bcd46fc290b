// SPDX-License-Identifier: Apache-2.0

internal import Glibc

extension OnnxRuntimeLibrary {
    /// The variable that names the library.
    package static let environmentVariable = "STRAIT_ONNXRUNTIME"

    /// Where ONNX Runtime is sought, in order: the path given, `$STRAIT_ONNXRUNTIME`, the folder that `make setup`
    /// fills (in the working directory, then in the package that the binary was built from), beside the binary, and
    /// the names that the system's loader knows. Each path appears once.
    ///
    /// - Parameters:
    ///   - explicit: the value of `--onnxruntime`, if given.
    ///   - environment: the process's environment variables.
    ///   - executableDirectory: the folder of the running binary, absolute, if known.
    ///   - setupDirectory: the folder that `make setup` fills: `.strait/onnxruntime`, or an absolute path.
    ///   - fileExists: whether a file exists; for tests.
    package static func candidates(
        explicit: String?, environment: [String: String], executableDirectory: String?, setupDirectory: String,
        fileExists: (String) -> Bool = { access($0, F_OK) == 0 }
    ) -> [String] {
        var found: [String] = []
        func add(_ path: String?) {
            if let path, !path.isEmpty, !found.contains(path) { found.append(path) }
        }
        add(explicit)
        add(environment[environmentVariable])
        add("\(setupDirectory)/\(fileName)")
        if let executableDirectory {
            if !setupDirectory.hasPrefix("/"), let root = packageRoot(above: executableDirectory, fileExists) {
                add("\(root)/\(setupDirectory)/\(fileName)")
            }
            add("\(executableDirectory)/\(fileName)")
        }
        add("\(fileName).1")
        add(fileName)
        return found
    }

    /// The file's name without a version, as `make setup` leaves it.
    private static let fileName = "libonnxruntime.so"

    /// A binary lies in `.build/<platform>/<configuration>`: three levels, and one to spare.
    private static let levelsToPackage = 4

    /// The nearest folder above `directory` that holds a Package.swift; nil for an installed binary.
    private static func packageRoot(above directory: String, _ fileExists: (String) -> Bool) -> String? {
        var folder = directory[...]
        for _ in 0..<levelsToPackage {
            while folder.hasSuffix("/") { folder.removeLast() }
            guard let slash = folder.lastIndex(of: "/") else { return nil }
            folder = folder[..<slash]
            if fileExists("\(folder)/Package.swift") { return String(folder) }
        }
        return nil
    }
}
