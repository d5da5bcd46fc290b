// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTP2
internal import StraitServing

/// HTTP/2 on a connection: each request has a stream of its own, which is a channel with a handler of its own.
enum HTTP2Streams {
    /// Adds HTTP/2 to a connection, whose client has agreed to it.
    static func add(
        to channel: any Channel, control: ServerControl, limits: HTTPLimits, events: EventHub
    ) throws {
        let upkeep = HTTP2Upkeep(idleSeconds: limits.idleSeconds)
        let bound = NIOLoopBound(upkeep, eventLoop: channel.eventLoop)
        let handler = NIOHTTP2Handler(
            mode: .server, eventLoop: channel.eventLoop, connectionConfiguration: connection,
            streamConfiguration: stream
        ) { stream in
            stream.eventLoop.makeCompletedFuture {
                bound.value.opened(stream)
                try stream.pipeline.syncOperations.addHandlers([
                    StreamEnd(), HTTP2FramePayloadToHTTP1ServerCodec(),
                    IdleStateHandler(readTimeout: .seconds(limits.idleSeconds)),
                    ConnectionHandler(control: control, limits: limits, events: events, isStream: true),
                ])
            }
        }
        try channel.pipeline.syncOperations.addHandlers([handler, upkeep])
    }

    /// Requests at a time on one connection. Clients hold back more until one ends.
    private static let streams = 128
    /// What a client may send of one body, and of all on a connection, before it hears that it was taken: enough for a
    /// tensor of 600 KB at once. All is taken as it comes, so that little of it is ever there.
    private static let streamWindow = 1 << 20
    private static let connectionWindow = 8 << 20
    /// Bytes of a reply that wait for the client's window before its request counts as not yet answered.
    private static let outboundBytes = 64 << 10
    /// Resets, and frames that are no part of a request, that a client may send in a second; with more its connection is
    /// closed. One that gives up all it has at a time stays below.
    private static let nuisancesPerSecond = 1000

    private static var connection: NIOHTTP2Handler.ConnectionConfiguration {
        var connection = NIOHTTP2Handler.ConnectionConfiguration()
        connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: streams),
            HTTP2Setting(parameter: .maxHeaderListSize, value: HTTPLimits.headerBytes),
            HTTP2Setting(parameter: .initialWindowSize, value: streamWindow),
        ]
        connection.targetWindowSize = connectionWindow
        connection.controlFrameRateLimit.maximumCount = nuisancesPerSecond
        connection.controlFrameRateLimit.windowLength = .seconds(1)
        return connection
    }

    private static var stream: NIOHTTP2Handler.StreamConfiguration {
        var stream = NIOHTTP2Handler.StreamConfiguration()
        stream.targetWindowSize = streamWindow
        stream.outboundBufferSizeHighWatermark = outboundBytes
        stream.outboundBufferSizeLowWatermark = outboundBytes / 2
        stream.streamResetFrameRateLimit.maximumCount = nuisancesPerSecond
        stream.streamResetFrameRateLimit.windowLength = .seconds(1)
        return stream
    }
}

/// Ends our side of a stream whose client has not finished sending: by a reset that is no error, as HTTP/2 has it for a
/// reply that does not need the rest of its request.
final class StreamEnd: ChannelOutboundHandler {
    typealias OutboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode == .output else { return context.close(mode: mode, promise: promise) }
        // What was written of the reply goes first: a reset drops what the library still holds.
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.eventLoop.execute {
            let reset = HTTP2Frame.FramePayload.rstStream(.noError)
            bound.value.writeAndFlush(NIOAny(reset), promise: promise)
        }
    }
}
