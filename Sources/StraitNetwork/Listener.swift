// SPDX-License-Identifier: Apache-2.0

package import NIOCore
internal import NIOPosix
internal import StraitPlatform

/// A port that is listened on, with event loops of its own, whatever is spoken there.
package final class Listener: Sendable {
    /// Where and with what it listens.
    package struct Place: Sendable {
        /// The address.
        package var host: String
        /// The port; 0 for any free one.
        package var port: Int
        /// Event loops, at least 1.
        package var threads = 1
        /// Where they may run; empty for anywhere.
        package var cores: [Int] = []
        /// Connections at a time; what is more is closed at once.
        package var connections: Int
        /// Over which is spoken; nil for in the clear.
        package var tls: TLSContext?

        package init(host: String, port: Int, connections: Int) {
            self.host = host
            self.port = port
            self.connections = connections
        }
    }

    /// Why a port cannot be listened on.
    package struct StartError: Error, CustomStringConvertible {
        /// What was tried, what the system said, and what to do.
        package let description: String
    }

    private let group: MultiThreadedEventLoopGroup
    private let channel: any Channel
    private let connections: ConnectionRegistry

    /// The port that it listens on.
    package let port: Int

    /// Starts to listen.
    ///
    /// - Parameters:
    ///   - offer: what can be spoken over TLS.
    ///   - advice: what to do where the port cannot be had, as a sentence.
    ///   - speak: adds what speaks to a new connection, on its event loop, with what was agreed on over TLS.
    package init(
        _ place: Place, offering offer: TLSContext.Offer, advice: String,
        speak: @escaping @Sendable (_ channel: any Channel, _ agreed: String?) throws -> Void
    ) throws(StartError) {
        group = MultiThreadedEventLoopGroup(numberOfThreads: place.threads)
        if !place.cores.isEmpty {
            for loop in group.makeIterator() { loop.execute { _ = CoreSet.pinCurrentThread(to: place.cores) } }
        }
        let connections = ConnectionRegistry(limit: place.connections)
        self.connections = connections
        let tls = place.tls
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
                return TLSContext.begin(tls, offering: offer, on: channel, speak: speak)
            }
        do {
            channel = try bootstrap.bind(host: place.host, port: place.port).wait()
        } catch {
            try? group.syncShutdownGracefully()
            throw Self.refusal(host: place.host, port: place.port, error, advice)
        }
        port = channel.localAddress?.port ?? place.port
    }

    /// Connections that the kernel may hold until they are accepted: what a burst of clients opens at once.
    private static let backlog: Int32 = 4096
    /// Bytes of one read from a socket: large bodies then take few system calls.
    private static let largestReadBytes = 256 << 10

    /// How many connections are open.
    package var connectionCount: Int { connections.count }

    /// Takes no more connections.
    package func stopListening() { try? channel.close().wait() }

    /// Ends idle connections, and busy ones with their replies; then all that is left.
    ///
    /// - Parameter milliseconds: how long busy connections are waited for; 0 cuts them.
    package func stop(withinMilliseconds milliseconds: Int64) {
        connections.quiesce()
        _ = connections.waitUntilEmpty(milliseconds: milliseconds)
        try? group.syncShutdownGracefully()
    }
}
