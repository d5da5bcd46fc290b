// SPDX-License-Identifier: Apache-2.0

internal import CPlatform

/// What whoever built this told the compiler.
package enum BuildFacts {
    /// The commit, in hexadecimal; nil where it was not told (`STRAIT_COMMIT` in the environment of the build tells it).
    package static var commit: String? {
        let text = String(cString: platform_commit())
        return text.isEmpty ? nil : text
    }
}
