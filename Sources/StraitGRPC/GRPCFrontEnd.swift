// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
package import StraitNetwork
internal import StraitProtocol
package import StraitServing

/// The gRPC front end: listens, and answers calls on event loops of its own.
package final class GRPCFrontEnd: Sendable {
    /// The full name of the inference service.
    static let inferenceService = "inference.GRPCInferenceService"

    /// What to do where it cannot listen.
    package static let advice =
        "It is for gRPC: choose another place with --grpc-port or --grpc-address, or do without (--no-grpc)."

    private let listener: Listener

    /// The port that it listens on.
    package var port: Int { listener.port }

    /// Starts to listen.
    ///
    /// - Parameter place: where.
    package init(
        _ place: Listener.Place, control: ServerControl, limits: GRPCLimits = GRPCLimits()
    ) throws(Listener.StartError) {
        let methods = MethodTable(Self.methods(control))
        listener = try Listener(
            place, offering: .http2, advice: Self.advice
        ) { channel, _ in
            try channel.pipeline.syncOperations.addHandler(
                GRPCConnection(control: control, limits: limits, methods: methods, channel: channel))
        }
    }

    /// All that can be called, by its path.
    private static func methods(_ control: ServerControl) -> [String: Method] {
        var methods: [String: Method] = [
            "/\(inferenceService)/ModelInfer": .infer, "/\(inferenceService)/ModelStreamInfer": .streamInfer,
            "/\(HealthCalls.service)/Check": .control(HealthCalls.check(control)),
            "/\(HealthCalls.service)/Watch": .watch,
        ]
        for service in Reflection.services { methods["/\(service)/ServerReflectionInfo"] = .reflect }
        for (name, call) in ControlCalls(control: control).all {
            methods["/\(inferenceService)/\(name)"] = .control(call)
        }
        return methods
    }

    /// How many connections are open.
    package var connectionCount: Int { listener.connectionCount }

    /// Takes no more connections.
    package func stopListening() { listener.stopListening() }

    /// Ends idle connections, and busy ones with their answers; then all that is left.
    ///
    /// - Parameter milliseconds: how long busy connections are waited for.
    package func stop(withinMilliseconds milliseconds: Int64) { listener.stop(withinMilliseconds: milliseconds) }
}
