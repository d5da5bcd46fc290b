// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable internal import StraitFormats

@Suite struct TokensFileTests {
    private static let digest = FileDigest.sha256(text: "secret")

    private static func file(_ tenants: String...) -> String {
        "{\"strait_tokens\": 1, \"tenants\": [\(tenants.joined(separator: ", "))]}"
    }

    private static func tenant(
        _ name: String, _ digest: String = digest, models: String = "[\"*\"]", rest: String = ""
    )
        -> String
    {
        "{\"name\": \"\(name)\", \"sha256\": [\"\(digest)\"], \"models\": \(models)\(rest)}"
    }

    private func message(_ text: String) -> String {
        do throws(FormatError) {
            _ = try TokensFile(text: text)
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    @Test func `an entry says all that a tenant may do`() throws {
        let full = Self.tenant(
            "vision-1", Self.digest.uppercased(), models: "[\"resnet*\", \"magika\"]",
            rest:
                ", \"high\": true, \"administer\": true, \"requests_per_second\": 2.5, \"burst\": 10, \"concurrency\": 4"
        )
        let other = Self.tenant("other", FileDigest.sha256(text: "another"))
        let tenants = try TokensFile(text: Self.file(full, other)).tenants
        #expect(tenants.count == 2)
        var expected = TokensFile.Tenant(name: "vision-1", digests: [Self.digest], models: ["resnet*", "magika"])
        expected.mayClaimHigh = true
        expected.mayAdminister = true
        expected.requestsPerSecond = 2.5
        expected.burst = 10
        expected.concurrency = 4
        #expect(tenants[0] == expected)
        // Nothing that is not said is allowed.
        #expect(!tenants[1].mayClaimHigh && !tenants[1].mayAdminister && tenants[1].requestsPerSecond == nil)
    }

    @Test func `an entry that is written reads back`() throws {
        var tenant = TokensFile.Tenant(name: "a.b", digests: [Self.digest], models: ["m\"*"])
        #expect(try TokensFile(text: Self.file(tenant.json)).tenants == [tenant])
        tenant.mayClaimHigh = true
        tenant.mayAdminister = true
        tenant.requestsPerSecond = 0.5
        tenant.burst = 3
        tenant.concurrency = 7
        #expect(try TokensFile(text: Self.file(tenant.json)).tenants == [tenant])
    }

    @Test(arguments: [
        (file(), "tenants: expected an array of 1 to 1024, found none"),
        (file(tenant("a"), tenant("a", String(repeating: "0", count: 64))), "there is a tenant \"a\" already"),
        (file(tenant("a"), tenant("b")), "stands twice in the file"),
        (file(tenant("a", "12")), "expected 64 hexadecimal digits"),
        (file(tenant("a", String(repeating: "g", count: 64))), "expected 64 hexadecimal digits"),
        (file(tenant("two words")), "expected at most 64 letters"),
        (file(tenant("a\\nINFO: all is well")), "expected at most 64 letters"),
        (file(tenant("a", models: "[]")), "models: expected an array of 1 to 256, found none"),
        (file(tenant("a", models: "[1]")), "expected strings of 1 to 256 bytes, found 1"),
        (file(tenant("a", rest: ", \"requests_per_second\": 0")), "requests_per_second: expected a number"),
        (file(tenant("a", rest: ", \"burst\": 2")), "means nothing without requests_per_second"),
        (file(tenant("a", rest: ", \"concurrency\": 0")), "concurrency: expected a whole number"),
        (file(tenant("a", rest: ", \"token\": \"secret\"")), "token: unknown key"),
        ("{\"strait_tokens\": 2, \"tenants\": []}", "expected version 1, found 2"),
        ("{\"strait_tokens\": 1, \"tenants\": [{\"name\": \"a\", \"models\": [\"*\"]}]}", "sha256"),
    ])
    func `what cannot be meant is refused in words`(text: String, words: String) {
        let message = message(text)
        #expect(message.contains(words), "\(message)")
    }
}
