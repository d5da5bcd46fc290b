// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor
internal import StraitWire

/// Turns the decoded message into a ``ModelConfiguration``.
struct ConfigurationReader {
    let message: Inference_ModelConfig
    let outline: TextFormatOutline
    let path: String
    var configuration: ModelConfiguration
    var warnings: [String] = []

    init(message: Inference_ModelConfig, outline: TextFormatOutline, path: String) {
        self.message = message
        self.outline = outline
        self.path = path
        self.configuration = ModelConfiguration(path: path)
    }

    func bad(_ message: String, at field: TextFormatOutline.Field?) -> RepositoryError {
        RepositoryError(.badConfiguration, message, path: path, line: field?.line)
    }

    mutating func warn(_ message: String, at field: TextFormatOutline.Field?) {
        warnings.append(RepositoryError.location(path, field?.line) + ": " + message)
    }

    mutating func read(model: String) throws(RepositoryError) {
        guard message.name.isEmpty || message.name == model else {
            throw bad(
                "name is \"\(shortened(message.name))\", but the model's folder is \"\(model)\"; make them equal or "
                    + "leave the name out", at: outline.first("name"))
        }
        guard ["", Documents.backend].contains(message.backend) else {
            throw bad(
                "backend is \"\(shortened(message.backend))\"; only \"\(Documents.backend)\" is supported",
                at: outline.first("backend"))
        }
        guard ["", Documents.platform, "onnx_onnxv1"].contains(message.platform) else {
            throw bad(
                "platform is \"\(shortened(message.platform))\"; only \"\(Documents.platform)\" is supported",
                at: outline.first("platform"))
        }
        try readBatchSize()
        try readTensors()
        try readVersionPolicy()
        try readFilename()
        try readWarmups()
        try readQueue()
        try readParameters()
    }

    private mutating func readBatchSize() throws(RepositoryError) {
        guard message.hasMaxBatchSize else { return }
        let field = outline.first("max_batch_size")
        guard (0...Int32(ModelConfigurationParser.maximumBatchSize)).contains(message.maxBatchSize) else {
            throw bad(
                "max_batch_size is \(message.maxBatchSize); expected 0 to \(ModelConfigurationParser.maximumBatchSize)",
                at: field)
        }
        configuration.maxBatchSize = Int(message.maxBatchSize)
        configuration.maxBatchSizeLine = field?.line
    }

    // -- tensors ---------------------------------------------------------------------------------------------

    private mutating func readTensors() throws(RepositoryError) {
        for input in message.input {
            let tensor = try tensor("input", input.name, input.dataType, input.dims)
            configuration.inputs.append(tensor)
        }
        for output in message.output {
            var tensor = try tensor("output", output.name, output.dataType, output.dims)
            if !output.labelFilename.isEmpty {
                tensor.labelFilename = try filename(output.labelFilename, "output.label_filename", in: "model's")
            }
            configuration.outputs.append(tensor)
        }
        for (kind, tensors) in [("input", configuration.inputs), ("output", configuration.outputs)] {
            var names: Set<String> = []
            for tensor in tensors where !names.insert(tensor.name).inserted {
                throw bad(
                    "\(kind) \"\(shortened(tensor.name))\" is declared twice",
                    at: outline.first("\(kind).name", value: tensor.name))
            }
            guard tensors.count <= InferenceRequestDecoder.maximumInputs else {
                throw bad(
                    "more than \(InferenceRequestDecoder.maximumInputs) tensors of kind \(kind)",
                    at: outline.first(kind))
            }
        }
    }

    private func tensor(
        _ kind: String, _ name: String, _ type: Inference_DataType, _ dims: [Int64]
    ) throws(RepositoryError) -> ConfiguredTensor {
        let field = outline.first("\(kind).name", value: name) ?? outline.first(kind)
        guard !name.isEmpty else { throw bad("an \(kind) has no name", at: field) }
        guard dims.count <= Shape.maximumRank else {
            throw bad(
                "\(kind) \"\(shortened(name))\" has \(dims.count) dims; at most \(Shape.maximumRank) are allowed",
                at: field)
        }
        if let wrong = dims.first(where: { $0 < -1 || $0 == 0 }) {
            throw bad(
                "dims of \(kind) \"\(shortened(name))\" has \(wrong); expected 1 or more, or -1 if it varies",
                at: field)
        }
        return ConfiguredTensor(
            name: name, type: try elementType(type, of: name, at: field), dimensions: dims.map { Int($0) },
            labelFilename: nil, line: field?.line)
    }

    func elementType(
        _ type: Inference_DataType, of name: String, at field: TextFormatOutline.Field?
    ) throws(RepositoryError) -> ElementType? {
        switch type {
        case .typeInvalid: nil
        case .typeBool: .bool
        case .typeUint8: .uint8
        case .typeUint16: .uint16
        case .typeUint32: .uint32
        case .typeUint64: .uint64
        case .typeInt8: .int8
        case .typeInt16: .int16
        case .typeInt32: .int32
        case .typeInt64: .int64
        case .typeFp16: .fp16
        case .typeFp32: .fp32
        case .typeFp64: .fp64
        case .typeString: .bytes
        case .typeBf16: .bf16
        case .UNRECOGNIZED(let number):
            throw bad("\(number) is not the data_type of \"\(shortened(name))\"", at: field)
        }
    }

    // -- versions and files ----------------------------------------------------------------------------------

    private mutating func readVersionPolicy() throws(RepositoryError) {
        switch message.versionPolicy.policyChoice {
        case nil: break
        case .latest(let latest):
            guard latest.numVersions > 0 else {
                throw bad("latest needs num_versions of at least 1", at: outline.first("version_policy"))
            }
            configuration.versionPolicy = .latest(count: Int(latest.numVersions))
        case .all: configuration.versionPolicy = .all
        case .specific(let specific):
            guard !specific.versions.isEmpty, specific.versions.allSatisfy({ $0 > 0 }) else {
                throw bad(
                    "specific needs a list of versions, each at least 1", at: outline.first("version_policy"))
            }
            configuration.versionPolicy = .specific(specific.versions.map { Int($0) })
        }
    }

    private mutating func readFilename() throws(RepositoryError) {
        let name = message.defaultModelFilename
        guard !name.isEmpty else { return }
        configuration.defaultModelFilename = try filename(name, "default_model_filename", in: "version's")
    }

    /// The name of a file that cannot lead out of its folder.
    func filename(
        _ name: String, _ field: String, in folder: String
    ) throws(RepositoryError) -> String {
        guard !name.contains("/"), !name.utf8.contains(0), name != ".", name != ".." else {
            let last = field.split(separator: ".").last ?? ""
            throw bad(
                "\(last) is \"\(shortened(name))\"; expected the name of a file in the \(folder) folder",
                at: outline.first(field))
        }
        return name
    }
}
