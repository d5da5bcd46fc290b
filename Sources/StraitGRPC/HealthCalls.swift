// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import StraitFrames
internal import StraitProtocol
internal import StraitServing
internal import StraitWire
internal import SwiftProtobuf

/// gRPC's health protocol, for the server as a whole and its services by name.
enum HealthCalls {
    /// The service's full name.
    static let service = "grpc.health.v1.Health"

    /// What may be asked for; empty is the server.
    static let known: Set<String> = ["", service, GRPCFrontEnd.inferenceService]

    /// The call that is answered at once.
    static func check(_ control: ServerControl) -> ControlCall {
        let readiness = control.readiness
        return ControlCall("Check", control.log) {
            (request: Grpc_Health_V1_HealthCheckRequest) throws(ProtocolError) -> Grpc_Health_V1_HealthCheckResponse in
            guard known.contains(request.service) else {
                throw ProtocolError(
                    .notFound, "no service is named '\(shortened(request.service))' here")
            }
            return .with { $0.status = readiness.isReady ? .serving : .notServing }
        }
    }
}

extension GRPCConnection {
    /// Tells the status, then the only change there is: when the server drains. The client, or the end of the server, ends
    /// the call.
    func watch(_ message: MessageAssembly.Message, _ call: Call) {
        let name: String
        do {
            let plain = try message.plain(call.head.coding, limit: GRPCLimits.controlMessageBytes, pool: service.pool)
            name = try Grpc_Health_V1_HealthCheckRequest(serializedBytes: [UInt8](plain.bytes)).service
        } catch {
            return finish(call, ProtocolError(.invalidArgument, "not a valid HealthCheckRequest: \(error)"))
        }
        guard HealthCalls.known.contains(name) else { return tell(.serviceUnknown, call) }
        let readiness = control.readiness
        guard readiness.isReady else { return tell(.notServing, call) }
        tell(.serving, call)
        let bound = NIOLoopBound((connection: self, call: call), eventLoop: eventLoop)
        let eventLoop = eventLoop
        let id = readiness.whenStopped {
            eventLoop.execute {
                let (connection, call) = bound.value
                connection.tell(.notServing, call)
                connection.flush()
            }
        }
        call.atEnd = { readiness.forget(id) }
    }

    private func tell(_ status: Grpc_Health_V1_HealthCheckResponse.ServingStatus, _ call: Call) {
        let message = Grpc_Health_V1_HealthCheckResponse.with { $0.status = status }
        guard let bytes: [UInt8] = try? message.serializedBytes() else { return }
        send(WireResponse(message: bytes), on: call)
    }
}
