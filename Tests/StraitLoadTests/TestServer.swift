// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import StraitLoad
internal import StraitProtocol
internal import StraitTensor
internal import Synchronization

/// A small server of the protocol whose models behave as their names say.
///
/// `echo` answers; `refuse` answers 504; `broken` answers 500; `strict` refuses every request with 400; `hang` never
/// answers a request that has a deadline, and `drop` closes the connection under it. Trial requests have no deadline.
final class TestServer: Sendable {
    /// What was seen of one inference request.
    struct Seen: Sendable, Equatable {
        let model: String
        let priority: UInt64?
        let timeout: Int64?
    }

    struct State {
        var seen: [Seen] = []
        var open = 0
        var mostOpen = 0
        var inFlight = 0
        var mostInFlight = 0
    }

    private let group: MultiThreadedEventLoopGroup
    private let channel: any Channel
    private let state: StateBox
    let address: ServerAddress

    final class StateBox: Sendable {
        let value = Mutex(State())
    }

    /// Everything seen so far, trial requests included.
    var observed: State { state.value.withLock { $0 } }

    static func start() async throws -> TestServer {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let state = StateBox()
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(TestServerHandler(state))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return TestServer(group: group, channel: channel, state: state)
    }

    private init(group: MultiThreadedEventLoopGroup, channel: any Channel, state: StateBox) {
        self.group = group
        self.channel = channel
        self.state = state
        address = ServerAddress(host: "127.0.0.1", port: channel.localAddress?.port ?? 0)
    }

    func stop() async throws {
        try await channel.close()
        try await group.shutdownGracefully()
    }
}

private final class TestServerHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let state: TestServer.StateBox
    private let pool = SlabPool(budget: 1 << 24)
    private var path: [Substring] = []
    private var jsonLength: Int?
    private var body: [UInt8] = []

    init(_ state: TestServer.StateBox) { self.state = state }

    func channelActive(context: ChannelHandlerContext) {
        state.value.withLock {
            $0.open += 1
            $0.mostOpen = max($0.mostOpen, $0.open)
        }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        state.value.withLock { $0.open -= 1 }
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            path = head.uri.split(separator: "/")
            jsonLength = head.headers.first(name: "Inference-Header-Content-Length").flatMap { Int($0) }
            body = []
        case .body(let part): body += part.readableBytesView
        case .end: answer(context)
        }
    }

    private func answer(_ context: ChannelHandlerContext) {
        let known = ["echo", "refuse", "broken", "strict", "hang", "drop"]
        guard path.count >= 3, let model = known.first(where: { $0 == path[2] }) else {
            return reply(context, path.last == "ready" ? 200 : 404, #"{"error":"no such model"}"#)
        }
        guard path.count == 4 else {
            return reply(
                context, 200, #"{"name":"\#(model)","inputs":[{"name":"x","datatype":"FP32","shape":[-1,4]}]}"#)
        }
        guard let slab = try? pool.take(body.count) else { return reply(context, 500, "no memory") }
        slab.bytes.copyBytes(from: body)
        guard
            let request = try? InferenceRequestDecoder.decode(
                body: slab, range: 0..<body.count, jsonLength: jsonLength, pool: pool)
        else { return reply(context, 400, #"{"error":"malformed"}"#) }
        state.value.withLock {
            $0.seen.append(.init(model: model, priority: request.priority, timeout: request.timeoutMicroseconds))
            $0.inFlight += 1
            $0.mostInFlight = max($0.mostInFlight, $0.inFlight)
        }
        let hasDeadline = request.timeoutMicroseconds != nil
        // In a turn of its own, so that requests that came together are seen in flight together.
        let loop = context.eventLoop.assumeIsolated()
        loop.execute {
            self.state.value.withLock { $0.inFlight -= 1 }
            switch model {
            case "refuse" where hasDeadline: self.reply(context, 504, #"{"error":"too late"}"#)
            case "broken" where hasDeadline: self.reply(context, 500, #"{"error":"it broke"}"#)
            case "strict": self.reply(context, 400, #"{"error":"input \"x\" is wrong"}"#)
            case "hang" where hasDeadline: break
            case "drop" where hasDeadline: context.close(promise: nil)
            default: self.reply(context, 200, "{}")
            }
        }
    }

    private func reply(_ context: ChannelHandlerContext, _ status: Int, _ text: String) {
        let headers = HTTPHeaders([("Content-Length", "\(text.utf8.count)")])
        let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status), headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
}
