// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
internal import StraitCore
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor

// A request as it comes: where it leads, whether it is taken, and its body.

extension ConnectionHandler {
    func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        // Nothing follows a refused request on this connection.
        if case .closing = state { return }
        turn &+= 1
        isComplete = false
        takesInterim = head.version.major == 1 && head.version.minor >= 1
        // A client of HTTP/1.0 that asks to go on would wait to be told so, or for the end; it gets the end.
        keepAlive = head.isKeepAlive && takesInterim && readiness.isReady && !isStream
        isHead = head.method == .HEAD
        waitsForLeave = head.headers.first(name: "expect")?.lowercased() == "100-continue"
        replyCoding = head.headers.first(name: "accept-encoding").flatMap(ContentCoding.forResponse)
        let announced = head.headers.first(name: "content-length").flatMap { Int($0) }
        guard head.uri.utf8.count <= HTTPLimits.pathBytes else {
            return discard(HTTPReply(.notFound, error: "no such path: \(head.uri.prefix(200))"), context)
        }
        let route: Route
        switch outcome(of: head) {
        case .found(let found) where isHead && found.operation == .events: return refuse(head.method, [.get], context)
        case .found(let found): route = found
        case .unknown: return discard(HTTPReply(.notFound, error: "no such path: \(head.uri.prefix(200))"), context)
        case .wrongMethod(let methods): return refuse(head.method, methods, context)
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
            letContinue(context)
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

    func outcome(of head: HTTPRequestHead) -> Route.Outcome {
        if let lastRoute, lastRoute.target == head.uri, lastRoute.method == head.method { return lastRoute.outcome }
        // What can be had can be asked after.
        let outcome = Route.find(method: head.method == .HEAD ? "GET" : head.method.rawValue, target: head.uri)
        lastRoute = (head.method, head.uri, outcome)
        return outcome
    }

    private func refuse(_ method: HTTPMethod, _ methods: [Endpoint.Verb], _ context: ChannelHandlerContext) {
        let names = methods.map(\.rawValue).joined(separator: ", ")
        var reply = HTTPReply(.methodNotAllowed, error: "\(method) is not for this path; use \(names)")
        reply.headers.append(("Allow", names))
        discard(reply, context)
    }

    /// Tells a client that waits for it to send its body.
    func letContinue(_ context: ChannelHandlerContext) {
        guard waitsForLeave else { return }
        waitsForLeave = false
        guard !isStream else { return HTTPReply.letContinue(on: context) }
        let go = context.channel.allocator.buffer(string: "HTTP/1.1 100 Continue\r\n\r\n")
        context.writeAndFlush(wrapOutboundOut(go), promise: nil)
    }

    func inference(
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

    func take(_ chunk: ByteBuffer, _ context: ChannelHandlerContext) {
        switch state {
        case .idle, .inflating, .waiting, .watching, .replying, .closing: return
        case .discarding(let reply, let bytesLeft):
            guard chunk.readableBytes <= bytesLeft else {
                keepAlive = false
                return send(reply, context)
            }
            state = .discarding(reply, bytesLeft: bytesLeft - chunk.readableBytes)
        case .collecting(let inference, let collector):
            collect(chunk, inference, collector, context)
        case .gathering(let route, var body):
            state = .idle
            guard body.count + chunk.readableBytes <= ControlBody.maximumSize else {
                return refuseBody(context, limit: ControlBody.maximumSize)
            }
            body.append(contentsOf: chunk.readableBytesView)
            state = .gathering(route, body)
        }
    }

    /// Takes bytes of an inference's body.
    private func collect(
        _ chunk: ByteBuffer, _ inference: Inference, _ collector: BodyCollector, _ context: ChannelHandlerContext
    ) {
        var (collector, rest) = (collector, chunk)
        do throws(BodyCollector.Problem) {
            if try collector.append(&rest) {
                state = .collecting(inference, collector)
            } else {
                state = .inflating(inference, collector, rest: rest)
                goOnInflating(context)
            }
        } catch {
            refuse(error, of: inference, context)
        }
    }

    /// Takes what is left of such bytes when others of the event loop have had their turn.
    private func goOnInflating(_ context: ChannelHandlerContext) {
        let turn = turn
        let box = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        // Not at once: what a task has executed, NIO does before it looks at any socket.
        context.eventLoop.scheduleTask(in: HTTPLimits.inflatingPause) {
            let (handler, context) = box.value
            guard turn == handler.turn, case .inflating(let inference, let collector, let rest) = handler.state else {
                return
            }
            handler.collect(rest, inference, collector, context)
            if case .inflating = handler.state { return }
            handler.takeHeld(context)
            if handler.isInputClosed { handler.endInput(context) }
        }
    }

    func finish(_ context: ChannelHandlerContext) {
        switch state {
        case .idle, .inflating, .waiting, .watching, .replying, .closing: return
        case .discarding(let reply, _): send(reply, context)
        case .gathering(let route, let body): answer(route, body, context)
        case .collecting(let inference, var collector):
            do {
                let (slab, range) = try collector.finish()
                infer(inference, slab, range, context)
            } catch {
                refuse(error, of: inference, context, isComplete: true)
            }
        }
    }
}
