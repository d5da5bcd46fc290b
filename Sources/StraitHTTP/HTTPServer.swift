// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
package import StraitNetwork
internal import StraitPlatform
package import StraitServing

/// The HTTP front end: listens, and gives each connection a handler on one of a few event loops.
package final class HTTPServer: Sendable {
    private let group: MultiThreadedEventLoopGroup
    private let listener: any Channel
    private let connections: ConnectionRegistry
    private let events: EventHub

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
    ///   - feed: what is sent to whoever watches.
    ///   - tls: over which is spoken, with HTTP/2 for clients that know it; nil for HTTP/1.1 in the clear.
    package init(
        host: String, port: Int, threads: Int, cores: [Int], control: ServerControl, feed: WatchFeed,
        limits: HTTPLimits = HTTPLimits(), tls: TLSContext? = nil
    ) throws(StartError) {
        let events = EventHub(feed)
        self.events = events
        group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        if !cores.isEmpty {
            for loop in group.makeIterator() { loop.execute { _ = CoreSet.pinCurrentThread(to: cores) } }
        }
        let connections = ConnectionRegistry(limit: limits.connections)
        self.connections = connections
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
                return TLSContext.begin(tls, offering: .both, on: channel) { channel, agreed in
                    if agreed == TLSContext.http2 {
                        return try HTTP2Streams.add(to: channel, control: control, limits: limits, events: events)
                    }
                    let decoder = HTTPRequestDecoder(limitConfiguration: HTTPLimits.decoder)
                    try channel.pipeline.syncOperations.addHandlers([
                        IdleStateHandler(readTimeout: .seconds(limits.idleSeconds)),
                        ByteToMessageHandler(decoder),
                        ConnectionHandler(control: control, limits: limits, events: events),
                    ])
                }
            }
        do {
            listener = try bootstrap.bind(host: host, port: port).wait()
        } catch {
            try? group.syncShutdownGracefully()
            throw StartError(
                description: "cannot listen on \(host):\(port): \(error). Is another server running there? "
                    + "Choose another port with --http-port.")
        }
        self.port = listener.localAddress?.port ?? port
    }

    /// Connections that the kernel may hold until they are accepted: what a burst of clients opens at once.
    private static let backlog: Int32 = 4096
    /// Bytes of one read from a socket: large bodies then take few system calls.
    private static let largestReadBytes = 256 << 10

    /// How many connections are open.
    package var connectionCount: Int { connections.count }

    /// Takes no more connections.
    package func stopListening() { try? listener.close().wait() }

    /// Ends idle connections, and busy ones with their replies; then all that is left.
    ///
    /// - Parameter milliseconds: how long busy connections are waited for.
    package func stop(withinMilliseconds milliseconds: Int64) {
        events.stop()
        connections.quiesce()
        _ = connections.waitUntilEmpty(milliseconds: milliseconds)
        try? group.syncShutdownGracefully()
    }
}
