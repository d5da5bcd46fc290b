// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc

/// What commands say to people: on standard error, so that standard output stays for results.
enum Console {
    /// Writes one line.
    static func log(_ line: String) {
        var text = line + "\n"
        // One write a line, so that lines of several processes do not mix; nobody to tell where it fails.
        text.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// Says why a command cannot go on, and gives the exit code of that: of a failure, unless it was asked wrongly.
    static func failure(_ command: String, _ message: String, code: ExitCode = .failure) -> ExitCode {
        log("strait \(command): \(message)")
        return code
    }
}
