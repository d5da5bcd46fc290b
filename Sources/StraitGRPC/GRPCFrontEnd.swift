// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOPosix
package import StraitNetwork
internal import StraitPlatform
internal import StraitProtocol
package import StraitServing

/// The gRPC front end: listens, and answers calls on event loops of its own.
package final class GRPCFrontEnd: Sendable {
    /// The full name of the inference service.
    static let inferenceService = "inference.GRPCInferenceService"

    private let group: MultiThreadedEventLoopGroup
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
    ///   - tls: over which is spoken; nil for in the clear.
    package init(
        host: String, port: Int, threads: Int, cores: [Int], control: ServerControl,
        limits: GRPCLimits = GRPCLimits(), tls: TLSContext? = nil
    ) throws(StartError) {
        group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        if !cores.isEmpty {
            for loop in group.makeIterator() { loop.execute { _ = CoreSet.pinCurrentThread(to: cores) } }
        }
        let connections = ConnectionRegistry(limit: limits.connections)
        self.connections = connections
        let methods = Self.methods(control)
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: Self.backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(AcceptPause()) }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            // A connection keeps as many buffers as it reads at a time, for as long as it lives.
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(
                    minimum: 1024, initial: 16 << 10, maximum: Self.largestReadBytes)
            )
            .childChannelInitializer { channel in
                guard connections.add(channel) else { return channel.close() }
                return TLSContext.begin(tls, offering: .http2, on: channel) { channel, _ in
                    try channel.pipeline.syncOperations.addHandler(
                        GRPCConnection(control: control, limits: limits, methods: methods, channel: channel))
                }
            }
        do {
            listener = try bootstrap.bind(host: host, port: port).wait()
        } catch {
            try? group.syncShutdownGracefully()
            throw StartError(
                description: "cannot listen on \(host):\(port): \(error). Is another server running there? "
                    + "Choose another port with --grpc-port, or none with --no-grpc.")
        }
        self.port = listener.localAddress?.port ?? port
    }

    /// Connections that the kernel may hold until they are accepted: what a burst of clients opens at once.
    private static let backlog: Int32 = 4096
    /// Bytes of one read from a socket: large tensors then take few system calls.
    private static let largestReadBytes = 256 << 10

    /// All that can be called, by its path.
    private static func methods(_ control: ServerControl) -> [String: Method] {
        var methods: [String: Method] = [
            "/\(inferenceService)/ModelInfer": .infer, "/\(inferenceService)/ModelStreamInfer": .streamInfer,
            "/\(HealthCalls.service)/Check": .control(HealthCalls.check(control)),
            "/\(HealthCalls.service)/Watch": .watch,
        ]
        for (name, call) in ControlCalls(control: control).all {
            methods["/\(inferenceService)/\(name)"] = .control(call)
        }
        return methods
    }

    /// How many connections are open.
    package var connectionCount: Int { connections.count }

    /// Takes no more connections.
    package func stopListening() { try? listener.close().wait() }

    /// Ends idle connections, and busy ones with their answers; then all that is left.
    ///
    /// - Parameter milliseconds: how long busy connections are waited for.
    package func stop(withinMilliseconds milliseconds: Int64) {
        connections.quiesce()
        _ = connections.waitUntilEmpty(milliseconds: milliseconds)
        try? group.syncShutdownGracefully()
    }
}
