// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
package import StraitNetwork
internal import StraitPlatform
package import StraitTelemetry

/// Serves the text of metrics on a port of its own, for Prometheus and its kin: on a thread of its own, so that no scrape
/// holds up an inference.
package final class MetricsListener: Sendable {
    private let group: MultiThreadedEventLoopGroup
    private let listener: any Channel
    private let connections: ConnectionRegistry

    /// The port that it listens on.
    package let port: Int

    /// Scrapers are few; what is more is a mistake.
    private static let mostConnections = 64
    /// Connections that the kernel may hold until they are accepted.
    private static let backlog: Int32 = 64
    /// How long a connection may say nothing: longer than scrapers wait between two scrapes.
    private static let idleSeconds: Int64 = 300

    /// Starts to listen.
    ///
    /// - Parameters:
    ///   - port: 0 for any free one.
    ///   - cores: where it may run; empty for anywhere.
    ///   - tls: over which is spoken; nil for in the clear.
    ///   - page: the text of all metrics now; called on the listener's thread.
    package init(
        host: String, port: Int, cores: [Int], tls: TLSContext? = nil,
        page: @escaping @Sendable (ExpositionFormat) -> [UInt8]
    ) throws(HTTPServer.StartError) {
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        if !cores.isEmpty { group.next().execute { _ = CoreSet.pinCurrentThread(to: cores) } }
        let connections = ConnectionRegistry(limit: Self.mostConnections)
        self.connections = connections
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: Self.backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(AcceptPause()) }
            }
            .childChannelInitializer { channel in
                guard connections.add(channel) else { return channel.close() }
                return TLSContext.begin(tls, offering: .http1, on: channel) { channel, _ in
                    try channel.pipeline.syncOperations.addHandlers([
                        IdleStateHandler(readTimeout: .seconds(Self.idleSeconds)), HTTPResponseEncoder(),
                        ByteToMessageHandler(HTTPRequestDecoder(limitConfiguration: HTTPLimits.decoder)),
                        HTTPServerPipelineHandler(), MetricsHandler(page: page),
                    ])
                }
            }
        do {
            listener = try bootstrap.bind(host: host, port: port).wait()
        } catch {
            try? group.syncShutdownGracefully()
            throw HTTPServer.StartError(
                description: "cannot listen on \(host):\(port) for metrics: \(error). Is another server running there? "
                    + "Choose another port with --metrics-port, or none with --no-metrics.")
        }
        self.port = listener.localAddress?.port ?? port
    }

    /// Ends at once; a scrape that is on its way is cut.
    package func stop() { try? group.syncShutdownGracefully() }
}
