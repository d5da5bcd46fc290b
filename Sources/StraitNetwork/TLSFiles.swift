// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import NIOSSL

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
        let chain = try PEM.certificates(in: certificate)
        let authorities: [NIOSSLCertificate]?
        if let clientAuthorities {
            authorities = try PEM.certificates(in: clientAuthorities)
        } else {
            authorities = nil
        }
        var warnings = Self.validity(of: chain, certificate)
        if let authorities, let clientAuthorities { warnings += Self.validity(of: authorities, clientAuthorities) }
        return Content(chain: chain, key: try PEM.privateKey(in: key), authorities: authorities, warnings: warnings)
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

    static func days(_ seconds: Int) -> String {
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
