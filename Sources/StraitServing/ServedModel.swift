// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitDevices
package import StraitProtocol

/// A model in one version that is loaded and takes requests.
package struct ServedModel: Sendable {
    /// The scheduler's number for it.
    package let id: ModelID
    /// What it takes and gives, and what its configuration says.
    package let specification: ModelSpecification
    /// The model on the device.
    package let loaded: LoadedModel

    /// For each input of the loaded model, in the runtime's order, its name.
    let inputNames: [String]

    init(id: ModelID, specification: ModelSpecification, loaded: LoadedModel) {
        self.id = id
        self.specification = specification
        self.loaded = loaded
        self.inputNames = loaded.inputs.map(\.name)
    }
}
