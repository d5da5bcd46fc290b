// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHPACK
internal import NIOHTTP2

/// One call of gRPC on a stream of its own: sends its request when the stream opens, and collects what comes.
///
/// Without a gRPC library: a load generator should cost as little as it can, and its loops run no tasks.
final class GRPCStream: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    /// What came of it.
    struct Result {
        /// The HTTP status that says the same as gRPC's; nil where the call was cut off.
        let status: Int?
        /// The message that was answered, without its prefix; of an error, what was told.
        let body: [UInt8]
    }

    /// Bytes of the HTTP/2 windows and frames: tensors come in one piece.
    private static let windowBytes = 8 << 20
    private static let frameBytes = 1 << 20
    /// Before a message stand a byte that says whether it is compressed, and four with its length.
    private static let prefixLength = 5

    private let headers: HPACKHeaders
    private let message: ByteBuffer
    private let limit: Int
    private var done: ((Result) -> Void)?
    private var body: [UInt8] = []

    /// A call.
    ///
    /// - Parameters:
    ///   - limit: bytes of the answer that are kept.
    ///   - done: called once.
    init(_ headers: HPACKHeaders, _ message: ByteBuffer, limit: Int, done: @escaping (Result) -> Void) {
        self.headers = headers
        self.message = message
        self.limit = limit
        self.done = done
    }

    /// Makes a channel speak HTTP/2, and returns what opens its streams.
    static func configure(_ channel: any Channel) throws -> NIOHTTP2Handler.StreamMultiplexer {
        var connection = NIOHTTP2Handler.ConnectionConfiguration()
        connection.targetWindowSize = windowBytes
        connection.initialSettings = [
            HTTP2Setting(parameter: .enablePush, value: 0),
            HTTP2Setting(parameter: .initialWindowSize, value: windowBytes),
            HTTP2Setting(parameter: .maxFrameSize, value: frameBytes),
        ]
        var stream = NIOHTTP2Handler.StreamConfiguration()
        stream.targetWindowSize = windowBytes
        return try channel.pipeline.syncOperations.configureHTTP2Pipeline(
            mode: .client, connectionConfiguration: connection, streamConfiguration: stream
        ) { pushed in pushed.close() }
    }

    func channelActive(context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(.headers(.init(headers: headers))), promise: nil)
        context.writeAndFlush(
            wrapOutboundOut(.data(.init(data: .byteBuffer(message), endStream: true))), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .data(let part):
            guard case .byteBuffer(let bytes) = part.data, body.count < limit + Self.prefixLength else { return }
            body += bytes.readableBytesView.prefix(limit + Self.prefixLength - body.count)
        case .headers(let part) where part.endStream:
            let code = part.headers.first(name: "grpc-status").flatMap { Int($0) } ?? 2
            let told = part.headers.first(name: "grpc-message") ?? ""
            end(Result(status: Self.httpStatus(code), body: code == 0 ? Array(body.dropFirst(5)) : Array(told.utf8)))
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(Result(status: nil, body: Array("the call broke: \(reason(error))".utf8)))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(Result(status: nil, body: Array("the server ended the call without an answer".utf8)))
        context.fireChannelInactive()
    }

    private func end(_ result: Result) {
        let action = done
        done = nil
        action?(result)
    }

    /// The HTTP status that says the same as one of gRPC's.
    private static func httpStatus(_ code: Int) -> Int {
        switch code {
        case 0: 200
        case 3: 400
        case 4: 504
        case 5: 404
        case 7: 403
        case 8: 429
        case 12: 501
        case 14: 503
        case 16: 401
        default: 500
        }
    }
}

/// A connection that speaks gRPC, one call at a time.
final class GRPCLoadConnection: ChannelInboundHandler, LoadConnection {
    typealias InboundIn = HTTP2Frame

    private let driver: LoadDriver
    private let streams: NIOHTTP2Handler.StreamMultiplexer
    private var context: ChannelHandlerContext?
    private var job: LoadDriver.Job?
    private var failure = "the server closed the connection before the end of its answer"

    init(_ driver: LoadDriver, streams: NIOHTTP2Handler.StreamMultiplexer) {
        self.driver = driver
        self.streams = streams
    }

    var isOpen: Bool { context != nil }

    func close() { context?.close(promise: nil) }

    func send(_ job: LoadDriver.Job, _ request: EncodedRequest, at now: Int64) {
        self.job = job
        guard let context, case .grpc(let headers, let message) = request else { return }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        streams.createStreamChannel(promise: nil) { channel in
            channel.eventLoop.makeCompletedFuture {
                let stream = GRPCStream(headers, message, limit: HTTPLoadConnection.excerptLength) { result in
                    bound.value.answered(result, sentAt: now)
                }
                try channel.pipeline.syncOperations.addHandler(stream)
            }
        }
    }

    private func answered(_ result: GRPCStream.Result, sentAt: Int64) {
        guard let status = result.status else {
            // Nothing is known of the state of this connection; it goes, and takes the request along.
            failure = String(decoding: result.body, as: UTF8.self)
            return close()
        }
        guard let answered = abandon() else { return }
        let excerpt = status == 200 ? "" : String(decoding: result.body, as: UTF8.self)
        driver.answered(answered, status: status, sentAt: sentAt, excerpt: excerpt)
        driver.connectionIsFree(self)
    }

    func abandon() -> LoadDriver.Job? {
        defer { job = nil }
        return job
    }

    // Over TLS it is added when the handshake is done, and the channel is active already.
    func handlerAdded(context: ChannelHandlerContext) { if context.channel.isActive { begin(context) } }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        self.context = context
        driver.connectionOpened(self)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        failure = "the connection broke: \(reason(error))"
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        driver.connectionClosed(self, unanswered: abandon(), why: failure)
        context.fireChannelInactive()
    }
}

/// Makes one call when its connection opens.
final class SingleCall: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame

    private let request: EncodedRequest
    private let streams: NIOHTTP2Handler.StreamMultiplexer
    private let answer: EventLoopPromise<SetupClient.Answer>

    init(
        _ request: EncodedRequest, streams: NIOHTTP2Handler.StreamMultiplexer,
        answer: EventLoopPromise<SetupClient.Answer>
    ) {
        self.request = request
        self.streams = streams
        self.answer = answer
    }

    // Over TLS it is added when the handshake is done, and the channel is active already.
    func handlerAdded(context: ChannelHandlerContext) { if context.channel.isActive { begin() } }

    func channelActive(context: ChannelHandlerContext) {
        begin()
        context.fireChannelActive()
    }

    private func begin() {
        if case .grpc(let headers, let message) = request {
            let answer = answer
            streams.createStreamChannel(promise: nil) { channel in
                channel.eventLoop.makeCompletedFuture {
                    let stream = GRPCStream(headers, message, limit: SetupClient.maximumBody) { result in
                        guard let status = result.status else {
                            return answer.fail(Broken(words: String(decoding: result.body, as: UTF8.self)))
                        }
                        answer.succeed(SetupClient.Answer(status: status, body: result.body))
                    }
                    try channel.pipeline.syncOperations.addHandler(stream)
                }
            }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        answer.fail(error)
        context.close(promise: nil)
    }

    // Failing a promise that was kept already has no effect.
    func channelInactive(context: ChannelHandlerContext) {
        answer.fail(Broken(words: "it closed the connection"))
        context.fireChannelInactive()
    }
}
