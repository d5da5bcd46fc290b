// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import StraitCore
internal import StraitFrames
internal import StraitProtocol
internal import StraitServing

/// One connection: from bytes to calls and back. Lives on its event loop; what the frames mean is ``ConnectionFrames``'.
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
    let methods: MethodTable
    var frames: ConnectionFrames
    private var isReadHeld = false

    /// Who may call what on this connection; nil before the first call.
    var access: ConnectionAccess?

    // -- calls
    var lastMessage = LastMessage()
    var calls: [Int: Call] = [:]
    /// Calls that wait for the connection's window or for the socket.
    var queued: [Call] = []

    // -- writing
    var output = ByteBuffer()
    private var isFlushing = false
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

    init(control: ServerControl, limits: GRPCLimits, methods: MethodTable, channel: any Channel) {
        self.control = control
        self.limits = limits
        eventLoop = channel.eventLoop
        self.methods = methods
        frames = ConnectionFrames(methods: methods.numbers)
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
        let buffer = unwrapInboundIn(data)
        do throws(ConnectionFault) {
            // NIO's function throws no typed errors.
            let outcome = buffer.withUnsafeReadableBytes { bytes in
                Result { () throws(ConnectionFault) in try take(bytes) }
            }
            try outcome.get()
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
            sayReplies()
            sendQueued()
            guard output.readableBytes > 0, let context else { break }
            context.writeAndFlush(wrapOutboundOut(output), promise: nil)
            // Nearly always it went at once, and the memory can be used again.
            output.clear()
        }
        if output.storageCapacity > Self.keptBytes { output = ByteBuffer() }
        if hasEnded { hangUp() }
    }

    /// Bytes of the memory for what goes out that an idle connection keeps.
    private static let keptBytes = 16 << 10

    /// Ends the connection, of which nothing can be read any more.
    func fail(_ fault: ConnectionFault) {
        guard !isOver else { return }
        frames.goAway(fault.code, fault.text)
        flush()
        close()
    }

    private func begin() {
        flush()
        startTicking()
    }

    func close() {
        end()
        context?.close(promise: nil)
    }

    /// Takes all calls' requests back.
    func end() {
        guard !isOver else { return }
        isOver = true
        tick?.cancel()
        deadlineTick?.task.cancel()
        let open = calls
        calls = [:]
        queued = []
        for call in open.values { abandon(call) }
    }
}
