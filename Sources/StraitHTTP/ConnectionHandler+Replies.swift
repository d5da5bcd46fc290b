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
        _ problem: BodyCollector.Problem, of model: ServedModel, _ context: ChannelHandlerContext,
        isComplete: Bool = false
    ) {
        let refusal: Refusal
        switch problem {
        case .tooLong:
            service.engine.noteRefused(Self.tooLarge(limits.bodyBytes), nil, model: model)
            return refuseBody(context, limit: limits.bodyBytes)
        case .noMemory:
            refusal = Refusal(
                ProtocolError(.resourceExhausted, "the server's tensor memory is full"), retryAfter: .seconds(1))
        case .malformed(let error): refusal = Refusal(error)
        }
        service.engine.noteRefused(refusal.error, nil, model: model)
        if isComplete { send(HTTPReply(refusal), context) } else { discard(HTTPReply(refusal), context) }
    }

    /// Replies when the rest of the request has come; a client that is still sending would not hear it.
    func discard(_ reply: HTTPReply, _ context: ChannelHandlerContext) {
        state = .discarding(reply, bytesLeft: limits.bodyBytes)
    }

    /// Replies at once and ends the connection: more would come than is worth reading.
    func refuseBody(_ context: ChannelHandlerContext, limit: Int) {
        keepAlive = false
        send(HTTPReply(Self.tooLarge(limit)), context)
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
        keepAlive = keepAlive && readiness.isReady
        // More than the socket takes at once is on its way for a while. The client that does not read what it asked for gets
        // no second reply before.
        state = .replying
        repliedAt = .now()
        if isStream { reply.send(on: context) } else { write(reply, context) }
        guard case .replying = state else { return }
        if context.channel.isWritable { return endReply(context) }
        let patience = min(limits.idleSeconds, HTTPLimits.stalledSeconds)
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
        guard !keepAlive else { return takeHeld(context) }
        held.forget()
        // A stream is over when both sides have ended theirs.
        guard !(isStream && isComplete) else { return }
        // First our side only: a client that is still sending must be able to read the reply before the line is cut.
        context.close(mode: .output, promise: nil)
        guard !isStream else { return }
        let channel = context.channel
        context.eventLoop.scheduleTask(in: .seconds(HTTPLimits.lingerSeconds)) { channel.close(promise: nil) }
    }
}
