// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import StraitFormats
internal import StraitLoad
internal import StraitNetwork

/// Which server is asked, whom it is believed to be, and who asks: the same flags for all commands that ask one.
struct ServerOptions: ParsableArguments {
    @Option(
        name: [.customShort("u"), .long, .customLong("server")],
        help: ArgumentHelp(
            "The server, as http://HOST:PORT, or https:// over TLS; for strait load grpc:// and grpcs:// too. Default: port "
                + "8000, for gRPC 8001, of this machine.",
            valueName: "url"))
    var url: String?

    @Option(
        help: ArgumentHelp(
            "The token that the server wants to see. Other users of the machine see it in ps: use --token-file, or "
                + "$STRAIT_TOKEN, which counts where neither flag is given.",
            valueName: "token"))
    var token: String?

    @Option(
        help: ArgumentHelp("The token that the server wants to see, in the first line of a file.", valueName: "path"))
    var tokenFile: String?

    @Option(
        help: ArgumentHelp(
            "The authorities (PEM) that may have signed the server's certificate. Default: those of the system.",
            valueName: "path"))
    var caFile: String?

    @Option(
        help: ArgumentHelp(
            "The certificate to show to a server that wants one of its clients (PEM, those up to its authority behind it).",
            valueName: "path"))
    var clientCertificate: String?

    @Option(
        help: ArgumentHelp("The private key of --client-certificate (PEM, not encrypted).", valueName: "path"))
    var clientKey: String?

    @Flag(
        help: ArgumentHelp(
            "Over TLS, believe whoever answers to be the server: whoever is in between can then read and change everything, "
                + "and keep the token."))
    var insecure = false

    mutating func validate() throws {
        guard token == nil || tokenFile == nil else { throw ValidationError("give --token or --token-file, not both") }
        guard (clientCertificate == nil) == (clientKey == nil) else {
            throw ValidationError("--client-certificate and --client-key need each other")
        }
        guard !insecure || caFile == nil else {
            throw ValidationError("--insecure checks no certificate, so --ca-file means nothing with it; leave one out")
        }
    }

    /// A server, and how it is asked.
    struct Server {
        let address: ServerAddress
        let trust: ClientTrust
        let token: String?
    }

    /// What the flags say.
    ///
    /// - Parameter transport: what is spoken; nil for what the URL says.
    func server(_ transport: LoadPlan.Transport?) throws(LoadError) -> Server {
        let address = try ServerAddress(url: url ?? "localhost", transport: transport)
        var trust = ClientTrust()
        trust.authorities = caFile
        trust.certificate = clientCertificate
        trust.key = clientKey
        trust.isVerified = !insecure
        guard address.isSecure || trust.isUsual else {
            throw LoadError(
                .badPlan,
                "\(address) is asked without TLS, and the flags of TLS mean nothing there; write "
                    + "\(address.transport.rawValue)s://.")
        }
        if insecure {
            Console.log("note: --insecure: whoever answers at \(address) is believed to be the server")
        }
        return Server(address: address, trust: trust, token: try knownToken())
    }

    /// Asks the server over HTTP.
    func inquiry() throws(LoadError) -> Inquiry {
        let server = try self.server(.http)
        return try Inquiry(server.address, token: server.token, trust: server.trust)
    }

    /// Bytes of a file with a token: ours have 50.
    private static let mostTokenBytes = 4096

    private func knownToken() throws(LoadError) -> String? {
        if let token { return token }
        guard let tokenFile else { return Surroundings.environment["STRAIT_TOKEN"].flatMap { $0.isEmpty ? nil : $0 } }
        do throws(FormatError) {
            let bytes = try Files.read(tokenFile, limit: Self.mostTokenBytes)
            let line = bytes.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
            return String(decoding: line, as: UTF8.self)
        } catch {
            throw LoadError(.badPlan, "--token-file \(tokenFile): \(error.message)")
        }
    }
}
