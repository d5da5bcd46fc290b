// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor
internal import StraitWire
internal import SwiftProtobuf

/// Reads config.pbtxt.
package enum ModelConfigurationParser {
    /// The largest config.pbtxt, in bytes. Real ones take a few thousand.
    package static let maximumSize = 256 * 1024
    /// The largest `max_batch_size`. Staging memory is reserved for that many rows.
    package static let maximumBatchSize = 4096
    /// The longest deadline that can be configured, in milliseconds: a day. Longer is surely a mistake in the unit.
    package static let maximumDeadlineMilliseconds = 86_400_000.0
    /// The most warm-up requests of a model, and how often each may be sent: a start should end.
    package static let maximumWarmups = 64
    package static let maximumWarmupCount: UInt32 = 1000
    /// Parameters that start like this are the server's own, so that an unknown one is an error.
    private static let ownPrefix = "strait."

    /// A configuration, and warnings (`path:line: message`) about what it sets in vain.
    package struct Outcome: Sendable {
        package var configuration: ModelConfiguration
        package var warnings: [String]
    }

    /// Parses the text of a config.pbtxt; `path` is for messages, `model` the name of the model's folder.
    ///
    /// - Throws: ``RepositoryError`` with path and line: unknown fields, wrong types, values that cannot be.
    package static func parse(_ text: [UInt8], path: String, model: String) throws(RepositoryError) -> Outcome {
        guard text.count <= maximumSize else {
            throw RepositoryError(
                .badConfiguration, "\(text.count) bytes long; at most \(maximumSize) are read", path: path)
        }
        guard text.withUnsafeBytes({ UTF8Check.isValid($0) }) else {
            throw RepositoryError(.badConfiguration, "the file is not UTF-8 text", path: path)
        }
        let message = try TextFormatReader(text: text, path: path).decode()
        let outline = TextFormatOutline(text[...])
        var reader = ConfigurationReader(message: message, outline: outline, path: path)
        try reader.read(model: model)
        return Outcome(
            configuration: reader.configuration,
            warnings: UnsupportedFields.warnings(outline, path: path) + reader.warnings)
    }

    /// Letters that are told of a library's reason, which quotes what it does not know at any length.
    private static let longestReason = 200

    /// Parses a configuration in JSON, as clients send it to load a model with.
    ///
    /// - Throws: ``RepositoryError`` without a line.
    package static func parse(json: String, model: String) throws(RepositoryError) -> Outcome {
        let path = "the given configuration"
        guard json.utf8.count <= maximumSize else {
            throw RepositoryError(
                .badConfiguration, "\(json.utf8.count) bytes long; at most \(maximumSize) are read", path: path)
        }
        let message: Inference_ModelConfig
        do {
            message = try Inference_ModelConfig(jsonString: json)
        } catch {
            // The library quotes what it does not know, however long that is.
            let reason = String("\(error)".unicodeScalars.prefix(longestReason))
            throw RepositoryError(.badConfiguration, "not a model's configuration in JSON: \(reason)", path: path)
        }
        var reader = ConfigurationReader(message: message, outline: TextFormatOutline([]), path: path)
        try reader.read(model: model)
        return Outcome(configuration: reader.configuration, warnings: reader.warnings)
    }

    /// Turns the decoded message into a ``ModelConfiguration``.
    private struct ConfigurationReader {
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

        private func bad(_ message: String, at field: TextFormatOutline.Field?) -> RepositoryError {
            RepositoryError(.badConfiguration, message, path: path, line: field?.line)
        }

        private mutating func warn(_ message: String, at field: TextFormatOutline.Field?) {
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
            guard (0...Int32(maximumBatchSize)).contains(message.maxBatchSize) else {
                throw bad("max_batch_size is \(message.maxBatchSize); expected 0 to \(maximumBatchSize)", at: field)
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

        private func elementType(
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
        private func filename(
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

        // -- warm-up ---------------------------------------------------------------------------------------------

        private mutating func readWarmups() throws(RepositoryError) {
            let field = outline.first("model_warmup")
            guard message.modelWarmup.count <= maximumWarmups else {
                throw bad("more than \(maximumWarmups) warm-up requests", at: field)
            }
            for warmup in message.modelWarmup {
                let name = "model_warmup \"\(shortened(warmup.name))\""
                guard warmup.batchSize <= maximumBatchSize, warmup.count <= maximumWarmupCount else {
                    throw bad(
                        "\(name) has batch_size \(warmup.batchSize) and count \(warmup.count); at most "
                            + "\(maximumBatchSize) and \(maximumWarmupCount) are taken", at: field)
                }
                var sample = WarmupSample(
                    name: warmup.name, rows: Int(warmup.batchSize), count: max(1, Int(warmup.count)), inputs: [])
                for (input, content) in warmup.inputs.sorted(by: { $0.key < $1.key }) {
                    sample.inputs.append(try warmupInput(input, content, of: name, at: field))
                }
                configuration.warmups.append(sample)
            }
        }

        private func warmupInput(
            _ input: String, _ content: Inference_ModelWarmup.Input, of name: String, at field: TextFormatOutline.Field?
        ) throws(RepositoryError) -> WarmupSample.Input {
            guard let type = try elementType(content.dataType, of: input, at: field) else {
                throw bad("\(name) does not tell the data_type of input \"\(shortened(input))\"", at: field)
            }
            guard content.dims.count <= Shape.maximumRank, content.dims.allSatisfy({ $0 >= 1 }) else {
                throw bad("dims of input \"\(shortened(input))\" of \(name) must be 1 or more each", at: field)
            }
            let source: WarmupSample.Content
            switch content.inputDataType {
            case .zeroData, nil: source = .zeros
            case .randomData: source = .random
            case .inputDataFile(let file):
                source = .file(try filename(file, "model_warmup.inputs.value.input_data_file", in: "model's warmup"))
            }
            let dimensions = content.dims.map { Int($0) }
            return WarmupSample.Input(name: input, type: type, dimensions: dimensions, content: source)
        }

        // -- class, deadline, queue ------------------------------------------------------------------------------

        private mutating func readQueue() throws(RepositoryError) {
            guard case .dynamicBatching(let batching) = message.schedulingChoice else { return }
            let levels = batching.priorityLevels
            let level = batching.defaultPriorityLevel
            if levels > 0 || level > 0 {
                let field = outline.first("dynamic_batching.default_priority_level")
                guard level >= 1, level <= levels else {
                    throw bad(
                        "default_priority_level is \(level); expected 1 to priority_levels (\(levels))",
                        at: field ?? outline.first("dynamic_batching.priority_levels"))
                }
                configuration.defaultClass = level == 1 ? .high : .low
                if levels > 2 {
                    warn(
                        "priority_levels is \(levels); there are two classes: level 1 is high, all others are low",
                        at: outline.first("dynamic_batching.priority_levels"))
                }
            }
            let policy = batching.defaultQueuePolicy
            if policy.defaultTimeoutMicroseconds > 0 {
                let field = outline.first("dynamic_batching.default_queue_policy.default_timeout_microseconds")
                configuration.deadlineMilliseconds = try deadline(
                    Double(policy.defaultTimeoutMicroseconds) / 1000, from: "default_timeout_microseconds", at: field)
            }
            if policy.maxQueueSize > 0 { configuration.maxQueueSize = Int(policy.maxQueueSize) }
        }

        private func deadline(
            _ milliseconds: Double?, from name: String, at field: TextFormatOutline.Field?
        ) throws(RepositoryError) -> Double {
            guard let milliseconds, milliseconds > 0, milliseconds <= maximumDeadlineMilliseconds else {
                throw bad(
                    "\(name) must be above 0 and at most a day (\(Int(maximumDeadlineMilliseconds)) ms)", at: field)
            }
            return milliseconds
        }

        private mutating func readParameters() throws(RepositoryError) {
            for (name, parameter) in message.parameters.sorted(by: { $0.key < $1.key }) {
                let value = parameter.stringValue
                let field = outline.first("parameters.key", value: name) ?? outline.first("parameters")
                configuration.parameters[name] = value
                switch name {
                case "strait.deadline_ms":
                    configuration.deadlineMilliseconds = try deadline(
                        Double(value), from: "\(name) \"\(shortened(value))\"", at: field)
                case "strait.class":
                    guard let declared = DeclaredClass(rawValue: value) else {
                        throw bad("\(name) is \"\(shortened(value))\"; expected \"high\" or \"low\"", at: field)
                    }
                    configuration.defaultClass = declared
                case _ where name.hasPrefix(VirtualCosts.prefix):
                    let own = String(name.dropFirst(VirtualCosts.prefix.count))
                    if let expected = configuration.virtualCosts.set(own, to: value) {
                        throw bad(
                            "\(shortened(name)) is \"\(shortened(value))\"; expected \(expected)", at: field)
                    }
                default:
                    guard !name.hasPrefix(ownPrefix) else {
                        throw bad(
                            "unknown parameter \"\(shortened(name))\"; expected strait.deadline_ms, strait.class or "
                                + "strait.virtual_…",
                            at: field)
                    }
                    warn("parameter \"\(shortened(name))\" is not supported and ignored", at: field)
                }
            }
        }
    }
}
