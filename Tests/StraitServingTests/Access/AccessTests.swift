// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitProtocol
internal import Testing

@testable internal import StraitServing

/// Who may do what.
@Suite struct AccessTests {
    private let folder = Folder()

    private static func tenant(_ name: String, _ rest: String = "", models: String = "[\"*\"]") -> String {
        let digest = FileDigest.sha256(text: "\(name)-token")
        return "{\"name\": \"\(name)\", \"sha256\": [\"\(digest)\"], \"models\": \(models)\(rest)}"
    }

    private func write(_ tenants: String...) {
        folder.write("{\"strait_tokens\": 1, \"tenants\": [\(tenants.joined(separator: ","))]}", to: "tokens.json")
    }

    private func registry(places: Int = 1000) throws -> TenantRegistry {
        try TenantRegistry(path: "\(folder.path)/tokens.json", places: places)
    }

    private func code(_ body: () throws -> Void) -> ProtocolError.Code? {
        do { try body() } catch { return (error as? ProtocolError)?.code ?? (error as? Refusal)?.error.code }
        return nil
    }

    private func entering(
        _ operation: Operation, _ access: ConnectionAccess, model: String? = nil, token: String? = nil,
        fromPage: Bool = false
    ) -> ProtocolError.Code? {
        code { _ = try access.enter(operation, model: model, token: token, isFromPage: fromPage) }
    }

    @Test func `without tokens all but administering is for everybody`() {
        let far = ConnectionAccess(AccessControl(), isLocal: false)
        let near = ConnectionAccess(AccessControl(), isLocal: true)
        for operation in Operation.allCases {
            let isAdministering = operation.accessKind == .administering
            #expect(entering(operation, far) == (isAdministering ? .permissionDenied : nil), "\(operation)")
            #expect(entering(operation, near) == nil, "\(operation)")
            // A page that a browser on this machine shows is not this machine's user.
            #expect(entering(operation, near, fromPage: true) == (isAdministering ? .permissionDenied : nil))
        }
    }

    @Test func `administering can be off, or for all`() {
        for isLocal in [true, false] {
            let off = ConnectionAccess(AccessControl(administration: .off), isLocal: isLocal)
            let all = ConnectionAccess(AccessControl(administration: .all), isLocal: isLocal)
            #expect(entering(.loadModel, off) == .permissionDenied)
            #expect(entering(.loadModel, all) == nil)
        }
    }

    @Test func `with tokens only health and the server's name are for everybody`() throws {
        write(Self.tenant("user"), Self.tenant("admin", ", \"administer\": true"))
        let control = AccessControl(administration: .all, tenants: try registry())
        for operation in Operation.allCases {
            let access = ConnectionAccess(control, isLocal: true)
            let isOpen = operation.accessKind == .open
            let isAdministering = operation.accessKind == .administering
            #expect(entering(operation, access) == (isOpen ? nil : .unauthenticated), "\(operation)")
            #expect(entering(operation, access, token: "wrong") == (isOpen ? nil : .unauthenticated), "\(operation)")
            #expect(
                entering(operation, access, token: "user-token") == (isAdministering ? .permissionDenied : nil),
                "\(operation)")
            #expect(entering(operation, access, token: "admin-token") == nil, "\(operation)")
        }
        // Where it comes from still counts.
        let local = ConnectionAccess(AccessControl(administration: .local, tenants: control.tenants), isLocal: false)
        #expect(entering(.loadModel, local, token: "admin-token") == .permissionDenied)
    }

    @Test func `a connection that remembers a token takes no other for it`() throws {
        write(Self.tenant("a"), Self.tenant("b"))
        let access = ConnectionAccess(AccessControl(tenants: try registry()), isLocal: false)
        for name in ["a", "a", "b", "a"] {
            let caller = try access.enter(.infer, model: "m", token: "\(name)-token")
            #expect(caller.tenant?.entry.name == name)
        }
        #expect(entering(.infer, access, token: "a-tokem") == .unauthenticated)
        #expect(entering(.infer, access, token: "a-toke") == .unauthenticated)
        #expect(entering(.infer, access, token: "") == .unauthenticated)
        #expect(entering(.infer, access, token: String(repeating: "a", count: 1 << 20)) == .unauthenticated)
    }

    @Test func `models that a tenant may not use look the same whether they are there or not`() throws {
        write(Self.tenant("a", models: "[\"resnet*\", \"magika\"]"))
        let access = ConnectionAccess(AccessControl(tenants: try registry()), isLocal: false)
        #expect(entering(.infer, access, model: "resnet50", token: "a-token") == nil)
        #expect(entering(.modelConfiguration, access, model: "minilm", token: "a-token") == .permissionDenied)
        #expect(entering(.infer, access, model: "none such", token: "a-token") == .permissionDenied)
    }

    @Test func `who may not claim the high class is refused with a claim and low without`() throws {
        write(Self.tenant("low"), Self.tenant("high", ", \"high\": true"))
        let access = ConnectionAccess(AccessControl(tenants: try registry()), isLocal: false)
        let low = try access.enter(.infer, model: "m", token: "low-token")
        #expect(code { _ = try low.requestClass(claimed: .high, usual: .low) } == .permissionDenied)
        #expect(try low.requestClass(claimed: nil, usual: .high) == .low)
        #expect(try low.requestClass(claimed: .low, usual: .high) == .low)
        for caller in [try access.enter(.infer, model: "m", token: "high-token"), .trusted] {
            #expect(try caller.requestClass(claimed: .high, usual: .low) == .high)
            #expect(try caller.requestClass(claimed: nil, usual: .high) == .high)
            #expect(try caller.requestClass(claimed: .low, usual: .high) == .low)
        }
    }

    @Test func `places come back once, with the answer or when nobody holds them`() throws {
        write(Self.tenant("a", ", \"concurrency\": 2"))
        let access = ConnectionAccess(AccessControl(tenants: try registry()), isLocal: false)
        let caller = try access.enter(.infer, model: "m", token: "a-token")
        var first = try caller.enter(at: .zero)
        let second = try caller.enter(at: .zero)
        #expect(code { _ = try caller.enter(at: .zero) } == .resourceExhausted)
        second?.end()
        second?.end()
        #expect(caller.tenant?.open == 1)
        first?.end()
        first = nil
        #expect(caller.tenant?.open == 0)
        _ = try caller.enter(at: .zero)
        #expect(caller.tenant?.open == 0)
    }

    @Test func `tenants that say nothing of it share the waiting queue and cannot fill it`() throws {
        write(Self.tenant("a"), Self.tenant("b"))
        let access = ConnectionAccess(AccessControl(tenants: try registry(places: 10)), isLocal: false)
        let caller = try access.enter(.infer, model: "m", token: "a-token")
        let permits = try (0..<4).map { _ in try caller.enter(at: .zero) }
        #expect(code { _ = try caller.enter(at: .zero) } == .resourceExhausted)
        #expect(try access.enter(.infer, model: "m", token: "b-token").enter(at: .zero) != nil)
        withExtendedLifetime(permits) {}
    }

    @Test func `a file that is read again counts for open connections, and what is in flight stays counted`() throws {
        write(Self.tenant("a", ", \"concurrency\": 1"), Self.tenant("gone"))
        let registry = try registry()
        let access = ConnectionAccess(AccessControl(tenants: registry), isLocal: false)
        let permit = try access.enter(.infer, model: "m", token: "a-token").enter(at: .zero)
        let gone = ConnectionAccess(AccessControl(tenants: registry), isLocal: false)
        #expect(entering(.infer, gone, token: "gone-token") == nil)

        folder.write("{ not a file of tokens", to: "tokens.json")
        do throws(FormatError) {
            _ = try registry.reload()
            Issue.record("a broken file was taken")
        } catch {
            #expect("\(error)".contains("tokens.json"))
        }
        #expect(entering(.infer, gone, token: "gone-token") == nil)

        write(Self.tenant("a", ", \"concurrency\": 2", models: "[\"n\"]"))
        #expect(try registry.reload() == 1)
        #expect(entering(.infer, gone, token: "gone-token") == .unauthenticated)
        #expect(entering(.infer, access, model: "m", token: "a-token") == .permissionDenied)
        let caller = try access.enter(.infer, model: "n", token: "a-token")
        let another = try caller.enter(at: .zero)
        #expect(code { _ = try caller.enter(at: .zero) } == .resourceExhausted)
        permit?.end()
        #expect(caller.tenant?.open == 1)
        withExtendedLifetime(another) {}
    }

    @Test func `more promised than there is room for is told`() throws {
        write(Self.tenant("a", ", \"concurrency\": 8"), Self.tenant("b", ", \"concurrency\": 8"))
        #expect(try registry(places: 16).warning == nil)
        #expect(try registry(places: 15).warning?.contains("16 requests in flight together") == true)
    }

    @Test(
        arguments: [
            ("Bearer abc", nil, "abc"), ("bearer  abc", nil, "abc"), ("Basic abc", nil, nil), (nil, "key", "key"),
            ("Basic abc", "key", "key"), ("Bearer abc", "key", "abc"), ("Bearer", nil, ""), ("Bearerabc", nil, nil),
        ] as [(String?, String?, String?)])
    func `tokens are found in either header`(authorization: String?, apiKey: String?, token: String?) {
        #expect(ConnectionAccess.token(authorization: authorization, apiKey: apiKey) == token)
    }

    @Test func `secrets are compared to their end`() {
        #expect(isSameSecret("", "") && isSameSecret("abc", "abc"))
        #expect(!isSameSecret("abc", "abd") && !isSameSecret("abc", "xbc") && !isSameSecret("abc", "ab"))
    }
}
