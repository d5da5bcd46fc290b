// SPDX-License-Identifier: Apache-2.0

/// What the server says of itself.
package struct ServerDescription: Sendable, Hashable {
    /// Its name.
    package let name: String
    /// Its version.
    package let version: String
    /// How many batches of a model can run at a time.
    package let lanes: Int

    package init(name: String, version: String, lanes: Int) {
        self.name = name
        self.version = version
        self.lanes = lanes
    }
}
