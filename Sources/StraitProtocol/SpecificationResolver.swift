// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor

extension ModelSpecification {
    /// What is served for one version of a repository's model whose file declares `interface`.
    ///
    /// Where config.pbtxt does not set `max_batch_size`, the model decides: it is batchable only if every input and
    /// output has a symbolic first dimension of one name. Where it does, Triton's rules hold: above 0, `dims` leave the
    /// batch dimension out and the model's first dimensions must vary; 0 forbids batching.
    ///
    /// - Throws: ``RepositoryError``: the entry's own problem, or where file and config disagree.
    package static func resolve(
        entry: RepositoryEntry, version: Int, interface: ModelInterface
    ) throws(RepositoryError) -> ModelSpecification {
        if let problem = entry.problem { throw problem }
        guard entry.availableVersions.contains(version) else {
            let known = entry.availableVersions.map { String($0) }.joined(separator: ", ")
            throw RepositoryError(.missing, "there is no version \(version), only \(known)", path: entry.directory)
        }
        let config = entry.config ?? ModelConfiguration(path: "\(entry.directory)/config.pbtxt")
        var resolver = SpecificationResolver(config: config, interface: interface, directory: entry.directory)
        try resolver.resolve()
        return ModelSpecification(
            name: entry.name, version: version, modelFile: entry.modelFile(version: version),
            maxBatchSize: resolver.maxBatchSize, inputs: resolver.inputs, outputs: resolver.outputs,
            defaultClass: config.defaultClass, deadlineMilliseconds: config.deadlineMilliseconds,
            maxQueueSize: config.maxQueueSize, versionPolicy: config.versionPolicy,
            defaultModelFilename: config.defaultModelFilename ?? ModelRepository.defaultModelFilename,
            parameters: config.parameters, warmups: config.warmups.map { $0.located(in: entry.directory) })
    }
}

/// Takes a model's own declaration and its config.pbtxt together.
private struct SpecificationResolver {
    let config: ModelConfiguration
    let interface: ModelInterface
    /// The model's folder.
    let directory: String
    var maxBatchSize = 0
    var inputs: [TensorSpecification] = []
    var outputs: [TensorSpecification] = []

    init(config: ModelConfiguration, interface: ModelInterface, directory: String) {
        self.config = config
        self.interface = interface
        self.directory = directory
    }

    /// The largest file of labels, in bytes: a hundred thousand classes of long names.
    private static let maximumLabels = 16 << 20

    private func mismatch(_ message: String, line: Int?) -> RepositoryError {
        RepositoryError(.mismatch, message, path: config.path, line: line)
    }

    mutating func resolve() throws(RepositoryError) {
        try checkNames("input", config.inputs, interface.inputs, mustBeComplete: true)
        try checkNames("output", config.outputs, interface.outputs, mustBeComplete: false)
        maxBatchSize = try chooseBatchSize()
        for tensor in interface.inputs {
            let declared = config.inputs.first { $0.name == tensor.name }
            inputs.append(try specification("input", tensor, declared))
        }
        for tensor in interface.outputs {
            let declared = config.outputs.first { $0.name == tensor.name }
            if declared == nil, !config.outputs.isEmpty { continue }
            outputs.append(try specification("output", tensor, declared))
        }
    }

    private func checkNames(
        _ kind: String, _ declared: [ConfiguredTensor], _ present: [InterfaceTensor], mustBeComplete: Bool
    ) throws(RepositoryError) {
        let names = present.map { "\"\($0.name)\"" }.joined(separator: ", ")
        for tensor in declared where !present.contains(where: { $0.name == tensor.name }) {
            throw mismatch("the model has no \(kind) \"\(tensor.name)\"; it has \(names)", line: tensor.line)
        }
        guard mustBeComplete, !declared.isEmpty else { return }
        for tensor in present where !declared.contains(where: { $0.name == tensor.name }) {
            throw mismatch(
                "\(kind) \"\(tensor.name)\" of the model is not listed; list all of them (\(names)) or none", line: nil)
        }
    }

    // -- batching ------------------------------------------------------------------------------------------------

    private func chooseBatchSize() throws(RepositoryError) -> Int {
        guard let size = config.maxBatchSize else {
            return isBatchableByItself && !configFixesFirstDimension ? ModelSpecification.defaultMaximumBatchSize : 0
        }
        guard size > 0 else { return 0 }
        for (kind, tensors) in [("input", interface.inputs), ("output", interface.outputs)] {
            for tensor in tensors where tensor.dimensions.first != -1 {
                let found = tensor.dimensions.first.map { "a fixed first dimension of \($0)" } ?? "no dimensions"
                throw mismatch(
                    "max_batch_size is \(size), but \(kind) \"\(tensor.name)\" of the model has \(found); set "
                        + "max_batch_size: 0, or export the model with a dynamic batch", line: config.maxBatchSizeLine)
            }
        }
        return size
    }

    /// Whether every input and output has a symbolic first dimension of one name.
    private var isBatchableByItself: Bool {
        guard let symbol = interface.inputs.first?.symbols.first, !symbol.isEmpty, !interface.outputs.isEmpty else {
            return false
        }
        return (interface.inputs + interface.outputs).allSatisfy {
            $0.dimensions.first == -1 && $0.symbols.first == symbol
        }
    }

    /// Whether config.pbtxt writes a whole shape and pins its first dimension.
    private var configFixesFirstDimension: Bool {
        let pairs = config.inputs.map { ($0, interface.inputs) } + config.outputs.map { ($0, interface.outputs) }
        return pairs.contains { (declared, present) in
            let rank = present.first { $0.name == declared.name }?.dimensions.count
            return declared.dimensions.count == rank && declared.dimensions.first != -1
        }
    }

    // -- tensors -------------------------------------------------------------------------------------------------

    private func specification(
        _ kind: String, _ tensor: InterfaceTensor, _ declared: ConfiguredTensor?
    ) throws(RepositoryError) -> TensorSpecification {
        var dimensions = tensor.dimensions
        if let declared {
            if let type = declared.type, type != tensor.type {
                throw mismatch(
                    "\(kind) \"\(tensor.name)\" is \(tensor.type.name) in the model, data_type says \(type.name)",
                    line: declared.line)
            }
            dimensions = try combine(kind, tensor, declared)
        }
        return TensorSpecification(
            name: tensor.name, type: tensor.type, shape: Shape(dimensions), symbols: tensor.symbols,
            labels: try declared?.labelFilename.map(labels) ?? [])
    }

    /// The names of classes in a file, one a line.
    private func labels(_ filename: String) throws(RepositoryError) -> [String] {
        let path = "\(directory)/\(filename)"
        let text = try FileSystem.read(path, limit: Self.maximumLabels)
        guard text.withUnsafeBytes({ UTF8Check.isValid($0) }) else {
            throw RepositoryError(.badConfiguration, "the labels are not UTF-8 text", path: path)
        }
        var lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines.map { line in
            String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
        }
    }

    /// The tighter of what the model and its config say about each dimension.
    private func combine(
        _ kind: String, _ tensor: InterfaceTensor, _ declared: ConfiguredTensor
    ) throws(RepositoryError) -> [Int] {
        let leavesOutBatch =
            maxBatchSize > 0
            && (config.maxBatchSize != nil || declared.dimensions.count == tensor.dimensions.count - 1)
        let whole = leavesOutBatch ? [-1] + declared.dimensions : declared.dimensions
        let agrees =
            whole.count == tensor.dimensions.count
            && zip(whole, tensor.dimensions).allSatisfy { $0 == $1 || $0 == -1 || $1 == -1 }
        guard agrees else {
            let batch = leavesOutBatch ? " behind the batch dimension" : ""
            let present = Shape(leavesOutBatch ? Array(tensor.dimensions.dropFirst()) : tensor.dimensions)
            throw mismatch(
                "\(kind) \"\(tensor.name)\" has shape \(present)\(batch) in the model, dims says "
                    + "\(Shape(declared.dimensions))", line: declared.line)
        }
        return zip(whole, tensor.dimensions).map { $0 == -1 ? $1 : $0 }
    }
}

extension WarmupSample {
    /// The same with the paths of its files.
    fileprivate func located(in directory: String) -> WarmupSample {
        var located = self
        for index in inputs.indices {
            if case .file(let name) = inputs[index].content {
                located.inputs[index].content = .file("\(directory)/warmup/\(name)")
            }
        }
        return located
    }

    /// The content of an input's file, of at most so many bytes.
    package static func read(_ path: String, limit: Int) throws(RepositoryError) -> [UInt8] {
        try FileSystem.read(path, limit: limit)
    }
}
