// SPDX-License-Identifier: Apache-2.0

package import StraitCore
internal import StraitFormats
package import StraitProtocol

/// Who may do what, for both transports.
package struct AccessControl: Sendable {
    /// From where the server may be administered.
    package enum Administration: String, Sendable, Hashable, CaseIterable {
        /// From this machine: peers with a loopback address.
        case local
        /// From nowhere.
        case off
        /// From everywhere.
        case all
    }

    /// From where the server may be administered.
    package let administration: Administration
    /// Whose requests are taken; nil for anybody's.
    package let tenants: TenantRegistry?

    package init(administration: Administration = .local, tenants: TenantRegistry? = nil) {
        self.administration = administration
        self.tenants = tenants
    }

    func mayAdminister(fromHere isLocal: Bool) -> Bool {
        switch administration {
        case .local: isLocal
        case .off: false
        case .all: true
        }
    }
}

/// Who sends a request, as far as it was found out, and what that allows.
package struct Caller: Sendable {
    /// Whose token came with it; nil where no tokens are wanted.
    package let tenant: Tenant?
    /// Whether it may change the server, and use memory that is shared with it.
    package let mayAdminister: Bool

    /// What asks from inside: tests, and the server itself.
    package static let trusted = Caller(tenant: nil, mayAdminister: true)
    /// Who was not looked at yet.
    package static let unknown = Caller(tenant: nil, mayAdminister: false)

    /// Checks that it may use a model.
    ///
    /// - Throws: ``ProtocolError`` `permissionDenied`, the same whether there is such a model or not.
    package func check(model: String?) throws(ProtocolError) {
        guard let tenant, let model, !model.isEmpty, !tenant.mayUse(model) else { return }
        throw ProtocolError(
            .permissionDenied,
            "tenant '\(tenant.entry.name)' may not use a model of this name (models in the tokens file)")
    }

    /// Takes an inference in, within the limits of its tenant; nil where there are none.
    ///
    /// - Throws: ``Refusal`` with `resourceExhausted`.
    package func enter(at now: Instant) throws(Refusal) -> Permit? { try tenant?.enter(at: now) }

    /// The class that a request gets.
    ///
    /// - Parameters:
    ///   - claimed: what the request says itself; nil for nothing.
    ///   - usual: of its model.
    /// - Throws: `permissionDenied` for a claim without the right to it: served as low it would be late, and nobody would
    ///   know why. Who claims nothing gets what it may have.
    func requestClass(claimed: RequestClass?, usual: RequestClass) throws(ProtocolError) -> RequestClass {
        guard let tenant, !tenant.entry.mayClaimHigh else { return claimed ?? usual }
        guard claimed != .high else {
            throw ProtocolError(
                .permissionDenied,
                "tenant '\(tenant.entry.name)' may not send high requests (high in the tokens file); leave priority out"
            )
        }
        return .low
    }

    /// Checks that a request may use the regions of memory that it names: they are one name space for all.
    func checkSharedMemory(of request: InferenceRequest) throws(ProtocolError) {
        guard !mayAdminister else { return }
        guard request.sharedInputs.isEmpty, request.outputs.allSatisfy({ $0.place == nil }) else {
            throw ProtocolError(
                .permissionDenied,
                "shared memory is for those who may administer this server; send tensors in the request")
        }
    }
}
