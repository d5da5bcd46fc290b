// SPDX-License-Identifier: Apache-2.0

internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import NIOCore

// StraitGRPC: the gRPC front end. It decodes and encodes; all between is StraitServing's.

/// What the gRPC front end accepts at most.
package struct GRPCLimits: Sendable, Hashable {
    /// Bytes of one message. The same as a body over HTTP.
    package var messageBytes = 256 << 20
    /// Connections at one time.
    package var connections = 16_384
    /// How long a connection without a call may stay, and a call wait for the rest of a message.
    package var idleSeconds: Int64 = 300

    package init() {}

    /// Bytes of a message that holds no tensor: generated code takes up to sixteen times as much memory for it.
    static let controlMessageBytes = 1 << 20
    /// Calls at a time on one connection. Clients hold back more until one ends.
    static let streams = 1024
    /// Requests of one stream that are worked on at a time. The next is not read before, which holds the client back.
    static let requestsPerStream = 256
    /// HTTP/2's windows and frames. The defaults are for pages; with these a tensor of 600 KB comes three times as fast.
    static let windowBytes = 8 << 20
    static let frameBytes = 1 << 20
    /// After this long without a word the other side is asked whether it is there, and given that long to answer.
    static let keepaliveSeconds: Int64 = 60
    static let keepaliveAnswerSeconds: Int64 = 20
    /// How often a client may ask us, calls or not.
    static let leastPingSeconds: Int64 = 10

    /// As the transport takes it.
    func configuration(_ budget: IncomingBudget) -> Listener.Transport.Config {
        var configuration = Listener.Transport.Config.defaults
        configuration.rpc.maxRequestPayloadSize = messageBytes
        configuration.compression.enabledAlgorithms = .all
        configuration.http2.maxFrameSize = Self.frameBytes
        configuration.http2.targetWindowSize = Self.windowBytes
        configuration.http2.maxConcurrentStreams = Self.streams
        configuration.connection.maxIdleTime = .seconds(idleSeconds)
        configuration.connection.keepalive.time = .seconds(Self.keepaliveSeconds)
        configuration.connection.keepalive.timeout = .seconds(Self.keepaliveAnswerSeconds)
        configuration.connection.keepalive.clientBehavior.allowWithoutCalls = true
        configuration.connection.keepalive.clientBehavior.minPingIntervalWithoutCalls = .seconds(Self.leastPingSeconds)
        // It holds each answer back for 100 µs in the hope of another.
        configuration.connection.flushCoalescing = nil
        let limits = self
        configuration.channelDebuggingCallbacks.onAcceptHTTP2Stream = { channel in
            channel.eventLoop.makeCompletedFuture {
                let filter = try channel.parent?.pipeline.syncOperations.handler(type: ResetFilter.self)
                try channel.pipeline.syncOperations.addHandler(
                    MessageGate(limits: limits, budget: budget, calls: filter?.calls), position: .first)
            }
        }
        return configuration
    }
}
