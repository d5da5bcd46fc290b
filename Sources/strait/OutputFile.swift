// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import StraitLoad

/// Where a result goes.
enum OutputFile {
    /// Checks before something that takes a while that its result can be written; changes nothing there.
    ///
    /// - Parameter path: nil, or - for standard output, is always good.
    static func check(_ path: String?) throws(LoadError) {
        guard let path, path != "-" else { return }
        var status = stat()
        let number: CInt
        if stat(path, &status) == 0 {
            number = status.st_mode & S_IFMT == S_IFDIR ? EISDIR : access(path, W_OK) == 0 ? 0 : errno
        } else {
            let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
            number = access(folder, W_OK | X_OK) == 0 ? 0 : errno
        }
        guard number == 0 else {
            throw LoadError(.system, "Cannot write \(path): \(String(cString: strerror(number))).")
        }
    }
}
