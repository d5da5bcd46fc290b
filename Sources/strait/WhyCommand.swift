// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import StraitFormats
internal import StraitLoad

/// `strait why`: what became of a request, and why.
struct WhyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "why",
        abstract: "Tell what became of a request, and why, in words and numbers.",
        discussion: """
            A request is known by the number that the server returns in the header strait-request (and names in the text of \
            a refusal), or by the id that its client gave it. Without either the flags say which are meant, the newest \
            first. The server remembers the last ones (strait serve --decisions).

            EXAMPLES
              strait why 12345
              strait why ct-0042 --url http://scanner:8000
              strait why --last-violation
              strait why --model lung-nodules --class high --outcome late --since 10m
            """)

    @Argument(
        help: ArgumentHelp("The request: the server's number for it, or its client's id.", valueName: "request-id"))
    var request: String?

    @OptionGroup var server: ServerOptions

    @Flag(help: "The request is the client's id even if it looks like a number.")
    var byID = false

    @Flag(help: "The last high request that was late, shed or failed.")
    var lastViolation = false

    @Option(help: "Only requests for this model.")
    var model: String?

    @Option(name: .customLong("class"), help: "Only requests of this class: high or low.")
    var requestClass: String?

    @Option(
        help: ArgumentHelp(
            "Only requests with this outcome: met, late, shed, failed, cancelled, waiting, running, or violation (late, shed "
                + "or failed)."))
    var outcome: String?

    @Option(help: "How many requests are told of, the newest first; at most 100. Default: 1, or 10 with --since.")
    var last: Int?

    @Option(help: ArgumentHelp("Only requests that arrived within this time, such as 30s or 10m.", valueName: "time"))
    var since: String?

    @Flag(help: "Print what the server answers, as JSON.")
    var json = false

    func validate() throws {
        guard !lastViolation || (request == nil && requestClass == nil && outcome == nil) else {
            throw ValidationError("--last-violation is the last high request that was violated; leave the others out")
        }
        guard !byID || request != nil else { throw ValidationError("--by-id needs the id") }
    }

    func run() async throws {
        do {
            let bytes = try await ask(try server.inquiry())
            print(try json ? String(decoding: bytes, as: UTF8.self) : words(in: bytes))
        } catch let error as LoadError {
            Console.log("strait why: \(error.message)")
            throw error.exitCode
        }
    }

    /// What looks like a number is the server's; if that knows none, it may be a client's id all the same.
    private func ask(_ server: Inquiry) async throws -> [UInt8] {
        let path = "/v2/strait/decisions?"
        guard let request, !byID, UInt64(request) != nil else { return try await server.get(path + (try query("id"))) }
        let byNumber = try query("request")
        do throws(LoadError) { return try await server.get(path + byNumber) } catch {
            guard error.code == .refused, let bytes = try? await server.get(path + (try query("id"))) else {
                throw error
            }
            return bytes
        }
    }

    private func query(_ key: String) throws -> String {
        var items: [(name: String, value: String)] = []
        if let request { items.append((key, request)) }
        if lastViolation {
            items.append(("class", "high"))
            items.append(("outcome", "violation"))
        }
        if let model { items.append(("model", model)) }
        if let requestClass { items.append(("class", requestClass)) }
        if let outcome { items.append(("outcome", outcome)) }
        if let since { items.append(("since", "\(try Duration(text: since).inSeconds)")) }
        items.append(("last", "\(last ?? (since == nil ? 1 : 10))"))
        return items.map { "\($0.name)=\(Inquiry.encoded($0.value))" }.joined(separator: "&")
    }

    /// The stories as the server tells them, one after the other.
    private func words(in bytes: [UInt8]) throws -> String {
        let answer: JSONNode
        do { answer = try JSONNode.read(bytes) } catch {
            throw LoadError(.refused, "the server does not answer as strait does: \(error)")
        }
        let stories = (answer["decisions"]?.elements ?? []).map { story in
            (story["words"]?.elements ?? []).enumerated().map { index, line in
                (index == 0 ? "" : "  ") + Printable.text(line.text ?? "")
            }.joined(separator: "\n")
        }
        guard !stories.isEmpty else {
            let oldest = answer["known"]?["oldest_arrived_at"]?.text.map { "since \($0)" } ?? "yet"
            return "no such request \(oldest)"
        }
        return stories.joined(separator: "\n\n")
    }
}
