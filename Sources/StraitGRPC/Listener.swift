// SPDX-License-Identifier: Apache-2.0

internal import GRPCNIOTransportHTTP2Posix
internal import NIOCore
internal import NIOPosix
internal import StraitNetwork
internal import StraitPlatform
internal import Synchronization

/// Listens for gRPC's connections as the HTTP front end does for its own: bounded, and steady when descriptors run out.
struct Listener: HTTP2ServerTransport.ListenerFactory {
    typealias Transport = HTTP2ServerTransport.Custom<Listener>

    let group: MultiThreadedEventLoopGroup
    let host: String
    let port: Int
    let connections: ConnectionRegistry
    let start: ListenerStart

    var eventLoopGroup: any EventLoopGroup { group }

    /// Connections that the kernel may hold until they are accepted: what a burst of clients opens at once.
    private static let backlog: Int32 = 4096
    /// Bytes of one read from a socket: large tensors then take few system calls.
    private static let largestReadBytes = 256 << 10

    func makeListeningChannel(
        listenerConfigurator: HTTP2ServerTransport.ListenerConfigurator,
        connectionConfigurator: HTTP2ServerTransport.ConnectionConfigurator
    ) async throws -> NIOAsyncChannel<HTTP2ServerTransport.ConnectionConfigurator.ConnectionChannel, Never> {
        do {
            let listening = try await ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: Self.backlog)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .serverChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(AcceptPause())
                    }.flatMap { listenerConfigurator.configure(channel: channel) }
                }
                .bind(host: host, port: port) { channel in
                    // What fails here is handled here: no option of one connection may end the listener.
                    try? channel.syncOptions?.setOption(
                        .recvAllocator,
                        value: AdaptiveRecvByteBufferAllocator(
                            minimum: 1024, initial: 16 << 10, maximum: Self.largestReadBytes))
                    let isAdmitted = connections.add(channel)
                    let configured = channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(ResetFilter(calls: OpenCalls()))
                    }.flatMap { connectionConfigurator.configure(channel: channel, tls: .none) }
                    configured.whenComplete { result in
                        if case .success = result, isAdmitted { return }
                        channel.close(promise: nil)
                    }
                    return configured
                }
            start.report(.success(listening.channel))
            return listening
        } catch {
            start.report(.failure(error))
            throw error
        }
    }
}

/// How listening began, for the thread that waits to hear it.
final class ListenerStart: Sendable {
    private let outcome = Mutex<Result<any Channel, any Error>?>(nil)
    private let reported = Wakeup()

    func report(_ result: Result<any Channel, any Error>) {
        outcome.withLock { $0 = result }
        reported.signal()
    }

    /// Waits until it is known.
    func wait() -> Result<any Channel, any Error> {
        while true {
            if let result = outcome.withLock({ $0 }) { return result }
            _ = reported.wait(untilNanoseconds: MonotonicClock.nanoseconds() + 1_000_000_000)
        }
    }
}
