// SPDX-License-Identifier: Apache-2.0

internal import StraitTensor
package import StraitWire

/// What the server and its models are, as the messages of gRPC; `Documents` has the same as JSON.
package enum WireDocuments {
    /// The answer to `ModelMetadata`; `versions` are those being served.
    package static func modelMetadata(
        _ model: ModelSpecification, versions: [Int]
    ) -> Inference_ModelMetadataResponse {
        var message = Inference_ModelMetadataResponse()
        message.name = model.name
        message.versions = versions.map { String($0) }
        message.platform = Documents.platform
        message.inputs = model.inputs.map(metadata)
        message.outputs = model.outputs.map(metadata)
        return message
    }

    private static func metadata(
        _ tensor: TensorSpecification
    ) -> Inference_ModelMetadataResponse.TensorMetadata {
        var message = Inference_ModelMetadataResponse.TensorMetadata()
        message.name = tensor.name
        message.datatype = tensor.type.name
        message.shape = tensor.shape.dimensions.map(Int64.init)
        return message
    }

    /// The answer to `ModelConfig`, with the fields of config.pbtxt as they are in force; `instances` batches of the
    /// model can run at a time.
    package static func modelConfiguration(_ model: ModelSpecification, instances: Int) -> Inference_ModelConfig {
        var message = Inference_ModelConfig()
        message.name = model.name
        message.platform = Documents.platform
        message.backend = Documents.backend
        message.versionPolicy = policy(model.versionPolicy)
        message.maxBatchSize = Int32(clamping: model.maxBatchSize)
        message.input = model.inputs.map { tensor in
            var input = Inference_ModelInput()
            input.name = tensor.name
            input.dataType = dataType(tensor)
            input.dims = dimensions(tensor, of: model)
            return input
        }
        message.output = model.outputs.map { tensor in
            var output = Inference_ModelOutput()
            output.name = tensor.name
            output.dataType = dataType(tensor)
            output.dims = dimensions(tensor, of: model)
            return output
        }
        var group = Inference_ModelInstanceGroup()
        group.name = model.name
        group.kind = .cpu
        group.count = Int32(clamping: instances)
        message.instanceGroup = [group]
        message.defaultModelFilename = model.defaultModelFilename
        if model.maxBatchSize > 0 { message.dynamicBatching = dynamicBatching(model) }
        message.parameters = model.parameters.mapValues { value in
            var parameter = Inference_ModelParameter()
            parameter.stringValue = value
            return parameter
        }
        return message
    }

    private static func policy(_ policy: VersionPolicy) -> Inference_ModelVersionPolicy {
        var message = Inference_ModelVersionPolicy()
        switch policy {
        case .latest(let count): message.latest.numVersions = UInt32(clamping: count)
        case .all: message.all = .init()
        case .specific(let versions): message.specific.versions = versions.map(Int64.init)
        }
        return message
    }

    private static func dataType(_ tensor: TensorSpecification) -> Inference_DataType {
        switch tensor.type {
        case .bool: .typeBool
        case .uint8: .typeUint8
        case .uint16: .typeUint16
        case .uint32: .typeUint32
        case .uint64: .typeUint64
        case .int8: .typeInt8
        case .int16: .typeInt16
        case .int32: .typeInt32
        case .int64: .typeInt64
        case .fp16: .typeFp16
        case .bf16: .typeBf16
        case .fp32: .typeFp32
        case .fp64: .typeFp64
        case .bytes: .typeString
        }
    }

    /// As in config.pbtxt, the dimensions of a batchable model leave the batch out.
    private static func dimensions(_ tensor: TensorSpecification, of model: ModelSpecification) -> [Int64] {
        (model.maxBatchSize > 0 ? tensor.shape.row : tensor.shape).dimensions.map(Int64.init)
    }

    private static func dynamicBatching(_ model: ModelSpecification) -> Inference_ModelDynamicBatching {
        var message = Inference_ModelDynamicBatching()
        message.priorityLevels = 2
        message.defaultPriorityLevel = model.defaultClass == .high ? 1 : 2
        message.defaultQueuePolicy.timeoutAction = .reject
        let microseconds = ((model.deadlineMilliseconds ?? 0) * 1000).rounded()
        message.defaultQueuePolicy.defaultTimeoutMicroseconds = UInt64(exactly: microseconds) ?? 0
        message.defaultQueuePolicy.allowTimeoutOverride = true
        message.defaultQueuePolicy.maxQueueSize = UInt32(clamping: model.maxQueueSize ?? 0)
        return message
    }

    // -- statistics ----------------------------------------------------------------------------------------------

    /// The answer to `ModelStatistics`. All eight durations are present, as clients demand; there is no response cache,
    /// so its two stay 0.
    package static func modelStatistics(_ models: [ModelStatistics]) -> Inference_ModelStatisticsResponse {
        var message = Inference_ModelStatisticsResponse()
        message.modelStats = models.map(statistics)
        return message
    }

    private static func statistics(_ model: ModelStatistics) -> Inference_ModelStatistics {
        var message = Inference_ModelStatistics()
        message.name = model.name
        message.version = String(model.version)
        message.lastInference = model.lastInference
        message.inferenceCount = model.inferenceCount
        message.executionCount = model.executionCount
        message.inferenceStats.success = duration(model.success)
        message.inferenceStats.fail = duration(model.fail)
        message.inferenceStats.queue = duration(model.queue)
        message.inferenceStats.computeInput = duration(model.computeInput)
        message.inferenceStats.computeInfer = duration(model.computeInfer)
        message.inferenceStats.computeOutput = duration(model.computeOutput)
        message.inferenceStats.cacheHit = .init()
        message.inferenceStats.cacheMiss = .init()
        message.batchStats = model.batches.map { batch in
            var entry = Inference_InferBatchStatistics()
            entry.batchSize = UInt64(clamping: batch.size)
            entry.computeInput = duration(batch.computeInput)
            entry.computeInfer = duration(batch.computeInfer)
            entry.computeOutput = duration(batch.computeOutput)
            return entry
        }
        return message
    }

    private static func duration(_ duration: ModelStatistics.Duration) -> Inference_StatisticDuration {
        var message = Inference_StatisticDuration()
        message.count = duration.count
        message.ns = duration.nanoseconds
        return message
    }

    // -- settings ------------------------------------------------------------------------------------------------

    /// The answer to `TraceSetting`.
    package static func traceSettings(_ settings: TraceSettings) -> Inference_TraceSettingResponse {
        var message = Inference_TraceSettingResponse()
        for (name, value) in settings.entries {
            var setting = Inference_TraceSettingResponse.SettingValue()
            if case .strings(let texts) = value {
                setting.value = texts
            } else if let text = value.text {
                setting.value = [text]
            }
            message.settings[name] = setting
        }
        return message
    }

    /// The answer to `LogSettings`.
    package static func logSettings(_ settings: LogSettings) -> Inference_LogSettingsResponse {
        var message = Inference_LogSettingsResponse()
        for (name, value) in settings.entries {
            var setting = Inference_LogSettingsResponse.SettingValue()
            switch value {
            case .bool(let isOn): setting.boolParam = isOn
            case .integer(let number): setting.uint32Param = UInt32(clamping: number)
            default: setting.stringParam = value.text ?? ""
            }
            message.settings[name] = setting
        }
        return message
    }

    /// What a client sets, of traces; a setting without a value goes back.
    package static func values(_ request: Inference_TraceSettingRequest) -> [String: SettingValue] {
        request.settings.mapValues { $0.value.count == 1 ? .string($0.value[0]) : .strings($0.value) }
    }

    /// What a client sets, of the log.
    package static func values(_ request: Inference_LogSettingsRequest) -> [String: SettingValue] {
        request.settings.mapValues { setting in
            switch setting.parameterChoice {
            case .boolParam(let isOn): .bool(isOn)
            case .uint32Param(let number): .integer(Int64(number))
            case .stringParam(let text): .string(text)
            case nil: .null
            }
        }
    }

    /// The answer to `SystemSharedMemoryStatus`.
    package static func sharedMemory(_ regions: [SharedRegionStatus]) -> Inference_SystemSharedMemoryStatusResponse {
        var message = Inference_SystemSharedMemoryStatusResponse()
        for region in regions {
            var entry = Inference_SystemSharedMemoryStatusResponse.RegionStatus()
            entry.name = region.name
            entry.key = region.key
            entry.offset = UInt64(clamping: region.offset)
            entry.byteSize = UInt64(clamping: region.byteCount)
            message.regions[region.name] = entry
        }
        return message
    }

    /// The answer to `RepositoryIndex`.
    package static func repositoryIndex(_ entries: [ModelIndexEntry]) -> Inference_RepositoryIndexResponse {
        var message = Inference_RepositoryIndexResponse()
        message.models = entries.map { entry in
            var model = Inference_RepositoryIndexResponse.ModelIndex()
            model.name = entry.name
            model.version = entry.version
            model.state = entry.state.rawValue
            model.reason = entry.reason
            return model
        }
        return message
    }
}
