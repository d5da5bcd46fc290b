// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitDevices
package import StraitFormats
package import StraitProtocol

/// A model in one version that is loaded and takes requests.
package struct ServedModel: Sendable {
    /// The scheduler's number for it.
    package let id: ModelID
    /// By what it is told from another that had the same number before or has it afterwards.
    let serial: UInt64
    /// What it takes and gives, and what its configuration says.
    package let specification: ModelSpecification
    /// The model on the device.
    package let loaded: LoadedModel
    /// By what it is known from one run of the server to the next; nil where that was not found out.
    package let key: ModelKey?
    /// What was measured of it before it served; nil if nothing was.
    package let profile: ModelProfile?

    /// For each input of the loaded model, in the runtime's order, its name.
    let inputNames: [String]

    init(
        id: ModelID, serial: UInt64, specification: ModelSpecification, loaded: LoadedModel, key: ModelKey? = nil,
        profile: ModelProfile? = nil
    ) {
        self.id = id
        self.serial = serial
        self.specification = specification
        self.loaded = loaded
        self.key = key
        self.profile = profile
        self.inputNames = loaded.inputs.map(\.name)
    }
}
