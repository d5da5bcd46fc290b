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
/// Here is what happens to the connection. What comes on it stands in `+Requests`, what becomes of that in `+Control` and
/// `+Inference`, who may send it in `+Access`, and what goes back in `+Replies`.
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
        /// The same, and what has come of it swells to so much that others have their turn in between.
        case inflating(Inference, BodyCollector, rest: ByteBuffer)
        /// The body of another request is coming in.
        case gathering(Route, [UInt8])
        /// A body that nobody wants is coming in; the reply follows it.
        case discarding(HTTPReply, bytesLeft: Int)
        /// The engine has the request; or, without a number, another thread reads it or writes its answer.
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
    let events: EventHub
    var state = State.idle
    var keepAlive = true
    /// How the client takes its reply compressed; nil for as it is.
    var replyCoding: ContentCoding?
    /// Whether the reply has no body, whatever its head says.
    var isHead = false
    /// Whether the client waits for a word before it sends its body.
    var waitsForLeave = false
    /// Counts requests, so that an answer that crosses a closed connection finds no other request in its place.
    var turn: UInt64 = 0
    /// When the last reply was sent, or began to be.
    var repliedAt = NIODeadline.distantPast
    /// What came while a request was being answered.
    var held = HeldParts()
    private var isReadHeld = false
    /// The last request's path and where it led, which is where the next one's leads, mostly.
    var lastRoute: (method: HTTPMethod, target: String, outcome: Route.Outcome)?
    var lastRequest = LastRequest()
    /// What is done for the request beside the event loop.
    var job: HelperThreads.Job?
    /// Whether the client has closed its sending side, and whether it understands that something comes before its answer.
    var isInputClosed = false
    var takesInterim = false
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
        if isHolding { held.hold(part) } else { take(part, context) }
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

    /// Whether what comes is for later.
    private var isHolding: Bool { isBusy || !held.isEmpty }

    /// Whether nothing more can be taken now.
    private var isBusy: Bool {
        switch state {
        case .inflating, .waiting, .watching, .replying: true
        case .idle, .collecting, .gathering, .discarding, .closing: false
        }
    }

    /// Takes what was held back, until the next request is complete, or what has come of it is much.
    func takeHeld(_ context: ChannelHandlerContext) {
        guard held.begin() else { return }
        while let next = held.next() {
            switch next {
            case .part(let part): take(part, context)
            case .error(let error): refuse(error, context)
            }
            if isBusy { break }
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
        if isHolding { held.hold(error) } else { refuse(error, context) }
    }

    /// The decoder has given up on this connection; says why.
    private func refuse(_ error: HTTPParserError, _ context: ChannelHandlerContext) {
        if case .closing = state { return }
        // Of no request, whose method would matter.
        (keepAlive, isHead) = (false, false)
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
            if case .idle = state { endIdle(context) }
            if case .watching(let stream) = state { stream.end() }
        } else if event is IdleStateHandler.IdleStateEvent {
            endSilence(context)
        } else if event as? ChannelEvent == .inputClosed {
            endInput(context)
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
        case .inflating, .waiting, .watching: return
        }
    }

    /// Takes the request back from the engine, if it has one.
    private func abandon() {
        unread.end()
        if case .waiting(let id?) = state { service.engine.cancel(id) }
        job?.cancel()
        job = nil
        if case .watching(let stream) = state { stream.leave() }
        turn &+= 1
        state = .closing
    }
}
