// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
internal import StraitCore
internal import StraitProtocol
internal import StraitServing

// What a connection answers: when, in one piece, and what becomes of the connection then.

extension ConnectionHandler {
    /// Replies why a body cannot be collected.
    func refuse(
        _ problem: BodyCollector.Problem, of inference: Inference, _ context: ChannelHandlerContext,
        isComplete: Bool = false
    ) {
        let refusal: Refusal
        switch problem {
        case .tooLong:
            let error = Self.tooLarge(limits.bodyBytes)
            service.engine.noteRefused(error, nil, model: inference.model)
            inference.span?.noteFailure(error)
            return refuseBody(context, limit: limits.bodyBytes, inference.span)
        case .noMemory:
            refusal = Refusal(
                ProtocolError(.resourceExhausted, "the server's tensor memory is full"), retryAfter: .seconds(1))
        case .malformed(let error): refusal = Refusal(error)
        }
        service.engine.noteRefused(refusal.error, nil, model: inference.model)
        inference.span?.noteFailure(refusal.error)
        if isComplete { return send(HTTPReply(refusal), context, inference.span) }
        inference.span?.end(status: refusal.error.httpStatus)
        discard(HTTPReply(refusal), context)
    }

    /// Replies when the rest of the request has come; a client that is still sending would not hear it. One that waits to
    /// be let send is told at once, and that nothing is read of what it may send all the same.
    func discard(_ reply: HTTPReply, _ context: ChannelHandlerContext) {
        if waitsForLeave {
            keepAlive = false
            return send(reply, context)
        }
        state = .discarding(reply, bytesLeft: limits.bodyBytes)
    }

    /// Replies at once and ends the connection: more would come than is worth reading.
    func refuseBody(_ context: ChannelHandlerContext, limit: Int, _ span: RequestSpan? = nil) {
        keepAlive = false
        send(HTTPReply(Self.tooLarge(limit)), context, span)
    }

    static func tooLarge(_ limit: Int) -> ProtocolError {
        ProtocolError(
            .payloadTooLarge, "the body is larger than the \(limit) bytes this server takes; send smaller batches")
    }

    func send(_ reply: HTTPReply, _ context: ChannelHandlerContext, _ span: RequestSpan? = nil) {
        defer { span?.end(status: Int(reply.status.code)) }
        var reply = reply
        if let span { reply.headers += span.headers }
        if let replyCoding { reply.compress(replyCoding) }
        reply.isHead = isHead
        keepAlive = keepAlive && readiness.isReady
        // More than the socket takes at once is on its way for a while. The client that does not read what it asked for gets
        // no second reply before.
        state = .replying
        repliedAt = .now()
        if isStream { reply.send(on: context) } else { write(reply, context) }
        guard case .replying = state else { return }
        if context.channel.isWritable { return endReply(context) }
        unread.begin(reply.tensors, on: isStream ? nil : context.channel, patience: patience)
    }

    private func write(_ reply: HTTPReply, _ context: ChannelHandlerContext) {
        var buffer = output
        output = ByteBuffer()
        reply.write(to: &buffer, keepAlive: keepAlive)
        context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
        if buffer.storageCapacity <= HTTPLimits.keptReplyBytes {
            // Nearly always it went at once, and the memory can be used again.
            buffer.clear()
            output = buffer
        }
    }

    func endReply(_ context: ChannelHandlerContext) {
        unread.end()
        state = keepAlive ? .idle : .closing
        repliedAt = .now()
        guard !keepAlive else {
            takeHeld(context)
            if isInputClosed, case .idle = state { closeWhenTaken(context) }
            return
        }
        held.forget()
        if isInputClosed { return closeWhenTaken(context) }
        // A stream is over when both sides have ended theirs.
        guard !(isStream && isComplete) else { return }
        guard !isStream else { return context.close(mode: .output, promise: nil) }
        hangUp(context)
    }

    /// Ends a connection between requests.
    func endIdle(_ context: ChannelHandlerContext) {
        guard UnreadReply.isLeft(on: context.channel) else { return context.close(promise: nil) }
        state = .closing
        hangUp(context)
    }

    /// Ends a connection behind what was written: first our side only, since a client that is still sending must be able to
    /// read the reply before the line is cut.
    private func hangUp(_ context: ChannelHandlerContext) {
        let channel = context.channel
        let box = NIOLoopBound(self, eventLoop: context.eventLoop)
        let isSent = context.eventLoop.makePromise(of: Void.self)
        // Its last bytes may still wait for a slow client, and go before the end does.
        if UnreadReply.isLeft(on: channel) { unread.begin([], on: channel, patience: patience) }
        isSent.futureResult.whenComplete { _ in
            box.value.unread.end()
            channel.eventLoop.scheduleTask(in: .seconds(HTTPLimits.lingerSeconds)) { channel.close(promise: nil) }
        }
        context.close(mode: .output, promise: isSent)
    }

    /// How long a client may take nothing of what it asked for, in seconds.
    var patience: Int64 { min(limits.idleSeconds, HTTPLimits.stalledSeconds) }
}
