// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import StraitCore
internal import StraitProtocol
internal import StraitServing

/// One connection: HTTP/2 as gRPC uses it, from bytes to calls and back. Lives on its event loop.
///
/// Bytes are read where they lie in the buffer that came from the socket. An answer that the client has room for goes out
/// in one piece, headers, message and trailers.
final class GRPCConnection: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    let control: ServerControl
    let limits: GRPCLimits
    let eventLoop: any EventLoop
    var service: InferenceService { control.service }

    // -- reading
    var blocks: HeaderBlocks
    /// Bytes of the preface that are still to come.
    private var prefaceLeft = GRPCConnection.preface.utf8CodeUnitCount
    /// The start of a frame that is read only when it is complete.
    private var rest = ByteBuffer()
    /// Of the frame of data that is coming in: whose it is, what is still to come of it, and whether it is the last.
    private var data: (stream: Int, bytes: Int, padding: Int, isLast: Bool)?
    /// A block of headers that goes on in the next frame.
    var openBlock: (stream: Int, isLast: Bool, bytes: [UInt8])?
    var hasSettings = false
    var receiveWindow = GRPCLimits.windowBytes
    /// Bytes that came since the client was allowed more the last time.
    var received = 0
    var lastStream = 0
    var nuisance = (since: NIODeadline.distantPast, count: 0)
    private var isReadHeld = false

    /// Who may call what on this connection; nil before the first call.
    var access: ConnectionAccess?

    // -- calls
    var lastMessage = LastMessage()
    var calls: [Int: Call] = [:]
    /// Calls that wait for windows or for the socket.
    var queued: [Call] = []

    // -- writing
    var output = ByteBuffer()
    private var isFlushing = false
    var sendWindow = GRPCConnection.defaultWindow
    /// The window that each new stream has at first.
    var firstSendWindow = GRPCConnection.defaultWindow
    var largestFrame = GRPCConnection.defaultFrame
    private(set) var context: ChannelHandlerContext?

    // -- upkeep
    var lastRead = NIODeadline.now()
    var lastCallEnded = NIODeadline.now()
    var pingedAt: NIODeadline?
    var tick: Scheduled<Void>?
    var deadlineTick: (at: NIODeadline, task: Scheduled<Void>)?
    var isQuiescing = false
    var hasQuiesced = false
    var isOver = false

    private static let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    /// HTTP/2's windows and frames before anybody says otherwise.
    static let defaultWindow = 65_535
    static let defaultFrame = 16_384

    init(control: ServerControl, limits: GRPCLimits, methods: [String: Method], channel: any Channel) {
        self.control = control
        self.limits = limits
        eventLoop = channel.eventLoop
        blocks = HeaderBlocks(methods: methods, allocator: channel.allocator)
    }

    // -- the channel ---------------------------------------------------------------------------------------------

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin() }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        begin()
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end()
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent { quiesce() }
        context.fireUserInboundEventTriggered(event)
    }

    /// Who does not read what is sent is not read from either: what answers to its frames would pile up.
    func read(context: ChannelHandlerContext) {
        guard context.channel.isWritable else { return isReadHeld = true }
        context.read()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            flush()
            if isReadHeld, context.channel.isWritable {
                isReadHeld = false
                context.read()
            }
        }
        context.fireChannelWritabilityChanged()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return }
        lastRead = .now()
        pingedAt = nil
        var buffer = unwrapInboundIn(data)
        if rest.readableBytes > 0 {
            rest.writeBuffer(&buffer)
            buffer = rest
            rest = ByteBuffer()
        }
        do throws(ConnectionFault) {
            let bytes = buffer
            // NIO's function throws no typed errors.
            let outcome = bytes.withUnsafeReadableBytes { bytes in
                Result { () throws(ConnectionFault) in try take(bytes) }
            }
            buffer.moveReaderIndex(forwardBy: try outcome.get())
            if buffer.readableBytes > 0, !isOver { rest = ByteBuffer(bytes: buffer.readableBytesView) }
        } catch {
            fail(error)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        flush()
        context.fireChannelReadComplete()
    }

    /// Hands what was written to the socket, and what waited for room there behind it.
    func flush() {
        // What a write brings about while it is under way is seen to when it is done.
        guard !isFlushing else { return }
        isFlushing = true
        defer { isFlushing = false }
        while true {
            sendQueued()
            guard output.readableBytes > 0, let context else { break }
            context.writeAndFlush(wrapOutboundOut(output), promise: nil)
            // Nearly always it went at once, and the memory can be used again.
            output.clear()
        }
        if output.storageCapacity > Self.keptBytes { output = ByteBuffer() }
    }

    /// Bytes of the memory for what goes out that an idle connection keeps.
    private static let keptBytes = 16 << 10

    /// Ends the connection, of which nothing can be read any more.
    func fail(_ fault: ConnectionFault) {
        guard !isOver else { return }
        output.writeGoAway(last: lastStream, fault.code)
        flush()
        close()
    }

    func close() {
        end()
        context?.close(promise: nil)
    }

    /// Takes all calls' requests back.
    private func end() {
        guard !isOver else { return }
        isOver = true
        tick?.cancel()
        deadlineTick?.task.cancel()
        let open = calls
        calls = [:]
        queued = []
        for call in open.values { abandon(call) }
    }

    // -- frames --------------------------------------------------------------------------------------------------

    /// Reads as many frames as there are.
    ///
    /// - Returns: the bytes used; the others are the start of a frame.
    private func take(_ bytes: UnsafeRawBufferPointer) throws(ConnectionFault) -> Int {
        var offset = 0
        if prefaceLeft > 0 { offset = try takePreface(bytes) }
        while !isOver, offset < bytes.count {
            if data != nil {
                offset += try takeData(bytes.from(offset))
                continue
            }
            let left = bytes.from(offset)
            guard left.count >= FrameHead.byteCount else { break }
            let head = FrameHead(left)
            guard head.length <= GRPCLimits.frameBytes else { throw ConnectionFault(.frameSize) }
            if let openBlock, head.type != FrameType.continuation.rawValue || head.stream != openBlock.stream {
                throw ConnectionFault(.violation)
            }
            guard hasSettings || head.type == FrameType.settings.rawValue else { throw ConnectionFault(.violation) }
            if head.type == FrameType.data.rawValue {
                guard let used = try beginData(head, left) else { break }
                offset += used
                continue
            }
            guard head.length <= Self.wholeFrame else { throw ConnectionFault(.tooMuch) }
            guard left.count >= FrameHead.byteCount + head.length else { break }
            let end = FrameHead.byteCount + head.length
            try take(head, UnsafeRawBufferPointer(rebasing: left[FrameHead.byteCount..<end]))
            offset += end
        }
        return offset
    }

    /// Bytes of a frame that is read only when it is complete: all but data. Headers may have 16 KiB by default, which
    /// their receiver tells in advance.
    private static let wholeFrame = 64 << 10

    private func takePreface(_ bytes: UnsafeRawBufferPointer) throws(ConnectionFault) -> Int {
        let count = min(prefaceLeft, bytes.count)
        let start = Self.preface.utf8CodeUnitCount - prefaceLeft
        for index in 0..<count where bytes[index] != Self.preface.utf8Start[start + index] {
            throw ConnectionFault(.violation)
        }
        prefaceLeft -= count
        return count
    }

    /// Takes the head of a frame of data, and the length of its padding; nil where that has not come yet.
    private func beginData(_ head: FrameHead, _ bytes: UnsafeRawBufferPointer) throws(ConnectionFault) -> Int? {
        guard head.stream > 0, head.stream <= lastStream else { throw ConnectionFault(.violation) }
        var used = FrameHead.byteCount
        var padding = 0
        if head.has(FrameFlag.padded) {
            guard bytes.count > used || head.length == 0 else { return nil }
            guard head.length > 0 else { throw ConnectionFault(.violation) }
            padding = Int(bytes[used])
            guard padding < head.length else { throw ConnectionFault(.violation) }
            used += 1
        }
        let isLast = head.has(FrameFlag.endStream)
        let call = calls[head.stream]
        try receive(head.length, on: call, isLast: isLast)
        call?.used += padding + (used - FrameHead.byteCount)
        data = (head.stream, head.length - padding - (used - FrameHead.byteCount), padding, isLast)
        // A frame without bytes has no more to wait for.
        if head.length == used - FrameHead.byteCount { _ = try takeData(bytes.first(0)) }
        return used
    }

    /// Takes what has come of a frame of data.
    private func takeData(_ bytes: UnsafeRawBufferPointer) throws(ConnectionFault) -> Int {
        guard var current = data else { return 0 }
        let part = min(current.bytes, bytes.count)
        current.bytes -= part
        let skipped = min(current.padding, bytes.count - part)
        current.padding -= skipped
        let isDone = current.bytes == 0 && current.padding == 0
        data = isDone ? nil : current
        if part > 0, let call = calls[current.stream] { take(bytes.first(part), of: call) }
        if isDone, current.isLast, let call = calls[current.stream] { clientEnded(call) }
        return part + skipped
    }

    // -- limits --------------------------------------------------------------------------------------------------

    /// Counts what does nothing but cost.
    func countNuisance() throws(ConnectionFault) {
        let now = NIODeadline.now()
        if now - nuisance.since > .seconds(1) { nuisance = (now, 0) }
        nuisance.count += 1
        guard nuisance.count <= GRPCLimits.nuisancesPerSecond else { throw ConnectionFault(.tooMuch) }
    }
}
