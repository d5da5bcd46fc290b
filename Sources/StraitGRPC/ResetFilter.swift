// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP2

/// Takes resets of streams out of what a connection sends, and closes the streams itself.
///
/// NIO ends a connection, and every call on it, after 200 resets in half a minute. But a reset is how a client cancels a
/// call or lets its deadline pass, which here is business as usual. This filter has a limit of its own, against clients
/// that do nothing else.
final class ResetFilter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// Length of what clients send before the first frame, of a frame's head, and of a reset with its head.
    private static let prefaceLength = 24
    private static let headLength = 9
    private static let resetLength = 13
    private static let resetType: UInt8 = 3

    /// Resets a second after which a connection is closed: calls are opened and dropped as fast as they can be.
    private static let resetsPerSecond = 2000

    /// The open calls, by their streams' numbers.
    let calls: OpenCalls
    /// Bytes that belong to a frame whose head was passed on already.
    private var passing = ResetFilter.prefaceLength
    /// The start of a frame that does not tell yet what it is.
    private var head: [UInt8] = []
    private var window = NIODeadline.distantPast
    private var resets = 0

    init(calls: OpenCalls) { self.calls = calls }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // Slices can be had only of what was not read yet.
        let whole = unwrapInboundIn(data)
        var buffer = whole
        // Where the bytes begin that are to be passed on in one piece.
        var start = buffer.readerIndex
        while buffer.readableBytes > 0 {
            if passing > 0 {
                let part = min(passing, buffer.readableBytes)
                buffer.moveReaderIndex(forwardBy: part)
                passing -= part
                continue
            }
            if head.isEmpty, let type: UInt8 = buffer.getInteger(at: buffer.readerIndex + 3),
                buffer.readableBytes >= Self.headLength, type != Self.resetType
            {
                // Nearly all frames.
                let length = buffer.getInteger(at: buffer.readerIndex, as: UInt32.self).map { Int($0 >> 8) } ?? 0
                passing = Self.headLength + length
                continue
            }
            // A reset, or a head that is cut: nothing of it is passed on before it is known.
            if head.isEmpty { pass(whole, from: start, to: buffer.readerIndex, context) }
            collect(&buffer, context)
            start = buffer.readerIndex
        }
        if head.isEmpty { pass(whole, from: start, to: buffer.readerIndex, context) }
    }

    private func pass(_ buffer: ByteBuffer, from start: Int, to end: Int, _ context: ChannelHandlerContext) {
        guard end > start, let slice = buffer.getSlice(at: start, length: end - start) else { return }
        context.fireChannelRead(wrapInboundOut(slice))
    }

    /// Takes more of a frame that came in pieces, or is a reset.
    private func collect(_ buffer: inout ByteBuffer, _ context: ChannelHandlerContext) {
        func take(upTo length: Int) -> Bool {
            head += buffer.readBytes(length: min(max(0, length - head.count), buffer.readableBytes)) ?? []
            return head.count >= length
        }
        guard take(upTo: Self.headLength) else { return }
        let length = head[0..<3].reduce(0) { $0 << 8 | Int($1) }
        guard head[3] == Self.resetType, length == Self.resetLength - Self.headLength else {
            // A reset of another length is an error, of which the next in line will complain.
            context.fireChannelRead(wrapInboundOut(ByteBuffer(bytes: head)))
            head = []
            passing = length
            return
        }
        guard take(upTo: Self.resetLength) else { return }
        let stream = head[5..<9].reduce(0) { $0 << 8 | Int($1) } & 0x7FFF_FFFF
        head = []
        reset(stream, context)
    }

    private func reset(_ stream: Int, _ context: ChannelHandlerContext) {
        let now = NIODeadline.now()
        if now - window > .seconds(1) { (window, resets) = (now, 0) }
        resets += 1
        guard resets <= Self.resetsPerSecond else { return context.close(promise: nil) }
        calls.close(stream)
    }
}

/// The open calls of a connection, on its event loop.
final class OpenCalls {
    private var channels: [Int: any Channel] = [:]

    /// Enters a stream until it closes.
    func add(_ channel: any Channel, _ stream: Int) { channels[stream] = channel }

    func remove(_ stream: Int) { channels[stream] = nil }

    /// Closes a stream, if it is open still.
    func close(_ stream: Int) { channels.removeValue(forKey: stream)?.close(promise: nil) }
}
