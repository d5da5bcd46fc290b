// SPDX-License-Identifier: Apache-2.0

internal import StraitFormats
internal import StraitProtocol
internal import Testing

@testable internal import StraitServing

/// Who may read metrics.
@Suite struct MetricsAccessTests {
    private let folder = Folder()
    private let first = "scraper-token-0001"
    private let second = "scraper-token-0002"

    private func access(_ text: String, _ tenants: TenantRegistry? = nil) throws -> MetricsAccess {
        folder.write(text, to: "tokens")
        return try MetricsAccess(path: "\(folder.path)/tokens", tenants: tenants)
    }

    private func complaint(_ text: String) -> String {
        do {
            _ = try access(text)
            return ""
        } catch { return "\(error)" }
    }

    @Test func `without files anybody may`() throws {
        let open = try MetricsAccess()
        #expect(!open.wantsTokens)
        #expect(open.refusal(token: nil) == nil)
    }

    @Test func `tokens and digests of a file open`() throws {
        let digest = FileDigest.sha256(text: second).uppercased()
        let access = try access("# Prometheus\n \(first)\r\n\nsha256:\(digest)")
        #expect(access.refusal(token: first) == nil)
        #expect(access.refusal(token: second) == nil)
        for token in [nil, "", String(first.dropLast()), first + " ", digest, String(repeating: "x", count: 600)] {
            #expect(access.refusal(token: token)?.code == .unauthenticated)
        }
    }

    @Test func `tenants may read, with a file or without`() throws {
        let digest = FileDigest.sha256(text: "tenant-token")
        folder.write(
            "{\"strait_tokens\": 1, \"tenants\": [{\"name\": \"a\", \"sha256\": [\"\(digest)\"], \"models\": [\"*\"]}]}",
            to: "tokens.json")
        let tenants = try TenantRegistry(path: "\(folder.path)/tokens.json", places: 10)
        for access in [try MetricsAccess(tenants: tenants), try access(first, tenants)] {
            #expect(access.refusal(token: "tenant-token") == nil)
            #expect(access.refusal(token: nil)?.code == .unauthenticated)
        }
    }

    @Test func `the file is read again, and a broken one changes nothing`() throws {
        let access = try access(first)
        folder.write(second, to: "tokens")
        try access.reload()
        #expect(access.refusal(token: first) != nil)
        #expect(access.refusal(token: second) == nil)
        folder.write("short", to: "tokens")
        #expect(throws: FormatError.self) { try access.reload() }
        #expect(access.refusal(token: second) == nil)
    }

    @Test func `what is no file of tokens is refused, and nothing of it told`() {
        #expect(complaint("# nobody\n").contains("0 tokens; expected 1 to 8"))
        #expect(complaint(String(repeating: first + "\n", count: 9)).contains("9 tokens"))
        for secret in ["too-short", "with blanks in the middle", "sha256:12ab", String(repeating: "y", count: 513)] {
            let words = complaint("#\n\(secret)\n")
            #expect(words.contains("tokens:2: expected a token of 16 to 512 letters"))
            #expect(!words.contains(secret))
        }
        #expect(throws: FormatError.self) { try MetricsAccess(path: "\(folder.path)/none") }
    }
}
