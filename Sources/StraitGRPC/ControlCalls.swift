// SPDX-License-Identifier: Apache-2.0

internal import StraitProtocol
internal import StraitServing
internal import StraitWire
internal import SwiftProtobuf

/// The calls that need no inference, each a function from its request to its answer.
struct ControlCalls: Sendable {
    let control: ServerControl

    private var service: InferenceService { control.service }

    /// All of them, by their names in the inference service.
    var all: [String: ControlCall] {
        var calls: [String: ControlCall] = [:]
        func add<Request: SwiftProtobuf.Message, Response: SwiftProtobuf.Message>(
            _ name: String, _ answer: @escaping @Sendable (Request) throws(ProtocolError) -> Response
        ) {
            calls[name] = ControlCall(name, control.log, answer)
        }
        let readiness = control.readiness
        // The server and its models.
        add("ServerLive") { (_: Inference_ServerLiveRequest) in Inference_ServerLiveResponse.with { $0.live = true } }
        add("ServerReady") { (_: Inference_ServerReadyRequest) in
            Inference_ServerReadyResponse.with { $0.ready = readiness.isReady }
        }
        add("ModelReady", modelReady)
        add("ServerMetadata", serverMetadata)
        add("ModelMetadata", modelMetadata)
        add("ModelConfig", modelConfiguration)
        add("ModelStatistics", modelStatistics)
        // The repository.
        add("RepositoryIndex", repositoryIndex)
        calls["RepositoryModelLoad"] = ControlCall("RepositoryModelLoad", control.log, loadModel)
        calls["RepositoryModelUnload"] = ControlCall("RepositoryModelUnload", control.log, unloadModel)
        // Shared memory.
        add("SystemSharedMemoryStatus", sharedMemoryStatus)
        add("SystemSharedMemoryRegister", registerSharedMemory)
        add("SystemSharedMemoryUnregister", unregisterSharedMemory)
        add("CudaSharedMemoryStatus") { (_: Inference_CudaSharedMemoryStatusRequest) in
            Inference_CudaSharedMemoryStatusResponse()
        }
        add("CudaSharedMemoryRegister") {
            (_: Inference_CudaSharedMemoryRegisterRequest) throws(ProtocolError)
                -> Inference_CudaSharedMemoryRegisterResponse in
            throw ServerControl.noCudaMemory
        }
        add("CudaSharedMemoryUnregister") { (_: Inference_CudaSharedMemoryUnregisterRequest) in
            Inference_CudaSharedMemoryUnregisterResponse()
        }
        // Settings.
        add("TraceSetting", traceSettings)
        add("LogSettings", logSettings)
        return calls
    }

    private func find(_ name: String, _ version: String) throws(ProtocolError) -> ServedModel {
        try service.catalog.find(name, version: version.isEmpty ? nil : version)
    }

    // -- the server and its models -------------------------------------------------------------------------------

    private func modelReady(
        _ request: Inference_ModelReadyRequest
    ) throws(ProtocolError) -> Inference_ModelReadyResponse {
        var response = Inference_ModelReadyResponse()
        do {
            _ = try find(request.name, request.version)
            response.ready = true
        } catch {
            // Not there, or not loaded: both are no error, but the answer that was asked for.
            guard error.code == .notFound || error.code == .unavailable else { throw error }
        }
        return response
    }

    private func serverMetadata(_: Inference_ServerMetadataRequest) -> Inference_ServerMetadataResponse {
        var response = Inference_ServerMetadataResponse()
        response.name = control.description.name
        response.version = control.description.version
        response.extensions = Documents.extensions
        return response
    }

    private func modelMetadata(
        _ request: Inference_ModelMetadataRequest
    ) throws(ProtocolError) -> Inference_ModelMetadataResponse {
        let model = try find(request.name, request.version).specification
        return WireDocuments.modelMetadata(model, versions: service.catalog.versions(of: model.name))
    }

    private func modelConfiguration(
        _ request: Inference_ModelConfigRequest
    ) throws(ProtocolError) -> Inference_ModelConfigResponse {
        var response = Inference_ModelConfigResponse()
        let model = try find(request.name, request.version).specification
        response.config = WireDocuments.modelConfiguration(model, instances: control.description.lanes)
        return response
    }

    private func modelStatistics(
        _ request: Inference_ModelStatisticsRequest
    ) throws(ProtocolError) -> Inference_ModelStatisticsResponse {
        WireDocuments.modelStatistics(try control.statistics(of: request.name, version: request.version))
    }

    // -- the repository ------------------------------------------------------------------------------------------

    private func onlyRepository(_ name: String) throws(ProtocolError) {
        guard name.isEmpty else {
            throw ProtocolError(.unsupported, "there is one repository; leave repository_name empty")
        }
    }

    private func repositoryIndex(
        _ request: Inference_RepositoryIndexRequest
    ) throws(ProtocolError) -> Inference_RepositoryIndexResponse {
        try onlyRepository(request.repositoryName)
        return WireDocuments.repositoryIndex(service.catalog.index(onlyReady: request.ready))
    }

    private func loadModel(
        _ request: Inference_RepositoryModelLoadRequest,
        _ completion: @escaping @Sendable (Result<Inference_RepositoryModelLoadResponse, ProtocolError>) -> Void
    ) {
        let configuration: String?
        do throws(ProtocolError) {
            try onlyRepository(request.repositoryName)
            configuration = try Self.configuration(request)
        } catch {
            return completion(.failure(error))
        }
        service.catalog.load(request.modelName, configuration: configuration) { result in
            completion(result.map { .init() })
        }
    }

    /// The configuration that a request to load brings along; nil for the repository's.
    private static func configuration(
        _ request: Inference_RepositoryModelLoadRequest
    ) throws(ProtocolError) -> String? {
        guard !request.parameters.keys.contains(where: { $0.hasPrefix("file:") }) else { throw ServerControl.noFiles }
        guard let given = request.parameters["config"] else { return nil }
        guard case .stringParam(let text) = given.parameterChoice else {
            throw ProtocolError(
                .invalidArgument, "parameters.config: expected a configuration as JSON in string_param")
        }
        return text
    }

    private func unloadModel(
        _ request: Inference_RepositoryModelUnloadRequest,
        _ completion: @escaping @Sendable (Result<Inference_RepositoryModelUnloadResponse, ProtocolError>) -> Void
    ) {
        do throws(ProtocolError) {
            try onlyRepository(request.repositoryName)
        } catch {
            return completion(.failure(error))
        }
        service.catalog.unload(request.modelName) { result in completion(result.map { .init() }) }
    }

    // -- shared memory -------------------------------------------------------------------------------------------

    private func sharedMemoryStatus(
        _ request: Inference_SystemSharedMemoryStatusRequest
    ) throws(ProtocolError) -> Inference_SystemSharedMemoryStatusResponse {
        WireDocuments.sharedMemory(try service.sharedMemory.status(name: request.name.isEmpty ? nil : request.name))
    }

    private func registerSharedMemory(
        _ request: Inference_SystemSharedMemoryRegisterRequest
    ) throws(ProtocolError) -> Inference_SystemSharedMemoryRegisterResponse {
        try service.sharedMemory.register(
            name: request.name, key: request.key, offset: Int(clamping: request.offset),
            byteCount: Int(clamping: request.byteSize))
        return .init()
    }

    private func unregisterSharedMemory(
        _ request: Inference_SystemSharedMemoryUnregisterRequest
    ) -> Inference_SystemSharedMemoryUnregisterResponse {
        if request.name.isEmpty {
            service.sharedMemory.unregisterAll()
        } else {
            service.sharedMemory.unregister(name: request.name)
        }
        return .init()
    }

    // -- settings ------------------------------------------------------------------------------------------------

    private func traceSettings(
        _ request: Inference_TraceSettingRequest
    ) throws(ProtocolError) -> Inference_TraceSettingResponse {
        guard !request.settings.isEmpty else {
            return WireDocuments.traceSettings(try control.traceSettings(of: request.modelName))
        }
        return WireDocuments.traceSettings(
            try control.updateTraceSettings(WireDocuments.values(request), of: request.modelName))
    }

    private func logSettings(
        _ request: Inference_LogSettingsRequest
    ) throws(ProtocolError) -> Inference_LogSettingsResponse {
        guard !request.settings.isEmpty else { return WireDocuments.logSettings(control.log.current) }
        return WireDocuments.logSettings(try control.log.update(WireDocuments.values(request)))
    }
}
