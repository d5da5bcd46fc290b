// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
internal import StraitProtocol
internal import StraitServing
internal import StraitTelemetry

/// One connection of a scraper: GET and HEAD of `/metrics`, and a page at `/` that says where they are.
final class MetricsHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let access: MetricsAccess
    private let page: @Sendable (ExpositionFormat) -> [UInt8]
    private var head: HTTPRequestHead?
    /// Bytes of the present request's body, which nobody wants.
    private var bodyBytes = 0
    private var isClosing = false
    /// Whether a reply waits for its client to take it, and with it all that the client asked after.
    private var isReplying = false

    /// A body that is longer ends the connection.
    private static let mostBodyBytes = 64 << 10
    /// Text that is shorter is not worth compressing.
    private static let leastCompressed = 1024

    private static let index =
        "<!DOCTYPE html><title>Strait</title><p>Metrics are at <a href=\"/metrics\">/metrics</a>.\n"

    init(access: MetricsAccess, page: @escaping @Sendable (ExpositionFormat) -> [UInt8]) {
        self.access = access
        self.page = page
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            bodyBytes = 0
        case .body(let chunk):
            bodyBytes += chunk.readableBytes
            guard bodyBytes > Self.mostBodyBytes, let head else { return }
            self.head = nil
            send(.text(.payloadTooLarge, "a request for metrics has no body\n"), to: head, isLast: true, context)
        case .end:
            guard let head else { return }
            self.head = nil
            send(reply(to: head), to: head, isLast: !head.isKeepAlive, context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError, !isClosing else { return context.close(promise: nil) }
        let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/")
        send(.text(.badRequest, "not valid HTTP/1.1: \(error)\n"), to: head, isLast: true, context)
    }

    // -- replies --------------------------------------------------------------------------------------------------

    private struct Response {
        var status = HTTPResponseStatus.ok
        var headers: [(String, String)] = []
        var body: [UInt8] = []

        static func text(_ status: HTTPResponseStatus, _ text: String) -> Response {
            Response(
                status: status, headers: [("Content-Type", "text/plain; charset=utf-8")], body: Array(text.utf8))
        }
    }

    private func reply(to head: HTTPRequestHead) -> Response {
        let path = head.uri.prefix { $0 != "?" }
        guard path == "/metrics" || path == "/" else {
            return .text(.notFound, "no such path; metrics are at /metrics\n")
        }
        guard head.method == .GET || head.method == .HEAD else {
            var reply = Response.text(.methodNotAllowed, "\(path) is read with GET or HEAD\n")
            reply.headers.append(("Allow", "GET, HEAD"))
            return reply
        }
        if path == "/" {
            return Response(headers: [("Content-Type", "text/html; charset=utf-8")], body: Array(Self.index.utf8))
        }
        if let refusal = refusal(of: head) { return refusal }
        let format = ExpositionFormat(accept: Self.joined("accept", of: head))
        var reply = Response(headers: [("Content-Type", format.contentType), ("Vary", "Accept, Accept-Encoding")])
        reply.body = page(format)
        guard reply.body.count >= Self.leastCompressed,
            let coding = Self.joined("accept-encoding", of: head).flatMap(ContentCoding.forResponse)
        else { return reply }
        if let compressed = reply.body.withUnsafeBytes({ Compressor.compress([$0], coding) }) {
            reply.body = compressed
            reply.headers.append(("Content-Encoding", coding.rawValue))
        }
        return reply
    }

    /// What is replied to who may not read metrics; nil for who may.
    private func refusal(of head: HTTPRequestHead) -> Response? {
        guard access.wantsTokens else { return nil }
        let token = ConnectionAccess.token(
            authorization: head.headers.first(name: "authorization"), apiKey: head.headers.first(name: "x-api-key"))
        guard let error = access.refusal(token: token) else { return nil }
        var reply = Response.text(.unauthorized, error.message + "\n")
        reply.headers.append(("WWW-Authenticate", "Bearer realm=\"strait\""))
        return reply
    }

    /// A header's values as one list.
    private static func joined(_ name: String, of head: HTTPRequestHead) -> String? {
        let values = head.headers[name]
        return values.isEmpty ? nil : values.joined(separator: ",")
    }

    private func send(_ reply: Response, to head: HTTPRequestHead, isLast: Bool, _ context: ChannelHandlerContext) {
        isClosing = isLast
        var fields = HTTPHeaders(reply.headers)
        fields.add(name: "Content-Length", value: String(reply.body.count))
        if isLast { fields.add(name: "Connection", value: "close") }
        let response = HTTPResponseHead(version: .http1_1, status: reply.status, headers: fields)
        context.write(wrapOutboundOut(.head(response)), promise: nil)
        if head.method != .HEAD {
            context.write(
                wrapOutboundOut(.body(.byteBuffer(context.channel.allocator.buffer(bytes: reply.body)))), promise: nil)
        }
        context.flush()
        // The pipelining handler lets the next request in at the end of this reply: replies must not pile up.
        isReplying = !context.channel.isWritable
        if !isReplying { end(context) }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if isReplying, context.channel.isWritable {
            isReplying = false
            end(context)
        }
        context.fireChannelWritabilityChanged()
    }

    private func end(_ context: ChannelHandlerContext) {
        let channel = context.channel
        let isWritten = context.eventLoop.makePromise(of: Void.self)
        if isClosing { isWritten.futureResult.whenComplete { _ in channel.close(promise: nil) } }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: isWritten)
    }
}
