// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
package import StraitNetwork
internal import StraitProtocol

/// Shows recorded runs with the page that shows a live server: `strait watch`. There is no engine and nothing to change.
package final class RecordingServer: Sendable {
    private let listener: Listener

    /// The port that it listens on.
    package var port: Int { listener.port }

    /// A recorded run: the messages that a page draws from, as JSON.
    package struct Run: Sendable {
        let head: [UInt8]
        let frames: [[UInt8]]

        /// A run.
        package init(head: [UInt8], frames: [[UInt8]]) {
            self.head = head
            self.frames = frames
        }

        /// All of it as server-sent events.
        var events: [UInt8] {
            var text = Array("event: head\ndata: ".utf8) + head
            for frame in frames {
                text += Array("\n\ndata: ".utf8)
                text += frame
            }
            return text + Array("\n\nevent: end\ndata: {}\n\n".utf8)
        }
    }

    /// Starts to listen.
    ///
    /// - Parameter port: 0 for any free one.
    package init(host: String, port: Int, runs: [Run]) throws(Listener.StartError) {
        let files = Self.files(runs)
        listener = try Listener(
            Listener.Place(host: host, port: port, connections: Self.mostConnections), offering: .http1,
            advice: "Choose another place with --port or --address."
        ) { channel, _ in
            let decoder = HTTPRequestDecoder(limitConfiguration: HTTPLimits.decoder)
            try channel.pipeline.syncOperations.addHandlers([ByteToMessageHandler(decoder), FileHandler(files)])
        }
    }

    /// More than the browsers of one person open.
    private static let mostConnections = 256

    /// Ends all connections.
    package func stop() {
        listener.stopListening()
        listener.stop(withinMilliseconds: 0)
    }

    /// The page, told how many runs there are, and the runs.
    private static func files(_ runs: [Run]) -> [String: Dashboard.File] {
        var files: [String: Dashboard.File] = [:]
        for (name, file) in Dashboard.files { files["/dashboard/\(name)"] = file }
        if let page = Dashboard.files[Dashboard.index] {
            let text = String(decoding: page.plain, as: UTF8.self)
            let parts = text.split(separator: "data-runs=\"0\"", maxSplits: 1, omittingEmptySubsequences: false)
            let told = parts.joined(separator: "data-runs=\"\(runs.count)\"")
            files["/"] = Dashboard.File(page.type, Array(told.utf8))
        }
        for (index, run) in runs.enumerated() {
            files["/dashboard/runs/\(index)"] = Dashboard.File("text/event-stream", run.events)
        }
        return files
    }
}

/// Answers requests for files. Lives on its event loop.
private final class FileHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private let files: [String: Dashboard.File]
    private var head: HTTPRequestHead?
    private var isReadHeld = false

    init(_ files: [String: Dashboard.File]) { self.files = files }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body: break
        case .end:
            guard let head else { return }
            var buffer = ByteBuffer()
            reply(to: head).write(to: &buffer, keepAlive: head.isKeepAlive)
            let isWritten = context.eventLoop.makePromise(of: Void.self)
            // A run is far more than a socket takes at once; an end before it is written would cut it.
            let channel = context.channel
            if !head.isKeepAlive { isWritten.futureResult.whenComplete { _ in channel.close(promise: nil) } }
            context.writeAndFlush(wrapOutboundOut(buffer), promise: isWritten)
        }
    }

    /// Who does not take what it asked for is not read from: runs that it asks for again and again would pile up.
    func read(context: ChannelHandlerContext) {
        guard context.channel.isWritable else { return isReadHeld = true }
        context.read()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if isReadHeld, context.channel.isWritable {
            isReadHeld = false
            context.read()
        }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func reply(to head: HTTPRequestHead) -> HTTPReply {
        guard head.method == .GET else { return HTTPReply(.methodNotAllowed, error: "only GET is for recorded runs") }
        let path = head.uri.prefix { $0 != "?" }
        guard let file = files[String(path)] else {
            return HTTPReply(.notFound, error: "no such path: \(head.uri.prefix(200)); this is strait watch")
        }
        let takesGzip = head.headers.first(name: "accept-encoding")?.contains("gzip") == true
        return Dashboard.reply(file, takesGzip ? .gzip : nil)
    }
}
