// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP2

/// What time does to a connection of HTTP/2, and the end of the server. Lives on the connection's event loop.
final class HTTP2Upkeep: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    private let idle: TimeAmount
    private let period: TimeAmount
    private var context: ChannelHandlerContext?
    private var tick: Scheduled<Void>?
    private var streams = 0
    private var lastStream = HTTP2StreamID.rootStream
    private var lastRead = NIODeadline.now()
    private var lastStreamEnded = NIODeadline.now()
    private var pingedAt: NIODeadline?
    private var isQuiescing = false
    private var hasQuiesced = false
    private var isEnding = false

    /// - Parameter idleSeconds: how long a connection without a request may stay.
    init(idleSeconds: Int64) {
        idle = .seconds(idleSeconds)
        period = .milliseconds(min(5000, max(100, idleSeconds * 1000 / 8)))
    }

    /// After this long without a word the client is asked whether it is there, and given that long to answer.
    private static let keepalive = TimeAmount.seconds(60)
    private static let keepaliveAnswer = TimeAmount.seconds(20)
    private static let keepalivePing = HTTP2PingData(withInteger: 1)
    private static let lastPing = HTTP2PingData(withInteger: 2)
    /// How long the client is waited for to say that it has heard that the server goes.
    private static let lastAnswer = TimeAmount.milliseconds(500)

    /// Counts a new stream, until it ends.
    func opened(_ stream: any Channel) {
        streams += 1
        if let id = try? stream.syncOptions?.getOption(HTTP2StreamChannelOptions.streamID) {
            lastStream = max(lastStream, id)
        }
        let bound = NIOLoopBound(self, eventLoop: stream.eventLoop)
        stream.closeFuture.whenComplete { _ in bound.value.streamEnded() }
    }

    private func streamEnded() {
        streams -= 1
        lastStreamEnded = .now()
        if hasQuiesced { endIfIdle() }
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        startTicking(context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        tick?.cancel()
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .ping(Self.lastPing, ack: true) = unwrapInboundIn(data).payload { quiesced() }
        context.fireChannelRead(data)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        lastRead = .now()
        pingedAt = nil
        context.fireChannelReadComplete()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent { quiesce() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Of one stream or of all, which the library does not tell: what is open may end, and nothing new begins.
        if error is any NIOHTTP2Error { quiesce() } else { context.close(promise: nil) }
    }

    // -- time ----------------------------------------------------------------------------------------------------

    private func startTicking(_ context: ChannelHandlerContext) {
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        tick = context.eventLoop.scheduleTask(in: period) {
            guard let context = bound.value.context else { return }
            bound.value.lookAfter(context)
            bound.value.startTicking(context)
        }
    }

    private func lookAfter(_ context: ChannelHandlerContext) {
        let now = NIODeadline.now()
        if let pingedAt, now - pingedAt >= Self.keepaliveAnswer { return context.close(promise: nil) }
        if streams == 0, now - max(lastStreamEnded, lastRead) >= idle { return end() }
        if pingedAt == nil, now - lastRead >= Self.keepalive {
            pingedAt = now
            send(.ping(Self.keepalivePing, ack: false))
        }
    }

    // -- the end -------------------------------------------------------------------------------------------------

    /// The server goes: no more requests are taken, and when those that are open have ended the connection is closed.
    private func quiesce() {
        guard !isQuiescing, let context else { return }
        isQuiescing = true
        // First that it goes; which request was the last one is known when the client has heard that.
        send(.goAway(lastStreamID: .maxID, errorCode: .noError, opaqueData: nil))
        send(.ping(Self.lastPing, ack: false))
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.lastAnswer) { bound.value.quiesced() }
    }

    /// The client knows that the server goes, or does not say so.
    private func quiesced() {
        guard isQuiescing, !hasQuiesced else { return }
        hasQuiesced = true
        endIfIdle()
    }

    private func endIfIdle() {
        guard streams == 0, let context else { return }
        // In a moment: the last reply may be written but not yet on its way.
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.execute { if bound.value.streams == 0 { bound.value.end() } }
    }

    private func end() {
        guard !isEnding, let context else { return }
        isEnding = true
        send(.goAway(lastStreamID: lastStream, errorCode: .noError, opaqueData: nil))
        // First our side only: the last reply may still wait for a slow client, and what that sends meanwhile, of windows for
        // instance, must not cut the line.
        let channel = context.channel
        let linger = TimeAmount.seconds(HTTPLimits.lingerSeconds)
        let left = max(.zero, linger - (NIODeadline.now() - lastStreamEnded))
        let isSent = context.eventLoop.makePromise(of: Void.self)
        isSent.futureResult.whenComplete { _ in
            channel.eventLoop.scheduleTask(in: left) { channel.close(promise: nil) }
        }
        context.close(mode: .output, promise: isSent)
    }

    private func send(_ payload: HTTP2Frame.FramePayload) {
        guard let context else { return }
        context.writeAndFlush(wrapOutboundOut(HTTP2Frame(streamID: .rootStream, payload: payload)), promise: nil)
    }
}
