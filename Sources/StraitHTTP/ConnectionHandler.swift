// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
internal import StraitCore
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor

/// One connection: collects a request, answers it, then takes the next. Lives on its event loop.
///
/// What a client sends before it has its answer is held back (`HeldParts`), and while something is, no more is read from
/// the socket: that is the back-pressure. A reply goes out in one piece, without NIO's encoder.
///
/// Over HTTP/2 it has a stream instead of a connection, which ends with its first reply.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    enum State {
        /// Between requests.
        case idle
        /// The body of an inference is coming in.
        case collecting(Inference, BodyCollector)
        /// The body of another request is coming in.
        case gathering(Route, [UInt8])
        /// A body that nobody wants is coming in; the reply follows it.
        case discarding(HTTPReply, bytesLeft: Int)
        /// The engine has the request.
        case waiting(RequestID?)
        /// The client is sent what happens until it goes.
        case watching(EventStream)
        /// The reply was written, but the client is slow to take it. Only its end lets the next request in.
        case replying
        /// The reply was sent and the connection is about to close; what still comes in is dropped.
        case closing
    }

    /// An inference whose body is being collected.
    struct Inference {
        let model: ServedModel
        let arrived: Instant
        let jsonLength: Int?
        let fallbackTimeout: Duration?
        let span: RequestSpan?
        let caller: Caller
        let permit: Permit?
    }

    let control: ServerControl
    /// Who may send what on this connection; nil before the first request.
    var access: ConnectionAccess?
    let service: InferenceService
    let limits: HTTPLimits
    let readiness: Readiness
    let isStream: Bool
    private let events: EventHub
    var state = State.idle
    var keepAlive = true
    /// How the client takes its reply compressed; nil for as it is.
    var replyCoding: ContentCoding?
    /// Counts requests, so that an answer that crosses a closed connection finds no other request in its place.
    private var turn: UInt64 = 0
    /// When the last reply was sent, or began to be.
    var repliedAt = NIODeadline.distantPast
    /// What came while a request was being answered.
    var held = HeldParts()
    private var isReadHeld = false
    /// The last request's path and where it led, which is where the next one's leads, mostly.
    private var lastRoute: (method: HTTPMethod, target: String, outcome: Route.Outcome)?
    private var lastRequest = LastRequest()
    /// The memory for replies.
    var output = ByteBuffer()
    /// Whether all of the request has come.
    var isComplete = false
    var unread = UnreadReply()

    init(control: ServerControl, limits: HTTPLimits, events: EventHub, isStream: Bool = false) {
        self.isStream = isStream
        self.events = events
        self.control = control
        self.service = control.service
        self.limits = limits
        self.readiness = control.readiness
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        if isAnswering { held.hold(part) } else { take(part, context) }
    }

    private func take(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
        switch part {
        case .head(let head): begin(head, context)
        case .body(let chunk): take(chunk, context)
        case .end:
            isComplete = true
            finish(context)
        }
    }

    /// Whether what comes belongs to a later request.
    private var isAnswering: Bool {
        switch state {
        case .waiting, .watching, .replying: true
        case .idle, .collecting, .gathering, .discarding, .closing: !held.isEmpty
        }
    }

    /// Takes what was held back, until the next request is complete.
    func takeHeld(_ context: ChannelHandlerContext) {
        guard held.begin() else { return }
        while let next = held.next() {
            switch next {
            case .part(let part): take(part, context)
            case .error(let error): refuse(error, context)
            }
            if case .waiting = state { break }
            if case .replying = state { break }
            if case .watching = state { break }
        }
        held.end()
        if held.isEmpty, isReadHeld {
            isReadHeld = false
            context.read()
        }
    }

    func read(context: ChannelHandlerContext) {
        guard held.isEmpty else { return isReadHeld = true }
        context.read()
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
        if isAnswering { held.hold(error) } else { refuse(error, context) }
    }

    /// The decoder has given up on this connection; says why.
    private func refuse(_ error: HTTPParserError, _ context: ChannelHandlerContext) {
        if case .closing = state { return }
        keepAlive = false
        abandon()
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
            if case .watching(let stream) = state { stream.end() }
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
        case .collecting, .gathering, .discarding:
            keepAlive = false
            send(
                HTTPReply(.requestTimeout, error: "no more of the body has come for \(limits.idleSeconds) s"), context)
        case .replying, .closing:
            // The replies that are not taken on the streams of one connection would add up.
            guard isStream, NIODeadline.now() - repliedAt >= .seconds(limits.idleSeconds) else { return }
            context.close(promise: nil)
        case .waiting, .watching: return
        }
    }

    /// Takes the request back from the engine, if it has one.
    private func abandon() {
        unread.end()
        if case .waiting(let id?) = state { service.engine.cancel(id) }
        if case .watching(let stream) = state { stream.leave() }
        turn &+= 1
        state = .closing
    }

    // -- a request's parts ----------------------------------------------------------------------------------------

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        // Nothing follows a refused request on this connection.
        if case .closing = state { return }
        turn &+= 1
        isComplete = false
        keepAlive = head.isKeepAlive && readiness.isReady && !isStream
        replyCoding = head.headers.first(name: "accept-encoding").flatMap(ContentCoding.forResponse)
        let announced = head.headers.first(name: "content-length").flatMap { Int($0) }
        guard head.uri.utf8.count <= HTTPLimits.pathBytes else {
            return discard(HTTPReply(.notFound, error: "no such path: \(head.uri.prefix(200))"), context)
        }
        let route: Route
        switch outcome(of: head) {
        case .found(let found): route = found
        case .unknown: return discard(HTTPReply(.notFound, error: "no such path: \(head.uri.prefix(200))"), context)
        case .wrongMethod(let methods):
            let names = methods.map(\.rawValue).joined(separator: ", ")
            var reply = HTTPReply(.methodNotAllowed, error: "\(head.method) is not for this path; use \(names)")
            reply.headers.append(("Allow", names))
            return discard(reply, context)
        }
        let caller: Caller
        do throws(ProtocolError) {
            caller = try enter(route, head, context)
        } catch {
            if route.operation == .infer { service.engine.noteRefused(error, nil, model: nil) }
            return discard(HTTPReply(error), context)
        }
        guard route.operation == .infer else { return beginControl(route, head, announced, context) }
        if let announced, announced > limits.bodyBytes {
            service.engine.noteRefused(Self.tooLarge(limits.bodyBytes), nil, model: nil)
            return refuseBody(context, limit: limits.bodyBytes)
        }
        do {
            let inference = try self.inference(head, model: route.model ?? "", version: route.version, caller)
            let coding = try ContentCoding.ofRequest(head.headers.first(name: "content-encoding"))
            let collector = BodyCollector(
                pool: service.pool, announced: announced, jsonLength: inference.jsonLength, limit: limits.bodyBytes,
                decompressor: try coding.map(Decompressor.init))
            letContinue(head, context)
            state = .collecting(inference, collector)
        } catch let error as ProtocolError {
            service.engine.noteRefused(error, nil, model: nil)
            discard(HTTPReply(error), context)
        } catch let refusal as Refusal {
            service.engine.noteOverLimit()
            discard(HTTPReply(refusal), context)
        } catch {
            discard(HTTPReply(.internalServerError, error: "\(error)"), context)
        }
    }

    private func outcome(of head: HTTPRequestHead) -> Route.Outcome {
        if let lastRoute, lastRoute.target == head.uri, lastRoute.method == head.method { return lastRoute.outcome }
        let outcome = Route.find(method: head.method.rawValue, target: head.uri)
        lastRoute = (head.method, head.uri, outcome)
        return outcome
    }

    /// Tells a client that waits for it to send its body.
    private func letContinue(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        guard head.headers.first(name: "expect")?.lowercased() == "100-continue" else { return }
        guard !isStream else { return HTTPReply.letContinue(on: context) }
        let go = context.channel.allocator.buffer(string: "HTTP/1.1 100 Continue\r\n\r\n")
        context.writeAndFlush(wrapOutboundOut(go), promise: nil)
    }

    private func inference(
        _ head: HTTPRequestHead, model name: String, version: String?, _ caller: Caller
    ) throws -> Inference {
        guard readiness.isReady else { throw ProtocolError(.unavailable, "the server is draining; ask another one") }
        let model = try service.catalog.find(name, version: version)
        let arrived = service.engine.now()
        let permit = try caller.enter(at: arrived)
        return Inference(
            model: model, arrived: arrived,
            jsonLength: try Self.number(in: HTTPReply.jsonLengthHeader, of: head),
            // Milliseconds, as Envoy sends the time it will wait itself.
            fallbackTimeout: try Self.number(in: "x-envoy-expected-rq-timeout-ms", of: head)
                .map { .milliseconds(Double($0)) },
            span: control.tracer?.beginHTTP(model: name, arrived: arrived) { head.headers[$0] },
            caller: caller, permit: permit)
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
        case .idle, .waiting, .watching, .replying, .closing: return
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
            } catch {
                refuse(error, of: inference.model, context)
            }
        case .gathering(let route, var body):
            state = .idle
            guard body.count + chunk.readableBytes <= ControlBody.maximumSize else {
                return refuseBody(context, limit: ControlBody.maximumSize)
            }
            body.append(contentsOf: chunk.readableBytesView)
            state = .gathering(route, body)
        }
    }

    private func finish(_ context: ChannelHandlerContext) {
        switch state {
        case .idle, .waiting, .watching, .replying, .closing: return
        case .discarding(let reply, _): send(reply, context)
        case .gathering(let route, let body): answer(route, body, context)
        case .collecting(let inference, var collector):
            do {
                let (slab, range) = try collector.finish()
                infer(inference, slab, range, context)
            } catch {
                refuse(error, of: inference.model, context, isComplete: true)
            }
        }
    }

    // -- requests that are no inferences --------------------------------------------------------------------------

    private func beginControl(
        _ route: Route, _ head: HTTPRequestHead, _ announced: Int?, _ context: ChannelHandlerContext
    ) {
        // Answered when the request is complete, which for most is at once.
        guard head.method == .POST else {
            state = .gathering(route, [])
            return
        }
        if let announced, announced > ControlBody.maximumSize {
            return refuseBody(context, limit: ControlBody.maximumSize)
        }
        if let encoding = head.headers.first(name: "content-encoding"), encoding.lowercased() != "identity" {
            let error = ProtocolError(.unsupported, "this request is taken uncompressed only")
            return discard(HTTPReply(error), context)
        }
        letContinue(head, context)
        state = .gathering(route, [])
    }

    /// Shows the dashboard, or begins to send what happens.
    private func show(_ route: Route, _ context: ChannelHandlerContext) {
        guard route.operation == .events else {
            return send(Dashboard.reply(route.file ?? Dashboard.index, replyCoding), context)
        }
        let stream = EventStream(events, context, isStream: isStream)
        guard stream.begin() else { return send(EventHub.full, context) }
        state = .watching(stream)
    }

    private func answer(_ route: Route, _ body: [UInt8], _ context: ChannelHandlerContext) {
        guard !route.operation.isDashboard else { return show(route, context) }
        let turn = turn
        let box = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        let eventLoop = context.eventLoop
        state = .waiting(nil)
        control.answer(route, body: body) { result in
            eventLoop.execute {
                let (handler, context) = box.value
                guard turn == handler.turn, case .waiting = handler.state else { return }
                switch result {
                case .success(let json): handler.send(.ok(json), context)
                case .failure(let error): handler.send(HTTPReply(error), context)
                }
            }
        }
    }

    // -- inference ------------------------------------------------------------------------------------------------

    private func infer(_ inference: Inference, _ slab: Slab, _ range: Range<Int>, _ context: ChannelHandlerContext) {
        do {
            let request = try InferenceRequestDecoder.decode(
                body: slab, range: range, jsonLength: inference.jsonLength, model: inference.model.specification,
                pool: service.pool, last: &lastRequest)
            let model = inference.model
            let (service, turn) = (service, turn)
            let box = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
            let eventLoop = context.eventLoop
            // Before the submission: the reply may come before it returns.
            state = .waiting(nil)
            let id = try service.infer(
                request, on: model, arrived: inference.arrived, fallbackTimeout: inference.fallbackTimeout,
                span: inference.span, caller: inference.caller, permit: inference.permit
            ) { reply in
                eventLoop.execute {
                    let (handler, context) = box.value
                    handler.answer(reply, to: request, model, turn: turn, inference.span, context)
                }
            }
            state = .waiting(id)
        } catch let error as ProtocolError {
            service.engine.noteRefused(error, nil, model: inference.model)
            inference.span?.noteFailure(error)
            send(HTTPReply(error), context, inference.span)
        } catch let refusal as Refusal {
            inference.span?.noteFailure(refusal.error)
            send(HTTPReply(refusal), context, inference.span)
        } catch {
            send(HTTPReply(.internalServerError, error: "\(error)"), context, inference.span)
        }
    }

    private func answer(
        _ reply: Reply, to request: InferenceRequest, _ model: ServedModel, turn: UInt64, _ span: RequestSpan?,
        _ context: ChannelHandlerContext
    ) {
        guard turn == self.turn, case .waiting = state else { return }
        if control.log.isVerbose(2) { control.log.verbose(2, "infer of \(model.specification.name): \(reply.words)") }
        switch reply {
        case .refused(let refusal): send(HTTPReply(refusal), context, span)
        case .answered(let answer):
            do {
                let response = try service.response(to: request, from: model, answer)
                let encoded = try InferenceResponseEncoder.encode(response, binary: request.wantsBinary)
                var reply = HTTPReply(encoded, timing: answer.timing, number: answer.number)
                reply.tensors = response.outputs
                send(reply, context, span)
            } catch {
                span?.noteFailure(error)
                send(HTTPReply(error), context, span)
            }
        }
    }
}
