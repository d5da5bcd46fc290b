// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import StraitFormats

/// `strait token`: makes a token for a tenant, and the entry that goes into the file of `strait serve --tokens`.
struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Make a token for a tenant, and its entry for strait serve --tokens.",
        discussion: """
            The token goes to the tenant and is written nowhere else; the entry holds its SHA-256 only.

            EXAMPLE
              strait token vision --model 'resnet*' --high --requests-per-second 200
            """)

    @Argument(help: "The tenant's name.")
    var name: String

    @Option(
        name: .customLong("model"),
        help: ArgumentHelp(
            "A model that it may use, * for any run of characters; repeat for several.", valueName: "name"))
    var models: [String] = ["*"]

    @Flag(help: "Let it send high requests.")
    var high = false

    @Flag(help: "Let it load and unload models, change settings and share memory.")
    var administer = false

    @Option(help: "Requests a second in the long run.")
    var requestsPerSecond: Double?

    @Option(help: "Requests that may come at once before that rate counts.")
    var burst: Double?

    @Option(help: "Requests between their arrival and their answer.")
    var concurrency: Int?

    func validate() throws {
        do throws(FormatError) {
            // What the server would not read is not handed out.
            let entry = tenant(of: "").json
            _ = try TokensFile(text: "{\"strait_tokens\": \(TokensFile.version), \"tenants\": [\(entry)]}")
        } catch {
            let key = error.key.split(separator: ".").last ?? "entry"
            throw ValidationError("\(key): \(error.message)")
        }
    }

    func run() {
        let token = Self.makeToken()
        print("token: \(token)")
        print("entry: \(tenant(of: token).json)")
    }

    private func tenant(of token: String) -> TokensFile.Tenant {
        var tenant = TokensFile.Tenant(name: name, digests: [FileDigest.sha256(text: token)], models: models)
        tenant.mayClaimHigh = high
        tenant.mayAdminister = administer
        tenant.requestsPerSecond = requestsPerSecond
        tenant.burst = burst
        tenant.concurrency = concurrency
        return tenant
    }

    /// 256 bits of the system's randomness, with a beginning by which scanners for secrets know it.
    private static func makeToken() -> String {
        var random = SystemRandomNumberGenerator()
        let digits = (0..<32).map { _ -> String in
            let byte = UInt8.random(in: 0...255, using: &random)
            return (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        return "strait_" + digits.joined()
    }
}
