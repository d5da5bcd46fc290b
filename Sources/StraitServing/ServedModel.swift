// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitDevices
package import StraitFormats
package import StraitProtocol

/// A model in one version that is loaded and takes requests.
package struct ServedModel: Sendable {
    /// The scheduler's number for it, which another gets once it is unloaded.
    package let id: ModelID
    /// The engine's own number for it, which no other ever has.
    let serial: UInt64
    /// What it takes and gives, and what its configuration says.
    package let specification: ModelSpecification
    /// The model on each of the engine's devices, in their order.
    package let onDevices: [LoadedModel]
    /// By what it is known from one run of the server to the next; nil where that was not found out.
    package let key: ModelKey?
    /// What was measured of it before it served; nil if nothing was.
    package let profile: ModelProfile?

    /// For each input of the loaded model, in the runtime's order, its name.
    let inputNames: [String]

    /// The model on the first device: what it takes and gives is the same on all.
    package var loaded: LoadedModel { onDevices[0] }

    init(
        id: ModelID, serial: UInt64, specification: ModelSpecification, onDevices: [LoadedModel], key: ModelKey? = nil,
        profile: ModelProfile? = nil
    ) {
        self.id = id
        self.serial = serial
        self.specification = specification
        self.onDevices = onDevices
        self.key = key
        self.profile = profile
        self.inputNames = onDevices[0].inputs.map(\.name)
    }
}
