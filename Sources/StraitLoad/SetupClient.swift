// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import StraitNetwork

/// Asks a server single questions, one connection each: for what comes before and beside the load.
struct SetupClient: Sendable {
    /// One answer.
    struct Answer: Sendable {
        /// The HTTP status, or for gRPC the one that says the same.
        let status: Int
        /// The body, up to ``SetupClient/maximumBody``; of a gRPC call its message, or what was told of an error.
        let body: [UInt8]

        /// Whether the server does not know who asks.
        var wantsToken: Bool { status == 401 }

        /// What was told of an error, if anything.
        func message(_ transport: LoadPlan.Transport) -> String? {
            transport == .http ? errorMessage(in: body) : String(decoding: body, as: UTF8.self)
        }
    }

    /// The server.
    let server: ServerAddress
    /// The server's resolved address.
    let address: SocketAddress
    /// TLS to it; nil for none.
    let tls: ClientTLS?
    private let group: any EventLoopGroup

    /// The largest answer that is read: metadata and errors are far smaller, outputs of most models too.
    static let maximumBody = 64 << 20
    /// How long a question may take: a model's first inference may compile or page in a great deal.
    static let timeout = TimeAmount.seconds(60)
    /// How long a connection may take to open.
    static let connectTimeout = TimeAmount.seconds(5)

    /// A client for a server; its name is resolved here, and blocks meanwhile.
    ///
    /// - Parameter trust: for a server that is asked over TLS.
    /// - Throws: ``LoadError`` of code `unreachable` if the host's name is not known; `badPlan` for files of TLS that
    ///   cannot be used.
    init(server: ServerAddress, trust: ClientTrust = ClientTrust(), group: any EventLoopGroup) throws(LoadError) {
        self.server = server
        self.group = group
        do throws(TLSError) { tls = try server.isSecure ? ClientTLS(trust) : nil } catch {
            throw LoadError(.badPlan, "\(error)")
        }
        do {
            address = try SocketAddress.makeAddressResolvingHost(server.host, port: server.port)
        } catch {
            throw LoadError(.unreachable, "The host of \(server) cannot be resolved: \(error).")
        }
    }

    /// Sends one request and waits for its answer.
    ///
    /// - Throws: ``LoadError`` of code `unreachable`.
    func ask(_ request: EncodedRequest) async throws(LoadError) -> Answer {
        let loop = group.next()
        let answer = loop.makePromise(of: Answer.self)
        let connecting = ClientBootstrap(group: loop)
            .connectTimeout(Self.connectTimeout)
            .channelInitializer { [tls, server] channel in
                ClientTLS.begin(tls, to: server.host, speaking: server.transport.speech, on: channel) { channel in
                    if tls == nil { try channel.pipeline.syncOperations.addHandler(TLSAlertDetector()) }
                    switch request {
                    case .http(let head, let body):
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        try channel.pipeline.syncOperations.addHandler(
                            SingleExchange(head: head, body: body, answer: answer))
                    case .grpc:
                        let streams = try GRPCStream.configure(channel)
                        try channel.pipeline.syncOperations.addHandler(
                            SingleCall(request, streams: streams, answer: answer))
                    }
                } failed: {
                    answer.fail($0)
                }
            }
            .connect(to: address)
        connecting.whenFailure { answer.fail($0) }
        let expiry = loop.scheduleTask(in: Self.timeout) {
            answer.fail(LoadError(.unreachable, "\(server) did not answer \(request.path) within 60 s."))
        }
        defer {
            expiry.cancel()
            connecting.whenSuccess { $0.close(promise: nil) }
        }
        do {
            return try await answer.futureResult.get()
        } catch let error as LoadError {
            throw error
        } catch {
            throw LoadError(.unreachable, "No answer from \(server): \(reason(error))\(advice(error))")
        }
    }
}

extension SetupClient {
    /// What to do where an error itself does not say it.
    private func advice(_ error: any Error) -> String {
        guard PeerError.words(error) == nil else { return "." }
        let isCut = error is Broken || [ECONNRESET, EPIPE].contains((error as? IOError)?.errnoCode ?? 0)
        guard isCut else { return ". Is the server running there?" }
        // One that speaks TLS only may hang up without an alert, which BoringSSL does on a request of HTTP.
        guard tls != nil else { return ". Does it speak TLS on this port? Ask with https:// or grpcs://." }
        // One that misses a certificate may hang up before it is heard to say so.
        return ". Does it want another certificate of its clients (--client-certificate)?"
    }
}

/// A connection ended before its answer.
struct Broken: Error {
    /// How.
    let words: String
}

/// Sends a request when its connection opens and collects the answer.
private final class SingleExchange: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let head: HTTPRequestHead
    private let requestBody: ByteBuffer
    private let answer: EventLoopPromise<SetupClient.Answer>
    private var status = 0
    private var body: [UInt8] = []

    init(head: HTTPRequestHead, body: ByteBuffer, answer: EventLoopPromise<SetupClient.Answer>) {
        self.head = head
        self.requestBody = body
        self.answer = answer
    }

    // Over TLS it is added when the handshake is done, and the channel is active already.
    func handlerAdded(context: ChannelHandlerContext) { if context.channel.isActive { begin(context) } }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(requestBody))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): status = Int(head.status.code)
        case .body(let part):
            if body.count + part.readableBytes <= SetupClient.maximumBody { body += part.readableBytesView }
        case .end: answer.succeed(SetupClient.Answer(status: status, body: body))
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

/// A short reason for an error of the network.
func reason(_ error: any Error) -> String {
    switch error {
    case let error as IOError: String(cString: strerror(error.errnoCode))
    case let error as NIOConnectionError:
        error.connectionErrors.first.map { reason($0.error) } ?? "cannot connect"
    case let error as LoadError: error.message
    case let error as Broken: error.words
    case ChannelError.connectTimeout: "no connection within 5 s"
    default: PeerError.words(error) ?? "\(error)"
    }
}
