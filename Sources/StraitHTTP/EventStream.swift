// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1

/// One viewer: a connection, or a stream of HTTP/2, whose reply goes on until the viewer goes. Lives on its event loop.
///
/// A viewer that is slow to take what it is sent misses frames; it is never sent more than its socket takes and one
/// frame.
final class EventStream {
    private let hub: EventHub
    private let context: ChannelHandlerContext
    private let isStream: Bool
    private let patience: TimeAmount
    /// Since when it has taken nothing of what waits for it.
    private var stalledSince: NIODeadline?

    /// A viewer that is not sent anything yet.
    ///
    /// - Parameters:
    ///   - isStream: whether the channel is a stream of HTTP/2; else it takes bytes as they are.
    ///   - patience: seconds after which a viewer that takes nothing loses its place.
    init(_ hub: EventHub, _ context: ChannelHandlerContext, isStream: Bool, patience: Int64) {
        self.patience = .seconds(patience)
        self.hub = hub
        self.context = context
        self.isStream = isStream
    }

    private static let headers = [
        ("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no"),
    ]

    /// Begins the reply, with what was sent to others lately.
    ///
    /// - Returns: false when there are too many viewers; then nothing was written.
    func begin() -> Bool {
        guard let first = hub.add(self, on: context.eventLoop) else { return false }
        if isStream {
            let head = HTTPResponseHead(version: .http2, status: .ok, headers: HTTPHeaders(Self.headers))
            context.write(NIOAny(HTTPServerResponsePart.head(head)), promise: nil)
        } else {
            // Its end is that of the connection, so that what is written is the same for all.
            let lines = Self.headers.map { "\($0): \($1)\r\n" }.joined()
            write(ByteBuffer(string: "HTTP/1.1 200 OK\r\n\(lines)Connection: close\r\n\r\n"))
        }
        // Something at once, so that a proxy lets the head through.
        write(ByteBuffer(string: ":\n\n"))
        for buffer in first { write(buffer) }
        context.flush()
        return true
    }

    /// Sends a message, if the socket takes it.
    ///
    /// - Parameter mustArrive: whether nothing after it would make sense without it.
    func offer(_ buffer: ByteBuffer, mustArrive: Bool) {
        guard context.channel.isActive else { return }
        guard context.channel.isWritable else {
            // It comes back, and begins with what it has missed.
            let since = stalledSince ?? .now()
            stalledSince = since
            if mustArrive || NIODeadline.now() - since >= patience { context.close(promise: nil) }
            return
        }
        stalledSince = nil
        write(buffer)
        context.flush()
    }

    /// Ends the reply.
    func end() {
        guard context.channel.isActive else { return }
        leave()
        guard isStream else { return context.close(promise: nil) }
        context.writeAndFlush(NIOAny(HTTPServerResponsePart.end(nil)), promise: nil)
    }

    /// Sends nothing any more.
    func leave() { hub.remove(self) }

    private func write(_ buffer: ByteBuffer) {
        let data = isStream ? NIOAny(HTTPServerResponsePart.body(.byteBuffer(buffer))) : NIOAny(buffer)
        context.write(data, promise: nil)
    }
}
