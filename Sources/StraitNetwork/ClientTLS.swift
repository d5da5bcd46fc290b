// SPDX-License-Identifier: Apache-2.0

package import NIOCore
internal import NIOSSL

/// Whom a client trusts over TLS, and what it shows of itself: names of files, not read yet.
package struct ClientTrust: Sendable, Hashable {
    /// The authorities (PEM) that may have signed the server's certificate; nil for those of the system.
    package var authorities: String?
    /// The client's certificate (PEM, those up to its authority behind it); nil for none.
    package var certificate: String?
    /// The private key of the certificate (PEM, not encrypted).
    package var key: String?
    /// Whether the server must show that it is who it should be. Without, whoever answers is believed.
    package var isVerified = true

    /// The system's authorities, and nothing shown.
    package init() {}

    /// Whether anything of it was asked for.
    package var isUsual: Bool { self == ClientTrust() }
}

/// TLS of a client: 1.2 and 1.3, the server's certificate checked up to its authority, for its time and for its name.
package final class ClientTLS: Sendable {
    /// What a client speaks, which is agreed on in the handshake (ALPN).
    package enum Speech: String, Sendable, CaseIterable {
        case http1 = "http/1.1"
        case http2 = "h2"
    }

    private let contexts: [Speech: NIOSSLContext]

    /// A handshake takes a few round trips; who needs longer does not speak TLS, or is too busy to serve.
    private static let handshakeTime = TimeAmount.seconds(5)
    /// How long a server is waited for to agree to the end.
    private static let shutdownTime = TimeAmount.seconds(1)

    /// TLS of what the files hold.
    ///
    /// - Throws: ``TLSError``, which says what to do.
    package init(_ trust: ClientTrust) throws(TLSError) {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.shutdownTimeout = Self.shutdownTime
        if let path = trust.authorities {
            configuration.trustRoots = .certificates(try PEM.certificates(in: path))
        }
        if let path = trust.certificate, let key = trust.key {
            configuration.certificateChain = try PEM.certificates(in: path).map { .certificate($0) }
            configuration.privateKey = .privateKey(try PEM.privateKey(in: key))
        }
        if !trust.isVerified { configuration.certificateVerification = .none }
        var contexts: [Speech: NIOSSLContext] = [:]
        for speech in Speech.allCases {
            configuration.applicationProtocols = [speech.rawValue]
            do { contexts[speech] = try NIOSSLContext(configuration: configuration) } catch NIOSSLError
                .failedToLoadPrivateKey
            {
                throw TLSError(.mismatch, "\(trust.key ?? "") is not the key of \(trust.certificate ?? "")")
            } catch {
                throw TLSError(
                    .refused,
                    trust.authorities == nil && trust.isVerified
                        ? "the authorities of this system cannot be read (are ca-certificates installed?): \(error)"
                        : "the certificates cannot be used: \(error)")
            }
        }
        self.contexts = contexts
    }

    /// Puts TLS in front of what a connection speaks that is about to be made; on its event loop.
    ///
    /// - Parameters:
    ///   - tls: nil for none.
    ///   - host: whom it is made to, by name or address, which its certificate must have.
    ///   - speak: adds what speaks, when the handshake is done; at once where there is no TLS.
    ///   - failed: told once of a connection that was made and came to nothing before anything was spoken.
    package static func begin(
        _ tls: ClientTLS?, to host: String, speaking speech: Speech, on channel: any Channel,
        speak: @escaping (any Channel) throws -> Void, failed: @escaping (any Error) -> Void
    ) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            guard let tls, let context = tls.contexts[speech] else { return try speak(channel) }
            // An address is no name: it is compared with the addresses in the certificate by the library itself.
            let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
            let handler = try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
            let gate = ClientHandshakeGate(
                host: host, needs: speech == .http2 ? speech.rawValue : nil, within: handshakeTime, speak: speak,
                failed: failed)
            try channel.pipeline.syncOperations.addHandlers([handler, gate])
        }
    }
}
