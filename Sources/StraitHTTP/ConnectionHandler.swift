// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
internal import StraitCore
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor

/// One connection: collects a request, answers it, then takes the next. Lives on its event loop.
///
/// Requests that a client sends before it has its answer are held back by NIO's pipelining handler in front of this
/// one, which also stops reading from the socket meanwhile: that is the back-pressure.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        /// Between requests.
        case idle
        /// The body of an inference is coming in.
        case collecting(Inference, BodyCollector)
        /// A body that nobody wants is coming in; the reply follows it.
        case discarding(HTTPReply, bytesLeft: Int)
        /// The engine has the request.
        case waiting(RequestID?)
        /// The reply was written, but the client is slow to take it. Only its end lets the next request in.
        case replying
        /// The reply was sent and the connection is about to close; what still comes in is dropped.
        case closing
    }

    /// An inference whose body is being collected.
    private struct Inference {
        let model: ServedModel
        let arrived: Instant
        let jsonLength: Int?
        let fallbackTimeout: Duration?
    }

    private let service: InferenceService
    private let endpoints: Endpoints
    private let limits: HTTPLimits
    private let readiness: Readiness
    private var state = State.idle
    private var keepAlive = true
    /// Counts requests, so that an answer that crosses a closed connection finds no other request in its place.
    private var turn: UInt64 = 0
    /// When the last reply was sent.
    private var repliedAt = NIODeadline.distantPast

    init(service: InferenceService, endpoints: Endpoints, limits: HTTPLimits, readiness: Readiness) {
        self.service = service
        self.endpoints = endpoints
        self.limits = limits
        self.readiness = readiness
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): begin(head, context)
        case .body(let chunk): take(chunk, context)
        case .end: finish(context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        abandon()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? HTTPParserError else {
            // A broken connection: there is nobody to tell.
            abandon()
            context.close(promise: nil)
            return
        }
        // The decoder has given up on this connection; say why if no reply is on its way.
        keepAlive = false
        switch state {
        case .closing, .replying: return
        case .idle, .collecting, .discarding, .waiting: abandon()
        }
        if error == .headerOverflow {
            send(HTTPReply(.requestHeaderFieldsTooLarge, error: "the request's headers are too large"), context)
        } else {
            send(HTTPReply(.badRequest, error: "not valid HTTP/1.1: \(error)"), context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            // Draining: an idle connection ends now, a busy one with its reply.
            keepAlive = false
            if case .idle = state { context.close(promise: nil) }
        } else if event is IdleStateHandler.IdleStateEvent {
            endSilence(context)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if case .replying = state, context.channel.isWritable { endReply(context) }
        context.fireChannelWritabilityChanged()
    }

    /// Ends a connection whose client sends nothing: between requests, in a head, or in a body that we wait for.
    private func endSilence(_ context: ChannelHandlerContext) {
        switch state {
        case .idle:
            // The client may have waited long for its answer, and has just got it.
            guard NIODeadline.now() - repliedAt >= .seconds(limits.idleSeconds) else { return }
            context.close(promise: nil)
        case .collecting, .discarding:
            keepAlive = false
            send(
                HTTPReply(.requestTimeout, error: "no more of the body has come for \(limits.idleSeconds) s"), context)
        case .waiting, .replying, .closing: return
        }
    }

    /// Takes the request back from the engine, if it has one.
    private func abandon() {
        if case .waiting(let id?) = state { service.engine.cancel(id) }
        turn &+= 1
        state = .closing
    }

    // -- a request's parts ----------------------------------------------------------------------------------------

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        // Nothing follows a refused request on this connection.
        if case .closing = state { return }
        turn &+= 1
        keepAlive = head.isKeepAlive && readiness.isReady
        let announced = head.headers.first(name: "content-length").flatMap { Int($0) }
        guard head.uri.utf8.count <= HTTPLimits.pathBytes, let route = Route(target: head.uri) else {
            return discard(HTTPReply(.notFound, error: "no such path: \(head.uri.prefix(200))"), context)
        }
        guard head.method == route.method else {
            var reply = HTTPReply(
                .methodNotAllowed, error: "\(head.method) is not for this path; use \(route.method)")
            reply.headers.append(("Allow", route.method.rawValue))
            return discard(reply, context)
        }
        guard case .infer(let name, let version) = route else {
            return discard(endpoints.reply(to: route), context)
        }
        if let announced, announced > limits.bodyBytes { return refuseBody(context) }
        do {
            let inference = try self.inference(head, model: name, version: version)
            if head.headers.first(name: "expect")?.lowercased() == "100-continue" {
                let go = HTTPResponseHead(version: .http1_1, status: .continue)
                context.writeAndFlush(wrapOutboundOut(.head(go)), promise: nil)
            }
            let collector = BodyCollector(
                pool: service.pool, announced: announced, jsonLength: inference.jsonLength, limit: limits.bodyBytes)
            state = .collecting(inference, collector)
        } catch {
            discard(HTTPReply(error), context)
        }
    }

    private func inference(
        _ head: HTTPRequestHead, model name: String, version: String?
    ) throws(ProtocolError) -> Inference {
        guard readiness.isReady else { throw ProtocolError(.unavailable, "the server is draining; ask another one") }
        let model = try service.catalog.find(name, version: version)
        if let encoding = head.headers.first(name: "content-encoding"), encoding.lowercased() != "identity" {
            throw ProtocolError(
                .invalidArgument, "Content-Encoding: \(encoding.prefix(40)) is not taken; send the body as it is")
        }
        return Inference(
            model: model, arrived: service.engine.now(),
            jsonLength: try Self.number(in: HTTPReply.jsonLengthHeader, of: head),
            // Milliseconds, as Envoy sends the time it will wait itself.
            fallbackTimeout: try Self.number(in: "x-envoy-expected-rq-timeout-ms", of: head)
                .map { .milliseconds(Double($0)) })
    }

    /// The value of a header that holds a whole number; nil where the header is absent.
    private static func number(in name: String, of head: HTTPRequestHead) throws(ProtocolError) -> Int? {
        guard let text = head.headers.first(name: name) else { return nil }
        guard let number = Int(text), number >= 0 else {
            throw ProtocolError(
                .invalidArgument, "header \(name) is '\(text.prefix(40))'; expected a whole number of at least 0")
        }
        return number
    }

    private func take(_ chunk: ByteBuffer, _ context: ChannelHandlerContext) {
        switch state {
        case .idle, .waiting, .replying, .closing: return
        case .discarding(let reply, let bytesLeft):
            guard chunk.readableBytes <= bytesLeft else {
                keepAlive = false
                return send(reply, context)
            }
            state = .discarding(reply, bytesLeft: bytesLeft - chunk.readableBytes)
        case .collecting(let inference, var collector):
            state = .idle  // so that the collector is not shared while it grows
            do {
                try collector.append(chunk)
                state = .collecting(inference, collector)
            } catch .tooLong {
                refuseBody(context)
            } catch {
                discard(noMemory, context)
            }
        }
    }

    private func finish(_ context: ChannelHandlerContext) {
        switch state {
        case .idle, .waiting, .replying, .closing: return
        case .discarding(let reply, _): send(reply, context)
        case .collecting(let inference, var collector):
            do {
                let (slab, range) = try collector.finish()
                infer(inference, slab, range, context)
            } catch {
                send(noMemory, context)
            }
        }
    }

    // -- inference ------------------------------------------------------------------------------------------------

    private func infer(_ inference: Inference, _ slab: Slab, _ range: Range<Int>, _ context: ChannelHandlerContext) {
        do {
            let request = try InferenceRequestDecoder.decode(
                body: slab, range: range, jsonLength: inference.jsonLength, model: inference.model.specification,
                pool: service.pool)
            let model = inference.model
            let (service, turn) = (service, turn)
            let box = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
            let eventLoop = context.eventLoop
            // Before the submission: the reply may come before it returns.
            state = .waiting(nil)
            let id = try service.infer(
                request, on: model, arrived: inference.arrived, fallbackTimeout: inference.fallbackTimeout
            ) { reply in
                eventLoop.execute {
                    let (handler, context) = box.value
                    handler.answer(reply, to: request, model, turn: turn, context)
                }
            }
            state = .waiting(id)
        } catch let error as ProtocolError {
            send(HTTPReply(error), context)
        } catch let refusal as Refusal {
            send(HTTPReply(refusal), context)
        } catch {
            send(HTTPReply(.internalServerError, error: "\(error)"), context)
        }
    }

    private func answer(
        _ reply: Reply, to request: InferenceRequest, _ model: ServedModel, turn: UInt64,
        _ context: ChannelHandlerContext
    ) {
        guard turn == self.turn, case .waiting = state else { return }
        switch reply {
        case .refused(let refusal): send(HTTPReply(refusal), context)
        case .answered(let answer):
            do {
                let response = try service.response(to: request, from: model, answer)
                let encoded = try InferenceResponseEncoder.encode(response, binary: request.wantsBinary)
                send(HTTPReply(encoded, timing: answer.timing), context)
            } catch {
                send(HTTPReply(error), context)
            }
        }
    }

    // -- replies --------------------------------------------------------------------------------------------------

    private var noMemory: HTTPReply {
        HTTPReply(
            Refusal(
                ProtocolError(.resourceExhausted, "the server's tensor memory is full"), retryAfter: .seconds(1)))
    }

    /// Replies when the rest of the request has come; a client that is still sending would not hear it.
    private func discard(_ reply: HTTPReply, _ context: ChannelHandlerContext) {
        state = .discarding(reply, bytesLeft: limits.bodyBytes)
    }

    /// Replies at once and ends the connection: more would come than is worth reading.
    private func refuseBody(_ context: ChannelHandlerContext) {
        keepAlive = false
        let error = ProtocolError(
            .payloadTooLarge,
            "the body is larger than the \(limits.bodyBytes) bytes this server takes; send smaller batches")
        send(HTTPReply(error), context)
    }

    private func send(_ reply: HTTPReply, _ context: ChannelHandlerContext) {
        keepAlive = keepAlive && readiness.isReady
        context.write(wrapOutboundOut(.head(reply.head(keepAlive: keepAlive))), promise: nil)
        if let body = reply.body(context.channel.allocator) {
            context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        }
        if context.channel.isWritable { return endReply(context) }
        // More than the socket takes at once. The client that does not read what it asked for gets no second reply:
        // the pipelining handler holds its next request back until the end of this one.
        state = .replying
        context.flush()
    }

    private func endReply(_ context: ChannelHandlerContext) {
        state = keepAlive ? .idle : .closing
        repliedAt = .now()
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        guard !keepAlive else { return }
        // First our side only: a client that is still sending must be able to read the reply before the line is cut.
        context.close(mode: .output, promise: nil)
        let channel = context.channel
        context.eventLoop.scheduleTask(in: .seconds(HTTPLimits.lingerSeconds)) { channel.close(promise: nil) }
    }
}
