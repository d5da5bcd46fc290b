// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1

/// One kept-open connection, with at most one request on it.
protocol LoadConnection: AnyObject {
    /// Whether requests can still be sent.
    var isOpen: Bool { get }

    func close()

    /// Sends a request; the connection must be free.
    func send(_ job: LoadDriver.Job, _ request: EncodedRequest, at now: Int64)

    /// Takes back the request that has no answer yet, if there is one.
    func abandon() -> LoadDriver.Job?
}

/// A connection that speaks HTTP/1.1.
final class HTTPLoadConnection: ChannelInboundHandler, LoadConnection {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    /// Bytes of an error's body that are kept to be shown.
    static let excerptLength = 300

    private let driver: LoadDriver
    private var context: ChannelHandlerContext?
    private var job: LoadDriver.Job?
    private var sentAt: Int64 = 0
    private var status = 0
    private var keepAlive = true
    private var excerpt: [UInt8] = []
    private var failure = "the server closed the connection before the end of its answer"

    init(_ driver: LoadDriver) { self.driver = driver }

    var isOpen: Bool { context != nil }

    func close() { context?.close(promise: nil) }

    func send(_ job: LoadDriver.Job, _ request: EncodedRequest, at now: Int64) {
        self.job = job
        sentAt = now
        guard let context, case .http(let head, let body) = request else { return }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
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

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            status = Int(head.status.code)
            keepAlive = head.isKeepAlive
            excerpt = []
        case .body(let part):
            guard status != 200, excerpt.count < Self.excerptLength else { return }
            excerpt += part.readableBytesView.prefix(Self.excerptLength - excerpt.count)
        case .end:
            guard let answered = abandon() else { return }
            driver.answered(
                answered, status: status, sentAt: sentAt, excerpt: String(decoding: excerpt, as: UTF8.self))
            if keepAlive { driver.connectionIsFree(self) } else { close() }
        }
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
