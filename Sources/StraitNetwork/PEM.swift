// SPDX-License-Identifier: Apache-2.0

internal import NIOSSL
internal import StraitFormats

/// Reads certificates and keys, and says what to do where there are none.
enum PEM {
    /// Bytes of one file: room for hundreds of certificates.
    private static let largest = 1 << 20

    private static func bytes(of path: String) throws(TLSError) -> [UInt8] {
        do { return try Files.read(path, limit: largest) } catch {
            throw TLSError(.unreadable, "\(path): \(error.message)")
        }
    }

    /// The certificates of a file, at least one.
    static func certificates(in path: String) throws(TLSError) -> [NIOSSLCertificate] {
        let bytes = try bytes(of: path)
        if let found = try? NIOSSLCertificate.fromPEMBytes(bytes), !found.isEmpty { return found }
        throw TLSError(
            .noCertificate,
            "\(path): no certificate in it; expected PEM, with -----BEGIN CERTIFICATE----- (of DER, make PEM by openssl "
                + "x509 -inform der -in FILE -out FILE.pem)")
    }

    /// The private key of a file.
    static func privateKey(in key: String) throws(TLSError) -> NIOSSLPrivateKey {
        let bytes = try bytes(of: key)
        do {
            // Without an answer of ours the library would ask for a password in the terminal, and wait.
            return try NIOSSLPrivateKey(bytes: bytes, format: .pem) { give in give([UInt8]()) }
        } catch {
            let isEncrypted = String(decoding: bytes, as: UTF8.self).contains("ENCRYPTED")
            throw TLSError(
                .noKey,
                isEncrypted
                    ? "\(key): the key is encrypted, and nobody is asked for its password; decrypt it by openssl pkey "
                        + "-in FILE -out FILE.plain, readable for its user only"
                    : "\(key): no private key in it; expected PEM, with -----BEGIN PRIVATE KEY-----")
        }
    }
}
