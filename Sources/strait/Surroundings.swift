// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Where the program runs.
enum Surroundings {
    /// The environment's variables.
    static var environment: [String: String] {
        var variables: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let sides = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if sides.count == 2 { variables[String(sides[0])] = String(sides[1]) }
            entry += 1
        }
        return variables
    }

    /// The folder of the program's file; nil where the system does not say.
    static var executableDirectory: String? {
        guard let path = realpath("/proc/self/exe", nil) else { return nil }
        defer { free(path) }
        let parts = String(cString: path).split(separator: "/")
        return "/" + parts.dropLast().joined(separator: "/")
    }
}
