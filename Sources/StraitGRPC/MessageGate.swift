// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHPACK
internal import NIOHTTP2
internal import StraitTensor
internal import Synchronization

/// Stands in front of a call and lets only so much of a message in.
///
/// The transport behind it collects a message until it is complete, whatever that takes. Here messages that are too long,
/// that would fill the memory for tensors, or of which no more comes, end the call with a status that says so.
final class MessageGate: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let limits: GRPCLimits
    private let budget: IncomingBudget
    /// Where the call is entered while it is open, and by which number.
    private let calls: OpenCalls?
    private var stream: Int?
    /// The bytes of the prefix of the message that is coming in, which tell its length.
    private var prefix: [UInt8] = []
    /// Bytes of it that are still to come.
    private var missing = 0
    /// Bytes of it that wait for the rest, and are counted in the budget.
    private var held = 0
    /// Whether something must come: a message, or the rest of one.
    private var isOwed = true
    private var isRefused = false
    private var patience: Scheduled<Void>?

    init(limits: GRPCLimits, budget: IncomingBudget, calls: OpenCalls?) {
        self.limits = limits
        self.budget = budget
        self.calls = calls
        prefix.reserveCapacity(Self.prefixLength)
    }

    /// A byte that says whether it is compressed, and four with the length.
    private static let prefixLength = 5

    func handlerAdded(context: ChannelHandlerContext) {
        // Known from the start of every stream that a client opens.
        guard let id = try? context.channel.syncOptions?.getOption(HTTP2StreamChannelOptions.streamID) else { return }
        let stream = Int(id)
        self.stream = stream
        calls?.add(context.channel, stream)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isRefused else { return }
        patience?.cancel()
        patience = nil
        let frame = unwrapInboundIn(data)
        switch frame {
        case .headers(let headers):
            // A stream may wait for its first request as long as it likes.
            if headers.headers.first(name: ":path")?.hasSuffix("/ModelStreamInfer") ?? false { isOwed = false }
        case .data(let part):
            if case .byteBuffer(let bytes) = part.data, let problem = take(bytes) {
                return refuse(problem, context)
            }
            if part.endStream { isOwed = false }
        case .rstStream, .priority, .settings, .pushPromise, .ping, .goAway, .windowUpdate, .alternativeService,
            .origin:
            break
        }
        context.fireChannelRead(data)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if isOwed, patience == nil, !isRefused {
            let gate = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            patience = context.eventLoop.scheduleTask(in: .seconds(limits.idleSeconds)) {
                let (gate, context) = gate.value
                gate.refuse(
                    Problem(status: 14, message: "no more of the message has come for \(gate.limits.idleSeconds) s"),
                    context)
            }
        }
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { end() }

    private func end() {
        patience?.cancel()
        patience = nil
        budget.release(held)
        held = 0
        if let stream { calls?.remove(stream) }
        stream = nil
    }

    // -- messages ------------------------------------------------------------------------------------------------

    /// Why a call is refused: a gRPC status, and what to tell.
    private struct Problem {
        let status: Int
        let message: String
    }

    /// Counts what came; nil where it may go on.
    private func take(_ bytes: ByteBuffer) -> Problem? {
        var rest = bytes
        while rest.readableBytes > 0 {
            if missing == 0 {
                guard let next = rest.readBytes(length: min(Self.prefixLength - prefix.count, rest.readableBytes))
                else {
                    break
                }
                prefix += next
                guard prefix.count == Self.prefixLength else { break }
                missing = prefix.dropFirst().reduce(0) { $0 << 8 | Int($1) }
                prefix.removeAll(keepingCapacity: true)
                guard missing <= limits.messageBytes else {
                    return Problem(
                        status: 8,
                        message: "the message has \(missing) bytes; this server takes at most \(limits.messageBytes)")
                }
            }
            let part = min(missing, rest.readableBytes)
            rest.moveReaderIndex(forwardBy: part)
            missing -= part
            if missing == 0 {
                // Complete: it is decoded now, and its tensors are counted where they go.
                budget.release(held)
                held = 0
            } else {
                guard budget.take(part) else {
                    return Problem(status: 8, message: "the server's tensor memory is full; try again later")
                }
                held += part
            }
        }
        isOwed = missing > 0 || !prefix.isEmpty
        return nil
    }

    /// Ends the call with a status, past the transport, which has only the start of a message.
    private func refuse(_ problem: Problem, _ context: ChannelHandlerContext) {
        isRefused = true
        end()
        let trailers: HPACKHeaders = [
            ":status": "200", "content-type": "application/grpc", "grpc-status": String(problem.status),
            "grpc-message": problem.message,
        ]
        context.write(wrapOutboundOut(.headers(.init(headers: trailers, endStream: true))), promise: nil)
        // No error: with any other code clients take the reset for the answer.
        context.writeAndFlush(wrapOutboundOut(.rstStream(.noError)), promise: nil)
    }
}

/// The memory of messages that are not complete yet, together with the tensors that are: one budget for all calls.
final class IncomingBudget: Sendable {
    private let held = Atomic(0)
    private let pool: SlabPool

    init(pool: SlabPool) { self.pool = pool }

    /// Counts bytes; false, and nothing is counted, where there is no memory for them.
    func take(_ count: Int) -> Bool {
        let now = held.add(count, ordering: .relaxed).newValue
        if now + pool.bytesInUse <= pool.budget { return true }
        release(count)
        return false
    }

    func release(_ count: Int) { held.subtract(count, ordering: .relaxed) }
}
