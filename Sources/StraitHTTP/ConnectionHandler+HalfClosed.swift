// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

// Clients that close their sending side behind a request, and wait for its answer (nc, some proxies). One that has given
// up and closed its socket looks the same, and those are by far more; for them no lane should work. They differ once
// something is written to them: the system of one that is gone resets the connection. So an interim response is sent,
// which clients of HTTP/1.1 pass over, and what comes of it tells.

extension ConnectionHandler {
    /// The client sends nothing any more.
    func endInput(_ context: ChannelHandlerContext) {
        isInputClosed = true
        switch state {
        case .waiting(let id):
            if held.isEmpty { keepAlive = false }
            // What is no inference is answered in a moment.
            guard id != nil else { return }
            guard takesInterim else { return context.close(promise: nil) }
            let probe = context.channel.allocator.buffer(string: "HTTP/1.1 100 Continue\r\n\r\n")
            context.writeAndFlush(wrapOutboundOut(probe), promise: nil)
        case .replying, .closing: return
        case .inflating: return  // looked at again when what has come is inflated
        case .idle, .collecting, .gathering, .discarding, .watching: context.close(promise: nil)
        }
    }

    /// Closes the connection when all that was written is on its way. To close our sending side only would close both at
    /// once, with what still waits.
    func closeWhenTaken(_ context: ChannelHandlerContext) {
        state = .closing
        let channel = context.channel
        let taken = context.eventLoop.makePromise(of: Void.self)
        taken.futureResult.whenComplete { _ in channel.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: taken)
        context.eventLoop.scheduleTask(in: .seconds(HTTPLimits.stalledSeconds)) { channel.close(promise: nil) }
    }
}
