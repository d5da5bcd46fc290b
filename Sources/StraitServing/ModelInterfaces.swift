// SPDX-License-Identifier: Apache-2.0

package import StraitDevices
package import StraitProtocol

extension ModelInterface {
    /// What a loaded model takes and gives, in the protocol's terms.
    package init(_ loaded: LoadedModel) {
        self.init(inputs: loaded.inputs.map(InterfaceTensor.init), outputs: loaded.outputs.map(InterfaceTensor.init))
    }
}

extension InterfaceTensor {
    fileprivate init(_ signature: TensorSignature) {
        self.init(
            name: signature.name, type: signature.type, dimensions: signature.dimensions, symbols: signature.symbols)
    }
}
