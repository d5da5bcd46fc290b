// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import NIOCore
internal import NIOSSL
internal import NIOTLS

/// Stands behind TLS in a client's new connection until the handshake is done, then makes way for what speaks.
final class ClientHandshakeGate: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let host: String
    private let needs: String?
    private let time: TimeAmount
    private let speak: (any Channel) throws -> Void
    private let failed: (any Error) -> Void
    private var limit: Scheduled<Void>?
    private var isActive = false
    private var isDone = false

    /// A gate.
    ///
    /// - Parameters:
    ///   - needs: what must be agreed on; nil for whatever the server likes.
    ///   - time: how long the handshake may take.
    ///   - speak: adds what speaks.
    ///   - failed: is told why a connection that was made came to nothing.
    init(
        host: String, needs: String?, within time: TimeAmount, speak: @escaping (any Channel) throws -> Void,
        failed: @escaping (any Error) -> Void
    ) {
        self.host = host
        self.needs = needs
        self.time = time
        self.speak = speak
        self.failed = failed
    }

    func channelActive(context: ChannelHandlerContext) {
        isActive = true
        let bound = NIOLoopBound((gate: self, context: context), eventLoop: context.eventLoop)
        limit = context.eventLoop.scheduleTask(in: time) {
            let (gate, context) = bound.value
            gate.fail(context, PeerError("no TLS handshake within 5 s; does \(gate.host) speak TLS on this port?"))
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { limit?.cancel() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case TLSUserEvent.handshakeCompleted(let agreed) = event, !isDone else {
            return context.fireUserInboundEventTriggered(event)
        }
        guard needs == nil || agreed == needs else {
            return fail(
                context,
                PeerError("no HTTP/2 is spoken over TLS on this port, which gRPC needs; is it the port for HTTP?"))
        }
        do {
            try speak(context.channel)
            isDone = true
            context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        } catch {
            fail(context, error)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let shown = try? context.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self).peerCertificate
        fail(context, PeerError(PeerError.words(error, host: host, certificate: shown)))
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(context, PeerError("it hung up in the TLS handshake; does \(host) speak TLS on this port?"))
        context.fireChannelInactive()
    }

    private func fail(_ context: ChannelHandlerContext, _ error: any Error) {
        guard !isDone else { return }
        isDone = true
        if isActive { failed(error) }
        context.close(promise: nil)
    }
}

/// Why a client and a server did not come together over TLS, in words that say what to do.
package struct PeerError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was found, and what to do.
    package let description: String

    init(_ description: String) { self.description = description }

    /// What an error of TLS means on a connection that speaks already, such as one of a server that misses the client's
    /// certificate; nil for other errors.
    package static func words(_ error: any Error) -> String? {
        if let error = error as? PeerError { return error.description }
        guard error is NIOSSLError || error is BoringSSLError else { return nil }
        return words(error, host: "the server", certificate: nil)
    }

    fileprivate static func words(_ error: any Error, host: String, certificate: NIOSSLCertificate?) -> String {
        if let error = error as? NIOSSLExtraError, error == .failedToValidateHostname {
            let names = certificate.map(Self.names) ?? ""
            return "its certificate is not for \(host)\(names.isEmpty ? "" : " but for \(names)"); "
                + "ask for it by a name of the certificate"
        }
        let text = "\(error)"
        if text.contains("CERTIFICATE_VERIFY_FAILED") { return distrust(certificate) }
        for (mark, words) in known where text.contains(mark) { return words }
        return "TLS failed: \(text)"
    }

    private static func distrust(_ certificate: NIOSSLCertificate?) -> String {
        if let certificate {
            let now = time(nil)
            if certificate.notValidAfter < now {
                return "its certificate expired \(TLSFiles.days(now - certificate.notValidAfter)) ago"
            }
            if certificate.notValidBefore > now {
                return
                    "its certificate is not valid before \(TLSFiles.days(certificate.notValidBefore - now)) from now; is "
                    + "the clock right?"
            }
        }
        return "its certificate is of no authority that is trusted here; name the file with the one that signed it "
            + "(--ca-file)"
    }

    /// Names that are listed of a certificate: it may have thousands.
    private static let mostNames = 5

    private static func names(_ certificate: NIOSSLCertificate) -> String {
        var names: [String] = []
        for name in certificate._subjectAlternativeNames() {
            names += name.contents.withUnsafeBufferPointer { bytes -> [String] in
                switch name.nameType {
                case .dnsName: [String(decoding: bytes.map { (0x21...0x7E).contains($0) ? $0 : 0x3F }, as: UTF8.self)]
                case .ipAddress where bytes.count == 4: [bytes.map { "\($0)" }.joined(separator: ".")]
                default: []
                }
            }
        }
        return names.prefix(mostNames).joined(separator: ", ") + (names.count > mostNames ? ", …" : "")
    }

    private static let known = [
        ("WRONG_VERSION_NUMBER", "it does not speak TLS on this port; ask with http:// or grpc://"),
        ("HTTP_REQUEST", "it does not speak TLS on this port; ask with http:// or grpc://"),
        ("CERTIFICATE_REQUIRED", wanted), ("HANDSHAKE_FAILURE", "it has no cipher in common with us, or \(wanted)"),
        ("UNKNOWN_CA", "it does not trust our certificate (--client-certificate): another authority signed it"),
        ("CERTIFICATE_EXPIRED", "our certificate (--client-certificate) has expired"),
        ("CERTIFICATE_UNKNOWN", "it does not take our certificate (--client-certificate)"),
        ("BAD_CERTIFICATE", "it does not take our certificate (--client-certificate)"),
        ("PROTOCOL_VERSION", "it speaks no version of TLS from 1.2 on"),
        ("UNSUPPORTED_PROTOCOL", "it speaks no version of TLS from 1.2 on"),
        ("NO_APPLICATION_PROTOCOL", "it does not speak over TLS on this port what is asked for; is it the right port?"),
        ("EOF during handshake", "it hung up in the TLS handshake; is it a port for TLS, or \(wanted)?"),
    ]

    private static let wanted = "it wants a certificate of its clients; show one (--client-certificate, --client-key)"
}
