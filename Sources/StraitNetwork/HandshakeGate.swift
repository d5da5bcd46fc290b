// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOTLS

/// Stands behind TLS in a new connection until the handshake is done, then makes way for what speaks.
final class HandshakeGate: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let time: TimeAmount
    private let refused: (() -> String) -> Void
    private let speak: (any Channel, String?) throws -> Void
    private var limit: Scheduled<Void>?
    private var isDone = false

    /// A gate.
    ///
    /// - Parameters:
    ///   - time: how long the handshake may take.
    ///   - refused: is told where it comes to nothing.
    ///   - speak: adds what speaks, given what was agreed on.
    init(
        within time: TimeAmount, refused: @escaping (() -> String) -> Void,
        speak: @escaping (any Channel, String?) throws -> Void
    ) {
        self.time = time
        self.refused = refused
        self.speak = speak
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((gate: self, context: context), eventLoop: context.eventLoop)
        limit = context.eventLoop.scheduleTask(in: time) {
            let (gate, context) = bound.value
            guard !gate.isDone else { return }
            gate.refuse(context, "no handshake within the time for it")
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        isDone = true
        limit?.cancel()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case TLSUserEvent.handshakeCompleted(let agreed): makeWay(context, agreed)
        // The server goes, and this connection has asked for nothing.
        case is ChannelShouldQuiesceEvent: context.close(promise: nil)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { refuse(context, Self.words(error)) }

    private func makeWay(_ context: ChannelHandlerContext, _ agreed: String?) {
        guard !isDone else { return }
        isDone = true
        do {
            try speak(context.channel, agreed)
            context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        } catch {
            context.close(promise: nil)
        }
    }

    private func refuse(_ context: ChannelHandlerContext, _ reason: String) {
        if !isDone {
            isDone = true
            let client = context.channel.remoteAddress?.description ?? "a client"
            refused { "TLS: \(client) refused: \(reason)" }
        }
        context.close(promise: nil)
    }

    /// What the library's error means.
    private static func words(_ error: any Error) -> String {
        let text = "\(error)"
        for (mark, words) in known where text.contains(mark) { return words }
        return text
    }

    private static let known = [
        ("HTTP_REQUEST", "it speaks HTTP without TLS"),
        ("WRONG_VERSION_NUMBER", "it does not speak TLS"),
        ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "it has no certificate, and one is asked for"),
        ("CERTIFICATE_VERIFY_FAILED", "its certificate is not of an authority that is taken, or not valid now"),
        ("UNSUPPORTED_PROTOCOL", "it speaks no version from TLS 1.2 on"),
        ("NO_SHARED_CIPHER", "it has no cipher in common with us"),
        ("UNKNOWN_CA", "it does not trust our certificate"),
        ("EOF during handshake", "it hung up in the handshake"),
    ]
}
