// SPDX-License-Identifier: Apache-2.0

/// Where files about a model repository stand: beside its folder, because the folder itself may be read-only or shared.
enum RepositoryFiles {
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
