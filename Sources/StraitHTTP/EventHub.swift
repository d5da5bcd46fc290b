// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import StraitProtocol
internal import StraitServing
internal import Synchronization

/// Sends what happens on the server to whoever watches: each message is put into one buffer, and that same buffer is
/// written to every viewer. What was sent lately is kept, so that a page that is opened has something to draw at once.
final class EventHub: Sendable {
    fileprivate struct Viewer {
        let loop: any EventLoop
        let stream: NIOLoopBound<EventStream>
    }

    fileprivate struct Piece {
        let bytes: ByteBuffer
        let isKey: Bool
    }

    fileprivate struct State {
        var viewers: [ObjectIdentifier: Viewer] = [:]
        var head: ByteBuffer?
        /// The last frames, the oldest first; begins with one that tells everything.
        var past: [Piece] = []
        var pastBytes = 0
        /// Whether the server goes away.
        var isStopping = false

        /// The viewers of each event loop.
        var byLoop: [[Viewer]] { Array(Dictionary(grouping: viewers.values) { ObjectIdentifier($0.loop) }.values) }
    }

    private let feed: WatchFeed
    private let state = Mutex(State())

    /// Viewers at one time: more than ever look, and each may hold a megabyte of what was sent lately in its socket.
    private static let mostViewers = 256
    /// Frames that are kept: a minute.
    private static let pastFrames = 300
    /// Bytes of them.
    private static let pastBytes = 2 << 20

    /// The reply to one viewer too many.
    static var full: HTTPReply {
        HTTPReply(
            ProtocolError(
                .unavailable, "\(mostViewers) viewers watch this server already; close one, or try again later"))
    }

    /// A hub without viewers.
    init(_ feed: WatchFeed) {
        self.feed = feed
        feed.deliver { [weak self] in self?.send($0) }
    }

    /// Adds a viewer, on its event loop.
    ///
    /// - Returns: what it is to be sent first; nil when there are too many.
    func add(_ stream: EventStream, on loop: any EventLoop) -> [ByteBuffer]? {
        let id = ObjectIdentifier(stream)
        let viewer = Viewer(loop: loop, stream: NIOLoopBound(stream, eventLoop: loop))
        return state.withLock { state -> [ByteBuffer]? in
            guard state.viewers.count < Self.mostViewers, !state.isStopping else { return nil }
            state.viewers[id] = viewer
            feed.setViewers(state.viewers.count)
            return (state.head.map { [$0] } ?? []) + state.past.map(\.bytes)
        }
    }

    /// Takes a viewer out.
    func remove(_ stream: EventStream) {
        let id = ObjectIdentifier(stream)
        state.withLock { state in
            if state.viewers.removeValue(forKey: id) != nil { feed.setViewers(state.viewers.count) }
        }
    }

    /// Ends all connections of viewers: the server goes away.
    func stop() {
        let loops = state.withLock { state in
            state.isStopping = true
            return state.byLoop
        }
        for viewers in loops {
            viewers[0].loop.execute { for viewer in viewers { viewer.stream.value.end() } }
        }
    }

    private func send(_ message: WatchFeed.Message) {
        guard let (buffer, mustArrive) = Self.encode(message) else { return state.withLock { $0.forget() } }
        let loops = state.withLock { state in
            state.keep(message, buffer, most: (Self.pastFrames, Self.pastBytes))
            return state.byLoop
        }
        for viewers in loops {
            viewers[0].loop.execute {
                for viewer in viewers { viewer.stream.value.offer(buffer, mustArrive: mustArrive) }
            }
        }
    }

    /// A message as server-sent events have it.
    private static func encode(_ message: WatchFeed.Message) -> (ByteBuffer, mustArrive: Bool)? {
        switch message {
        case .head(let json): (event("event: head\ndata: ", json), mustArrive: true)
        case .frame(let json, _): (event("data: ", json), mustArrive: false)
        case .heartbeat: (ByteBuffer(string: ":\n\n"), mustArrive: false)
        case .end: nil
        }
    }

    private static func event(_ name: String, _ json: [UInt8]) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: name.utf8.count + json.count + 2)
        buffer.writeString(name)
        buffer.writeBytes(json)
        buffer.writeString("\n\n")
        return buffer
    }
}

extension EventHub.State {
    /// Forgets what was sent.
    fileprivate mutating func forget() {
        head = nil
        past = []
        pastBytes = 0
    }

    fileprivate mutating func keep(_ message: WatchFeed.Message, _ buffer: ByteBuffer, most: (frames: Int, bytes: Int))
    {
        switch message {
        case .head:
            forget()
            head = buffer
        case .frame(_, let isKey):
            past.append(EventHub.Piece(bytes: buffer, isKey: isKey))
            pastBytes += buffer.readableBytes
            guard past.count > most.frames || pastBytes > most.bytes else { return }
            // Down to the next frame that tells everything.
            let end = past.dropFirst().firstIndex(where: \.isKey) ?? past.count
            for piece in past[..<end] { pastBytes -= piece.bytes.readableBytes }
            past.removeSubrange(..<end)
        case .heartbeat, .end: break
        }
    }
}
