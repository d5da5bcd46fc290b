// SPDX-License-Identifier: Apache-2.0

internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import NIOCore
internal import NIOPosix
internal import StraitNetwork
internal import StraitPlatform
internal import StraitProtocol
package import StraitServing

/// The gRPC front end: listens, and answers calls on event loops of its own.
package final class GRPCFrontEnd: Sendable {
    /// The full name of the inference service.
    static let inferenceService = "inference.GRPCInferenceService"

    private let group: MultiThreadedEventLoopGroup
    private let serving: Task<Void, Never>
    private let ended: Wakeup
    private let listener: any Channel
    private let connections: ConnectionRegistry

    /// The port that it listens on.
    package let port: Int

    /// Why the server could not start.
    package struct StartError: Error, CustomStringConvertible {
        /// What was tried, what the system said, and what to do.
        package let description: String
    }

    /// Starts to listen.
    ///
    /// - Parameters:
    ///   - port: 0 for any free one.
    ///   - threads: event loops, at least 1.
    ///   - cores: where the event loops may run; empty for anywhere.
    package init(
        host: String, port: Int, threads: Int, cores: [Int], control: ServerControl,
        limits: GRPCLimits = GRPCLimits()
    ) throws(StartError) {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        self.group = group
        if !cores.isEmpty {
            for loop in group.makeIterator() { loop.execute { _ = CoreSet.pinCurrentThread(to: cores) } }
        }
        let service = control.service
        var router = RPCRouter<Listener.Transport>()
        let inference = InferenceCalls(control: control)
        router.registerHandler(
            forMethod: .inference("ModelInfer", .unary), deserializer: RequestDeserializer(pool: service.pool),
            serializer: ResponseSerializer(), handler: inference.infer)
        router.registerHandler(
            forMethod: .inference("ModelStreamInfer", .bidirectionalStreaming),
            deserializer: RequestDeserializer(pool: service.pool), serializer: ResponseSerializer()
        ) { inference.stream($0, $1) }
        ControlCalls(control: control).register(on: &router)
        HealthCalls(readiness: control.readiness).register(on: &router)

        let start = ListenerStart()
        let connections = ConnectionRegistry(limit: limits.connections)
        let listener = Listener(group: group, host: host, port: port, connections: connections, start: start)
        let transport = Listener.Transport(
            listenerFactory: listener, config: limits.configuration(IncomingBudget(pool: service.pool)))
        let running = GRPCServer(transport: transport, router: router)
        let ended = Wakeup()
        self.connections = connections
        self.ended = ended
        serving = Task(executorPreference: LoopExecutor(group: group)) {
            // How it failed is told by `start`, or nobody is left to be told.
            try? await running.serve()
            ended.signal()
        }
        switch start.wait() {
        case .success(let channel):
            self.listener = channel
            self.port = channel.localAddress?.port ?? port
        case .failure(let error):
            ended.wait()
            try? group.syncShutdownGracefully()
            throw StartError(
                description: "cannot listen on \(host):\(port): \(error). Is another server running there? "
                    + "Choose another port with --grpc-port, or none with --no-grpc.")
        }
    }

    /// Takes no more connections.
    package func stopListening() { try? listener.close().wait() }

    /// Ends idle connections, and busy ones with their answers; then all that is left.
    ///
    /// - Parameter milliseconds: how long busy connections are waited for.
    package func stop(withinMilliseconds milliseconds: Int64) {
        connections.quiesce()
        if !connections.waitUntilEmpty(milliseconds: milliseconds) { serving.cancel() }
        ended.wait()
        try? group.syncShutdownGracefully()
    }
}
