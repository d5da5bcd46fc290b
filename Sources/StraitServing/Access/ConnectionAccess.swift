// SPDX-License-Identifier: Apache-2.0

internal import StraitFormats
package import StraitProtocol

/// The door of one connection: finds out who sends a request. Lives on the connection's event loop.
///
/// Clients send the same token again and again, so the last one is remembered.
package final class ConnectionAccess {
    private let control: AccessControl
    private let isLocal: Bool
    private var last: (token: String, generation: UInt64, tenant: Tenant)?

    /// - Parameter isLocal: whether the other end is on this machine.
    package init(_ control: AccessControl, isLocal: Bool) {
        self.control = control
        self.isLocal = isLocal
    }

    /// Whether tokens are wanted at all; where not, nobody needs to look for one.
    package var wantsTokens: Bool { control.tenants != nil }

    /// Lets a request in, or says why not.
    ///
    /// - Parameters:
    ///   - model: the model that it names, where that is known already.
    ///   - token: as ``token(authorization:apiKey:)`` finds it.
    ///   - isFromPage: whether a browser sent it for a page, which tells its origin. Such a request comes from this machine
    ///     without anybody on it having asked.
    /// - Throws: ``ProtocolError`` `unauthenticated` or `permissionDenied`.
    /// - Complexity: O(bytes of the token); O(tenants) for a token that is new to the connection.
    package func enter(
        _ operation: Operation, model: String?, token: String?, isFromPage: Bool = false
    ) throws(ProtocolError) -> Caller {
        let kind = operation.accessKind
        let isHere = control.mayAdminister(fromHere: isLocal)
        guard let tenants = control.tenants else {
            let caller = Caller(tenant: nil, mayAdminister: isHere)
            if kind == .administering {
                guard isHere else { throw Self.wrongPlace(control.administration) }
                guard !isFromPage else { throw Self.fromPage }
            }
            return caller
        }
        guard let token, let tenant = tenant(token, tenants) else {
            guard kind != .open else { return Caller(tenant: nil, mayAdminister: false) }
            throw token == nil ? Self.noToken : Self.wrongToken
        }
        let caller = Caller(tenant: tenant, mayAdminister: isHere && tenant.entry.mayAdminister)
        if kind == .administering {
            guard isHere else { throw Self.wrongPlace(control.administration) }
            guard tenant.entry.mayAdminister else {
                throw ProtocolError(
                    .permissionDenied,
                    "tenant '\(tenant.entry.name)' may not administer this server (administer in the tokens file)")
            }
        }
        try caller.check(model: model)
        return caller
    }

    private func tenant(_ token: String, _ tenants: TenantRegistry) -> Tenant? {
        let generation = tenants.generation
        if let last, last.generation == generation, isSameSecret(last.token, token) { return last.tenant }
        guard let tenant = tenants.find(token: token) else { return nil }
        last = (token, generation, tenant)
        return tenant
    }

    /// The token that a request brings, in one of the two headers that are in use.
    package static func token(authorization: String?, apiKey: String?) -> String? {
        guard let authorization else { return apiKey }
        let scheme = authorization.prefix { $0 != " " }
        guard scheme.utf8.count == Self.scheme.utf8.count, scheme.lowercased() == Self.scheme else { return apiKey }
        return String(authorization.dropFirst(scheme.count).drop { $0 == " " })
    }

    private static let scheme = "bearer"

    private static let noToken = ProtocolError(
        .unauthenticated, "a token is needed here; send it as Authorization: Bearer TOKEN, or as x-api-key: TOKEN")
    private static let wrongToken = ProtocolError(
        .unauthenticated, "the token is not known here, or is no longer; ask who runs this server for another")
    private static let fromPage = ProtocolError(
        .permissionDenied, "web pages may not administer this server; send the request without an Origin")

    private static func wrongPlace(_ administration: AccessControl.Administration) -> ProtocolError {
        ProtocolError(
            .permissionDenied,
            administration == .off
                ? "this server is not administered by requests (--admin off)"
                : "this server is administered from its own machine only; see --admin")
    }
}
