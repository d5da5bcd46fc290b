// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import NIOSSL
internal import StraitFormats

/// The files that a server's TLS is made of, as PEM.
package struct TLSFiles: Sendable, Hashable {
    /// The server's certificate, and behind it those that lead to its authority.
    package var certificate: String
    /// The certificate's private key, not encrypted.
    package var key: String
    /// The authorities of which clients must have a certificate; nil where clients need none.
    package var clientAuthorities: String?

    package init(certificate: String, key: String, clientAuthorities: String? = nil) {
        self.certificate = certificate
        self.key = key
        self.clientAuthorities = clientAuthorities
    }

    /// Bytes of one file: room for hundreds of certificates.
    private static let largest = 1 << 20

    /// What the files hold, read and checked.
    struct Content {
        let chain: [NIOSSLCertificate]
        let key: NIOSSLPrivateKey
        let authorities: [NIOSSLCertificate]?
        /// What a person should look after, such as a certificate that expires soon.
        let warnings: [String]
    }

    /// Reads the files.
    func read() throws(TLSError) -> Content {
        let chain = try certificates(in: certificate)
        let authorities: [NIOSSLCertificate]?
        if let clientAuthorities { authorities = try certificates(in: clientAuthorities) } else { authorities = nil }
        var warnings = Self.validity(of: chain, certificate)
        if let authorities, let clientAuthorities { warnings += Self.validity(of: authorities, clientAuthorities) }
        return Content(chain: chain, key: try privateKey(), authorities: authorities, warnings: warnings)
    }

    private func bytes(of path: String) throws(TLSError) -> [UInt8] {
        do { return try Files.read(path, limit: Self.largest) } catch {
            throw TLSError(.unreadable, "\(path): \(error.message)")
        }
    }

    private func certificates(in path: String) throws(TLSError) -> [NIOSSLCertificate] {
        let bytes = try bytes(of: path)
        if let found = try? NIOSSLCertificate.fromPEMBytes(bytes), !found.isEmpty { return found }
        throw TLSError(
            .noCertificate,
            "\(path): no certificate in it; expected PEM, with -----BEGIN CERTIFICATE----- (of DER, make PEM by openssl "
                + "x509 -inform der -in FILE -out FILE.pem)")
    }

    private func privateKey() throws(TLSError) -> NIOSSLPrivateKey {
        let bytes = try bytes(of: key)
        do {
            // Without an answer of ours the library would ask for a password in the terminal, and wait.
            return try NIOSSLPrivateKey(bytes: bytes, format: .pem) { give in give([UInt8]()) }
        } catch {
            let isEncrypted = String(decoding: bytes, as: UTF8.self).contains("ENCRYPTED")
            throw TLSError(
                .noKey,
                isEncrypted
                    ? "\(key): the key is encrypted, and nobody is here to give its password; decrypt it by openssl pkey "
                        + "-in FILE -out FILE.plain, readable for this server only"
                    : "\(key): no private key in it; expected PEM, with -----BEGIN PRIVATE KEY-----")
        }
    }

    /// Warnings about certificates that are not valid now, or not for long.
    private static func validity(of certificates: [NIOSSLCertificate], _ path: String) -> [String] {
        let now = time(nil)
        var warnings: [String] = []
        for (index, certificate) in certificates.enumerated() {
            let which = certificates.count == 1 ? path : "\(path), certificate \(index + 1)"
            let left = certificate.notValidAfter - now
            if left < 0 {
                warnings.append("\(which): expired \(days(-left)) ago; clients will refuse it: renew it, then SIGHUP")
            } else if certificate.notValidBefore > now {
                warnings.append(
                    "\(which): not valid before \(days(certificate.notValidBefore - now)) from now; is the clock right?"
                )
            } else if left < soon {
                warnings.append("\(which): expires in \(days(left)); renew it, then SIGHUP")
            }
        }
        return warnings
    }

    /// Seconds before its end from which on a certificate should have been renewed: two weeks.
    private static let soon = 14 * 86_400

    private static func days(_ seconds: Int) -> String {
        let days = seconds / 86_400
        return days == 0 ? "less than a day" : days == 1 ? "1 day" : "\(days) days"
    }
}

/// Why there can be no TLS.
package struct TLSError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kinds of reasons.
    package enum Code: Sendable, Hashable {
        /// A file could not be read.
        case unreadable
        /// A file has no certificate in it.
        case noCertificate
        /// A file has no private key in it, or an encrypted one.
        case noKey
        /// The key is not that of the certificate.
        case mismatch
        /// The library does not take the certificates.
        case refused
    }

    /// The kind of reason.
    package let code: Code
    /// The file, what was found, and what to do.
    package let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { "TLS: \(message)" }
}
