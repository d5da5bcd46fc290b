// SPDX-License-Identifier: Apache-2.0

/// What a model is known by from one run of a server to the next.
package struct ModelKey: Sendable, Hashable {
    /// Its name in the repository.
    package var name: String
    /// Its version, at least 1.
    package var version: Int
    /// A digest of its file, so that another model under the same name is noticed; 1 to 256 bytes.
    package var hash: String

    /// A model's key.
    package init(name: String, version: Int, hash: String) {
        self.name = name
        self.version = version
        self.hash = hash
    }

    /// What versions may be.
    static let versions = 1...Int(Int32.max)

    /// What keeps it from being written, or nil.
    func flaw() -> String? {
        if ![name, hash].allSatisfy({ (1...Bounds.name).contains($0.utf8.count) }) {
            return "a name or hash is empty or too long"
        }
        return Self.versions.contains(version) ? nil : "\(name) has the version \(version)"
    }
}
