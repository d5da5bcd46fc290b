// SPDX-License-Identifier: Apache-2.0

internal import GRPCCore
internal import StraitServing
internal import StraitWire
internal import Synchronization

/// gRPC's health protocol, for the server as a whole and its services by name.
struct HealthCalls: Sendable {
    let readiness: Readiness

    private static let service = "grpc.health.v1.Health"

    /// What may be asked for; empty is the server.
    private static let known: Set<String> = ["", service, GRPCFrontEnd.inferenceService]

    func register(on router: inout RPCRouter<Listener.Transport>) {
        router.registerHandler(
            forMethod: MethodDescriptor(fullyQualifiedService: Self.service, method: "Check", type: .unary),
            deserializer: ControlDeserializer<Grpc_Health_V1_HealthCheckRequest>(),
            serializer: ControlSerializer<Grpc_Health_V1_HealthCheckResponse>()
        ) { call, _ in
            let name = try await Self.service(askedIn: call)
            guard Self.known.contains(name) else {
                throw RPCError(code: .notFound, message: "no service is named '\(name.prefix(64))' here")
            }
            return StreamingServerResponse(single: ServerResponse(message: status))
        }
        router.registerHandler(
            forMethod: MethodDescriptor(fullyQualifiedService: Self.service, method: "Watch", type: .serverStreaming),
            deserializer: ControlDeserializer<Grpc_Health_V1_HealthCheckRequest>(),
            serializer: ControlSerializer<Grpc_Health_V1_HealthCheckResponse>()
        ) { call, context in
            let name = try await Self.service(askedIn: call)
            return StreamingServerResponse { writer in
                try await watch(name, context, writer)
                return [:]
            }
        }
    }

    private static func service(
        askedIn call: StreamingServerRequest<Grpc_Health_V1_HealthCheckRequest>
    ) async throws -> String {
        var messages = call.messages.makeAsyncIterator()
        guard let request = try await messages.next() else {
            throw RPCError(code: .invalidArgument, message: "the call ended before its request came")
        }
        return request.service
    }

    private var status: Grpc_Health_V1_HealthCheckResponse {
        var message = Grpc_Health_V1_HealthCheckResponse()
        message.status = readiness.isReady ? .serving : .notServing
        return message
    }

    /// Tells the status, then the only change there is: when the server drains.
    private func watch(
        _ name: String, _ context: ServerContext, _ writer: RPCWriter<Grpc_Health_V1_HealthCheckResponse>
    ) async throws {
        if Self.known.contains(name) {
            let told = status
            try await writer.write(told)
            if told.status == .serving {
                let change = Gate()
                let id = readiness.whenStopped { change.open() }
                await withRPCCancellationHandler {
                    if context.cancellation.isCancelled { change.open() }
                    await change.pass()
                } onCancelRPC: {
                    change.open()
                }
                readiness.forget(id)
                if !readiness.isReady { try await writer.write(status) }
            }
        } else {
            var message = Grpc_Health_V1_HealthCheckResponse()
            message.status = .serviceUnknown
            try await writer.write(message)
        }
        // Nothing changes from here on; the client, or the end of the server, ends the call.
        try await context.cancellation.cancelled
    }
}

/// Holds one task back until it is opened.
private final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var waiting: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume()
    }

    func pass() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting = continuation }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }
}
