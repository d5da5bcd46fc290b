// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import StraitCore
internal import StraitFrames
internal import StraitNetwork
internal import StraitProtocol
internal import StraitServing
internal import StraitWire
internal import SwiftProtobuf

// Who may call what: the headers are looked at before anything of a message is taken.

extension GRPCConnection {
    /// Lets a call in; false where it was ended instead.
    func enter(_ call: Call) -> Bool {
        let access = access ?? ConnectionAccess(control.access, isLocal: context?.remoteAddress?.isLoopback ?? false)
        self.access = access
        guard let method = call.method else { return true }
        let token =
            access.wantsTokens
            ? ConnectionAccess.token(
                authorization: call.head.values(of: "authorization").first,
                apiKey: call.head.values(of: "x-api-key").first) : nil
        do throws(ProtocolError) {
            call.caller = try access.enter(method.operation, model: nil, token: token)
        } catch {
            if method.operation == .infer { service.engine.noteRefused(error, nil, model: nil) }
            finish(call, error)
            return false
        }
        guard case .infer = method else { return true }
        // The one request of the call. Those of a stream are counted when they have come.
        do throws(Refusal) {
            call.permit = try call.caller.enter(at: call.arrived)
        } catch {
            service.engine.noteOverLimit()
            refuse(error, id: "", call, isStreamed: false)
            return false
        }
        return true
    }

    /// Checks what only the message of a call tells: the model, and whether settings are read or changed.
    func check(_ message: UnsafeRawBufferPointer, of control: ControlCall, _ call: Call) throws(ProtocolError) {
        guard let subject = MethodSubject(message, of: control.operation) else { return }
        try call.caller.check(model: subject.model)
        guard subject.isChange, let access else { return }
        let token = ConnectionAccess.token(
            authorization: call.head.values(of: "authorization").first, apiKey: call.head.values(of: "x-api-key").first)
        _ = try access.enter(.updateTraceSettings, model: subject.model, token: token)
    }
}

extension GRPCConnection {
    /// The place of a request among its tenant's: that of its call, or in a stream its own.
    func permit(for call: Call, at arrived: Instant, isStreamed: Bool) throws(Refusal) -> Permit? {
        guard isStreamed else {
            defer { call.permit = nil }
            return call.permit
        }
        do throws(Refusal) { return try call.caller.enter(at: arrived) } catch {
            service.engine.noteOverLimit()
            throw error
        }
    }
}

extension Method {
    /// What it asks for, in the terms of all transports.
    var operation: Operation {
        switch self {
        case .infer, .streamInfer: .infer
        case .control(let call): call.operation
        case .watch: .ready
        // What can be called is the same on every server, and says nothing of models.
        case .reflect: .serverMetadata
        }
    }
}

extension ControlCall {
    /// What a method of one message each way asks for. What has no line here counts as administering, so that who forgets
    /// the line opens nothing.
    static func operation(_ name: String) -> Operation {
        switch name {
        case "ServerLive", "Check": .live
        case "ServerReady": .ready
        case "ServerMetadata": .serverMetadata
        case "ModelReady": .modelReady
        case "ModelMetadata": .modelMetadata
        case "ModelConfig": .modelConfiguration
        case "ModelStatistics": .statistics
        case "RepositoryIndex": .repositoryIndex
        case "RepositoryModelLoad": .loadModel
        case "RepositoryModelUnload": .unloadModel
        case "SystemSharedMemoryStatus": .sharedMemoryStatus
        case "SystemSharedMemoryRegister": .registerSharedMemory
        case "SystemSharedMemoryUnregister": .unregisterSharedMemory
        case "CudaSharedMemoryStatus": .cudaMemoryStatus
        case "CudaSharedMemoryRegister": .registerCudaMemory
        case "CudaSharedMemoryUnregister": .unregisterCudaMemory
        case "TraceSetting": .traceSettings
        case "LogSettings": .logSettings
        default: .unloadModel
        }
    }
}

/// What the message of a call is about.
private struct MethodSubject {
    var model = ""
    /// Whether settings are changed, where the same method reads them.
    var isChange = false

    /// Nil where the message cannot be read, which its method will say.
    init?(_ message: UnsafeRawBufferPointer, of operation: Operation) {
        let bytes = [UInt8](message)
        do {
            switch operation {
            case .modelReady: model = try Inference_ModelReadyRequest(serializedBytes: bytes).name
            case .modelMetadata: model = try Inference_ModelMetadataRequest(serializedBytes: bytes).name
            case .modelConfiguration: model = try Inference_ModelConfigRequest(serializedBytes: bytes).name
            case .statistics: model = try Inference_ModelStatisticsRequest(serializedBytes: bytes).name
            case .loadModel: model = try Inference_RepositoryModelLoadRequest(serializedBytes: bytes).modelName
            case .unloadModel: model = try Inference_RepositoryModelUnloadRequest(serializedBytes: bytes).modelName
            case .traceSettings:
                let request = try Inference_TraceSettingRequest(serializedBytes: bytes)
                model = request.modelName
                isChange = !request.settings.isEmpty
            case .logSettings:
                let request = try Inference_LogSettingsRequest(serializedBytes: bytes)
                isChange = !request.settings.isEmpty
            default: return nil
            }
        } catch {
            return nil
        }
    }
}
