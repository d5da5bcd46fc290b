// SPDX-License-Identifier: Apache-2.0

package import NIOCore
internal import NIOSSL
internal import Synchronization

/// TLS for listeners: made of files, which can be read again while it is in use.
///
/// TLS 1.2 and 1.3. Of 1.2 only ciphers with forward secrecy that encrypt and authenticate in one; of 1.3 all have both.
package final class TLSContext: Sendable {
    /// What a listener speaks, which clients are told in the handshake (ALPN).
    package enum Offer: Sendable, CaseIterable {
        /// HTTP/1.1.
        case http1
        /// HTTP/2.
        case http2
        /// HTTP/2, and HTTP/1.1 for those who do not know it.
        case both

        fileprivate var names: [String] {
            switch self {
            case .http1: ["http/1.1"]
            case .http2: ["h2"]
            case .both: ["h2", "http/1.1"]
            }
        }
    }

    /// The name of HTTP/2 in a handshake.
    package static let http2 = "h2"

    private struct State {
        var contexts: [Offer: NIOSSLContext]
        var warnings: [String]
    }

    private let files: TLSFiles
    private let handshakeTime: TimeAmount
    private let refused: @Sendable (() -> String) -> Void
    private let state: Mutex<State>

    /// TLS of what files hold.
    ///
    /// - Parameters:
    ///   - handshakeSeconds: how long a client may take until both sides agree.
    ///   - refused: is told of each connection that came to nothing, in words that are made only if it wants them. It is
    ///     called from event loops, as often as strangers like.
    /// - Throws: ``TLSError`` where they do not hold what is needed, and says what to do.
    package init(
        files: TLSFiles, handshakeSeconds: Int64, refused: @escaping @Sendable (() -> String) -> Void
    ) throws(TLSError) {
        self.files = files
        self.handshakeTime = .seconds(min(handshakeSeconds, Self.longestHandshakeSeconds))
        self.refused = refused
        state = Mutex(try Self.load(files))
    }

    /// A handshake takes a few round trips; who needs longer is not about to say anything.
    private static let longestHandshakeSeconds: Int64 = 30

    /// What a person should look after: certificates that are not valid now, or not for long.
    package var warnings: [String] { state.withLock { $0.warnings } }

    /// Reads the files again, for the connections to come.
    ///
    /// - Throws: ``TLSError``, and then all is as before.
    package func reload() throws(TLSError) {
        let fresh = try Self.load(files)
        state.withLock { $0 = fresh }
    }

    /// Puts TLS in front of what a new connection speaks; on the connection's event loop.
    ///
    /// - Parameters:
    ///   - tls: nil for none.
    ///   - offer: what can be spoken.
    ///   - speak: adds what speaks to the connection, at the end of its pipeline. It is called when the handshake is
    ///     done, with what was agreed on (nil where the client named nothing); at once where there is no TLS.
    package static func begin(
        _ tls: TLSContext?, offering offer: Offer, on channel: any Channel,
        speak: @escaping (_ channel: any Channel, _ agreed: String?) throws -> Void
    ) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            guard let tls, let context = tls.state.withLock({ $0.contexts[offer] }) else {
                return try speak(channel, nil)
            }
            let gate = HandshakeGate(within: tls.handshakeTime, refused: tls.refused, speak: speak)
            try channel.pipeline.syncOperations.addHandlers([NIOSSLServerHandler(context: context), gate])
        }
    }

    private static func load(_ files: TLSFiles) throws(TLSError) -> State {
        let content = try files.read()
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: content.chain.map { .certificate($0) }, privateKey: .privateKey(content.key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.cipherSuites = ciphers
        configuration.shutdownTimeout = shutdownTime
        if let authorities = content.authorities {
            configuration.trustRoots = .certificates(authorities)
            // A client's certificate names no host.
            configuration.certificateVerification = .noHostnameVerification
            configuration.sendCANameList = true
        }
        var contexts: [Offer: NIOSSLContext] = [:]
        for offer in Offer.allCases {
            configuration.applicationProtocols = offer.names
            do { contexts[offer] = try NIOSSLContext(configuration: configuration) } catch NIOSSLError
                .failedToLoadPrivateKey
            {
                throw TLSError(
                    .mismatch,
                    "\(files.key) is not the key of \(files.certificate); of several certificates in a file the server's "
                        + "own must be the first")
            } catch {
                throw TLSError(.refused, "\(files.certificate) with \(files.key) cannot be used: \(error)")
            }
        }
        return State(contexts: contexts, warnings: content.warnings)
    }

    /// Of TLS 1.2, as BoringSSL names them.
    private static let ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20"
    /// How long a client is waited for to agree to the end: many never do.
    private static let shutdownTime = TimeAmount.seconds(1)
}
