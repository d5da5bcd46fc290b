// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import StraitNetwork
internal import StraitServing

/// The flags of TLS for what `strait serve` listens on.
struct TLSOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Serve over TLS, with the certificate in this file (PEM; the server's own first, then those up to its "
                + "authority). SIGHUP reads it again.",
            valueName: "path"))
    var tlsCertificate: String?

    @Option(help: ArgumentHelp("The private key of --tls-certificate (PEM, not encrypted).", valueName: "path"))
    var tlsKey: String?

    @Option(
        help: ArgumentHelp(
            "Serve only clients that have a certificate of one of the authorities in this file (PEM).",
            valueName: "path"))
    var tlsClientCa: String?

    mutating func validate() throws {
        guard (tlsCertificate == nil) == (tlsKey == nil) else {
            throw ValidationError("--tls-certificate and --tls-key need each other")
        }
        guard tlsClientCa == nil || tlsCertificate != nil else {
            throw ValidationError("--tls-client-ca is for a server with --tls-certificate and --tls-key")
        }
    }

    /// TLS of the files; nil where none are named.
    ///
    /// - Throws: `TLSError`, which says what to do.
    func context(handshakeSeconds: Int64, log: ServerLog) throws -> TLSContext? {
        guard let tlsCertificate, let tlsKey else { return nil }
        let tls = try TLSContext(
            files: TLSFiles(certificate: tlsCertificate, key: tlsKey, clientAuthorities: tlsClientCa),
            handshakeSeconds: handshakeSeconds
        ) { words in
            if log.isVerbose(1) { log.verbose(1, words()) }
        }
        for warning in tls.warnings { log.note(.warning, "  warning: TLS: \(warning)") }
        return tls
    }

    /// Reads the certificates again, and says how that went.
    static func reload(_ tls: TLSContext, log: ServerLog) {
        do throws(TLSError) {
            try tls.reload()
            log.note(.info, "TLS: certificates read again; new connections get them")
            for warning in tls.warnings { log.note(.warning, "warning: TLS: \(warning)") }
        } catch {
            log.note(.error, "error: \(error); the certificates from before stay")
        }
    }
}
