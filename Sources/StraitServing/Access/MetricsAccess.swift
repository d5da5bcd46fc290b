// SPDX-License-Identifier: Apache-2.0

package import StraitFormats
package import StraitProtocol
internal import Synchronization

/// Who may read metrics: whoever has a token of a file that is for just that, and any tenant; anybody where there are
/// neither.
package final class MetricsAccess: Sendable {
    private let path: String?
    private let tenants: TenantRegistry?
    private let digests: Mutex<[String]>

    /// - Parameters:
    ///   - path: the file of tokens for metrics; nil for none.
    ///   - tenants: whose tokens count as well; nil where requests need no token.
    /// - Throws: what is wrong with the file, and what is expected.
    package init(path: String? = nil, tenants: TenantRegistry? = nil) throws(FormatError) {
        self.path = path
        self.tenants = tenants
        if let path { digests = Mutex(try MetricsTokensFile(path: path).digests) } else { digests = Mutex([]) }
    }

    /// Whether a token is needed at all.
    package var wantsTokens: Bool { path != nil || tenants != nil }
    /// Whether there is a file to read again.
    package var hasFile: Bool { path != nil }

    /// Reads the file again, for the scrapes to come. Where it cannot be read, all is as before.
    package func reload() throws(FormatError) {
        guard let path else { return }
        let fresh = try MetricsTokensFile(path: path).digests
        digests.withLock { $0 = fresh }
    }

    /// Why a scrape is refused; nil where it may read.
    ///
    /// - Parameter token: as ``ConnectionAccess/token(authorization:apiKey:)`` finds it.
    /// - Complexity: O(bytes of the token + tokens), the same whichever it is.
    package func refusal(token: String?) -> ProtocolError? {
        guard wantsTokens else { return nil }
        guard let token else { return Self.noToken }
        guard token.utf8.count <= Self.longestToken else { return Self.wrongToken }
        let digest = FileDigest.sha256(text: token)
        var isKnown = tenants?.find(token: token) != nil
        for own in digests.withLock(\.self) where isSameSecret(own, digest) { isKnown = true }
        return isKnown ? nil : Self.wrongToken
    }

    /// Bytes of a token: what is longer is not looked at.
    private static let longestToken = 512

    private static let noToken = ProtocolError(
        .unauthenticated,
        "a token is needed to read metrics; send it as Authorization: Bearer TOKEN (Prometheus: authorization, "
            + "credentials_file)")
    private static let wrongToken = ProtocolError(
        .unauthenticated, "the token is not known here, or is no longer; see --metrics-token-file")
}
