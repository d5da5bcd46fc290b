// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor
internal import StraitWire

// How a model is served: what it is warmed with, its class, its deadline, its queue.

extension ConfigurationReader {
    // -- warm-up ---------------------------------------------------------------------------------------------

    mutating func readWarmups() throws(RepositoryError) {
        let field = outline.first("model_warmup")
        guard message.modelWarmup.count <= ModelConfigurationParser.maximumWarmups else {
            throw bad("more than \(ModelConfigurationParser.maximumWarmups) warm-up requests", at: field)
        }
        for warmup in message.modelWarmup {
            let name = "model_warmup \"\(shortened(warmup.name))\""
            guard warmup.batchSize <= ModelConfigurationParser.maximumBatchSize,
                warmup.count <= ModelConfigurationParser.maximumWarmupCount
            else {
                throw bad(
                    "\(name) has batch_size \(warmup.batchSize) and count \(warmup.count); at most "
                        + "\(ModelConfigurationParser.maximumBatchSize) and \(ModelConfigurationParser.maximumWarmupCount) are taken",
                    at: field)
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

    mutating func readQueue() throws(RepositoryError) {
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
        guard let milliseconds, milliseconds > 0, milliseconds <= ModelConfigurationParser.maximumDeadlineMilliseconds
        else {
            throw bad(
                "\(name) must be above 0 and at most a day (\(Int(ModelConfigurationParser.maximumDeadlineMilliseconds)) ms)",
                at: field)
        }
        return milliseconds
    }

    mutating func readParameters() throws(RepositoryError) {
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
                guard !name.hasPrefix(ModelConfigurationParser.ownPrefix) else {
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
