// SPDX-License-Identifier: Apache-2.0

internal import GRPCCore
internal import NIOCore
internal import NIOPosix
internal import StraitProtocol
internal import StraitServing
internal import StraitWire
internal import SwiftProtobuf

/// The calls that need no inference, each a function from its request to its answer.
struct ControlCalls: Sendable {
    let control: ServerControl

    private var service: InferenceService { control.service }

    /// Puts them all on the router.
    func register(on router: inout RPCRouter<Listener.Transport>) {
        let log = control.log
        // The server and its models.
        router.control("ServerLive", log) { (_: Inference_ServerLiveRequest) in
            Inference_ServerLiveResponse.with { $0.live = true }
        }
        router.control("ServerReady", log) { (_: Inference_ServerReadyRequest) in
            Inference_ServerReadyResponse.with { $0.ready = control.readiness.isReady }
        }
        router.control("ModelReady", log, modelReady)
        router.control("ServerMetadata", log, serverMetadata)
        router.control("ModelMetadata", log, modelMetadata)
        router.control("ModelConfig", log, modelConfiguration)
        router.control("ModelStatistics", log, modelStatistics)
        // The repository.
        router.control("RepositoryIndex", log, repositoryIndex)
        router.control("RepositoryModelLoad", log, loadModel)
        router.control("RepositoryModelUnload", log, unloadModel)
        // Shared memory.
        router.control("SystemSharedMemoryStatus", log, sharedMemoryStatus)
        router.control("SystemSharedMemoryRegister", log, registerSharedMemory)
        router.control("SystemSharedMemoryUnregister", log, unregisterSharedMemory)
        router.control("CudaSharedMemoryStatus", log) { (_: Inference_CudaSharedMemoryStatusRequest) in
            Inference_CudaSharedMemoryStatusResponse()
        }
        router.control("CudaSharedMemoryRegister", log) {
            (_: Inference_CudaSharedMemoryRegisterRequest) throws(ProtocolError)
                -> Inference_CudaSharedMemoryRegisterResponse in
            throw ServerControl.noCudaMemory
        }
        router.control("CudaSharedMemoryUnregister", log) { (_: Inference_CudaSharedMemoryUnregisterRequest) in
            Inference_CudaSharedMemoryUnregisterResponse()
        }
        // Settings.
        router.control("TraceSetting", log, traceSettings)
        router.control("LogSettings", log, logSettings)
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
        _ request: Inference_RepositoryModelLoadRequest
    ) async throws(ProtocolError) -> Inference_RepositoryModelLoadResponse {
        try onlyRepository(request.repositoryName)
        guard !request.parameters.keys.contains(where: { $0.hasPrefix("file:") }) else { throw ServerControl.noFiles }
        var configuration: String?
        if let given = request.parameters["config"] {
            guard case .stringParam(let text) = given.parameterChoice else {
                throw ProtocolError(
                    .invalidArgument, "parameters.config: expected a configuration as JSON in string_param")
            }
            configuration = text
        }
        let (catalog, name) = (service.catalog, request.modelName)
        try await result { catalog.load(name, configuration: configuration, completion: $0) }.get()
        return .init()
    }

    private func unloadModel(
        _ request: Inference_RepositoryModelUnloadRequest
    ) async throws(ProtocolError) -> Inference_RepositoryModelUnloadResponse {
        try onlyRepository(request.repositoryName)
        let (catalog, name) = (service.catalog, request.modelName)
        try await result { catalog.unload(name, completion: $0) }.get()
        return .init()
    }

    /// What comes of work that another thread does; the call goes on where its connection lives.
    private func result(
        _ work: (@escaping @Sendable (Result<Void, ProtocolError>) -> Void) -> Void
    ) async -> Result<Void, ProtocolError> {
        await withCheckedContinuation { continuation in
            let loop = MultiThreadedEventLoopGroup.currentEventLoop
            work { result in
                guard let loop else { return continuation.resume(returning: result) }
                loop.execute { continuation.resume(returning: result) }
            }
        }
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

extension RPCRouter<Listener.Transport> {
    /// Registers a call of one message each way.
    fileprivate mutating func control<Request: SwiftProtobuf.Message, Response: SwiftProtobuf.Message>(
        _ name: String, _ log: ServerLog,
        _ answer: @escaping @Sendable (Request) async throws(ProtocolError) -> Response
    ) {
        registerHandler(
            forMethod: .inference(name, .unary), deserializer: ControlDeserializer<Request>(),
            serializer: ControlSerializer<Response>()
        ) { call, _ in
            var messages = call.messages.makeAsyncIterator()
            guard let request = try await messages.next() else {
                throw RPCError(code: .invalidArgument, message: "the call ended before its request came")
            }
            do throws(ProtocolError) {
                let response = try await answer(request)
                log.verbose(1, "\(name): done")
                return StreamingServerResponse(single: ServerResponse(message: response))
            } catch {
                log.verbose(1, "\(name): \(error)")
                throw RPCError(error)
            }
        }
    }
}

extension MethodDescriptor {
    /// A method of the inference service.
    static func inference(_ name: String, _ type: RPCType) -> MethodDescriptor {
        MethodDescriptor(fullyQualifiedService: GRPCFrontEnd.inferenceService, method: name, type: type)
    }
}
