// SPDX-License-Identifier: Apache-2.0

internal import GRPCCore
internal import StraitProtocol
internal import StraitServing
internal import StraitWire
internal import SwiftProtobuf

/// The calls that need no inference, each a function from its request to its answer.
struct ControlCalls: Sendable {
    let service: InferenceService
    let readiness: Readiness
    let server: ServerDescription

    /// Puts them all on the router.
    func register(on router: inout RPCRouter<Listener.Transport>) {
        // The server and its models.
        router.control("ServerLive") { (_: Inference_ServerLiveRequest) in
            Inference_ServerLiveResponse.with { $0.live = true }
        }
        router.control("ServerReady") { (_: Inference_ServerReadyRequest) in
            Inference_ServerReadyResponse.with { $0.ready = readiness.isReady }
        }
        router.control("ModelReady", modelReady)
        router.control("ServerMetadata", serverMetadata)
        router.control("ModelMetadata", modelMetadata)
        router.control("ModelConfig", modelConfiguration)
        router.control("ModelStatistics", modelStatistics)
        // The repository.
        router.control("RepositoryIndex", repositoryIndex)
        router.unsupported("RepositoryModelLoad", "models are loaded when the server starts, not on demand")
        router.unsupported("RepositoryModelUnload", "models are unloaded when the server ends, not on demand")
        // Shared memory.
        for kind in ["System", "Cuda"] {
            for call in ["Status", "Register", "Unregister"] {
                router.unsupported(
                    "\(kind)SharedMemory\(call)", "shared memory is not supported: send the tensors in the message")
            }
        }
        // Settings.
        router.unsupported("TraceSetting", "tracing is not supported")
        router.unsupported("LogSettings", "the log cannot be set while the server runs")
    }

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
        response.name = server.name
        response.version = server.version
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
        response.config = WireDocuments.modelConfiguration(model, instances: server.lanes)
        return response
    }

    private func modelStatistics(
        _ request: Inference_ModelStatisticsRequest
    ) throws(ProtocolError) -> Inference_ModelStatisticsResponse {
        let models = request.name.isEmpty ? service.catalog.served : [try find(request.name, request.version)]
        return WireDocuments.modelStatistics(models.map(service.engine.statistics))
    }

    private func repositoryIndex(
        _ request: Inference_RepositoryIndexRequest
    ) throws(ProtocolError) -> Inference_RepositoryIndexResponse {
        guard request.repositoryName.isEmpty else {
            throw ProtocolError(.unsupported, "there is one repository; leave repository_name empty")
        }
        var response = Inference_RepositoryIndexResponse()
        for model in service.catalog.index(onlyReady: request.ready) {
            var entry = Inference_RepositoryIndexResponse.ModelIndex()
            entry.name = model.name
            entry.version = model.version
            entry.state = model.state.rawValue
            entry.reason = model.reason
            response.models.append(entry)
        }
        return response
    }

    private func find(_ name: String, _ version: String) throws(ProtocolError) -> ServedModel {
        try service.catalog.find(name, version: version.isEmpty ? nil : version)
    }
}

extension RPCRouter<Listener.Transport> {
    /// Registers a call of one message each way that is answered at once.
    fileprivate mutating func control<Request: SwiftProtobuf.Message, Response: SwiftProtobuf.Message>(
        _ name: String, _ answer: @escaping @Sendable (Request) throws(ProtocolError) -> Response
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
                return StreamingServerResponse(single: ServerResponse(message: try answer(request)))
            } catch {
                throw RPCError(error)
            }
        }
    }

    /// Registers a call that is refused, and says why.
    fileprivate mutating func unsupported(_ name: String, _ reason: String) {
        // What is asked and would be answered does not matter; any message reads as one without fields.
        control(name) { (_: Inference_ServerLiveRequest) throws(ProtocolError) -> Inference_ServerLiveRequest in
            throw ProtocolError(.unsupported, reason)
        }
    }
}

extension MethodDescriptor {
    /// A method of the inference service.
    static func inference(_ name: String, _ type: RPCType) -> MethodDescriptor {
        MethodDescriptor(fullyQualifiedService: GRPCFrontEnd.inferenceService, method: name, type: type)
    }
}
