// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Where files about a model repository stand: beside its folder, because the folder itself may be read-only or shared.
package enum RepositoryFiles {
    /// Whether a file can be reached.
    package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Why a file cannot be written; nil where nothing seems to speak against it.
    package static func obstacle(toWriting path: String) -> String? {
        let folder = Files.folder(of: path)
        // It is replaced, so its folder is what must be writable.
        guard access(folder, W_OK | X_OK) != 0 else { return nil }
        return "\(path): nothing can be written in \(folder): \(Files.reason())"
    }

    /// The file of a kind: beside `models` stands `models.profile.json`.
    static func path(beside repository: String, kind: String) -> String {
        var folder = repository.isEmpty ? "." : repository[...]
        while folder.count > 1, folder.hasSuffix("/") { folder = folder.dropLast() }
        let name = folder.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        // A folder without a name of its own has no beside that can be named.
        if ["", ".", ".."].contains(name) { return (folder == "/" ? "" : folder) + "/strait.\(kind).json" }
        return folder + ".\(kind).json"
    }
}
