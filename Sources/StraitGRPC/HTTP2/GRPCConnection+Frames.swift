// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import StraitCore
internal import StraitFrames
internal import StraitProtocol
internal import StraitServing

// What comes in: frames are read by ``ConnectionFrames``, and what they tell is done here.

extension GRPCConnection {
    /// Reads all that has come.
    func take(_ bytes: UnsafeRawBufferPointer) throws(ConnectionFault) {
        let now = Instant(nanoseconds: Int64(clamping: lastRead.uptimeNanoseconds))
        var offset = 0
        while !isOver, let event = try frames.next(bytes, &offset, now: now) {
            sayReplies()
            switch event {
            case .opened(let stream, let head, let isLast):
                let call = Call(
                    stream: stream, head: head, method: head.method.map { methods.all[$0] },
                    arrived: service.engine.now(), messageLimit: messageLimit(of: head.method))
                calls[stream] = call
                begin(call)
                if isLast { clientEnded(call) }
            case .data(let stream, let range, let isLast):
                guard let call = calls[stream] else { continue }
                if !range.isEmpty { take(UnsafeRawBufferPointer(rebasing: bytes[range]), of: call) }
                if isLast { clientEnded(call) }
            case .reset(let stream): if let call = calls[stream] { forget(call) }
            // Whatever the client had sent before it heard that we are going has come.
            case .pingAnswered: if isQuiescing { quiesced() }
            }
        }
        sayReplies()
    }

    /// Puts what is to be said of the connection behind what is to be said already.
    func sayReplies() {
        guard !frames.replies.isEmpty else { return }
        output.writeBytes(frames.replies)
        frames.replies.removeAll(keepingCapacity: frames.replies.count <= Self.keptReplies)
    }

    /// Bytes of the memory for replies that an idle connection keeps.
    private static let keptReplies = 512

    private func messageLimit(of method: Int?) -> Int {
        switch method.map({ methods.all[$0] }) {
        case .infer, .streamInfer: limits.messageBytes
        case .reflect: min(limits.messageBytes, GRPCLimits.reflectionMessageBytes)
        case .control, .watch, nil: min(limits.messageBytes, GRPCLimits.controlMessageBytes)
        }
    }
}
