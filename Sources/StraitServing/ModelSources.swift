// SPDX-License-Identifier: Apache-2.0

internal import StraitDevices
internal import StraitProtocol

extension ModelSource {
    /// A version of a repository's model, with what its config.pbtxt says of it.
    init(_ entry: RepositoryEntry, version: Int) {
        self.init(path: entry.modelFile(version: version), name: entry.name)
        hasFile = entry.hasModelFile(version: version)
        maximumRows = max(1, entry.config?.maxBatchSize ?? ModelSpecification.defaultMaximumBatchSize)
        guard let config = entry.config else { return }
        declared = Interface(config)
        virtualCosts = VirtualKernels(config.virtualCosts)
    }
}

extension ModelSource.Interface {
    /// The inputs and outputs of a configuration, if it has at least one of each, with their types.
    fileprivate init?(_ config: ModelConfiguration) {
        guard !config.inputs.isEmpty, !config.outputs.isEmpty else { return nil }
        let isBatchable = (config.maxBatchSize ?? 0) > 0
        func signatures(_ tensors: [ConfiguredTensor]) -> [TensorSignature]? {
            let signatures = tensors.compactMap { tensor in
                tensor.type.map { type in
                    TensorSignature(
                        name: tensor.name, type: type, dimensions: (isBatchable ? [-1] : []) + tensor.dimensions)
                }
            }
            return signatures.count == tensors.count ? signatures : nil
        }
        guard let inputs = signatures(config.inputs), let outputs = signatures(config.outputs) else { return nil }
        self.init(inputs: inputs, outputs: outputs)
    }
}

extension ModelSource.VirtualKernels {
    fileprivate init(_ costs: VirtualCosts) {
        self.init()
        baseMilliseconds = costs.baseMilliseconds
        rowMilliseconds = costs.rowMilliseconds
        inputBytes = costs.inputBytes
        outputBytes = costs.outputBytes
        compute = costs.compute
        bandwidth = costs.bandwidth
        cache = costs.cache
        cacheSensitivity = costs.cacheSensitivity
        isPinned = costs.isPinned
        phases = costs.phases
    }
}
