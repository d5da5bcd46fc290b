// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import StraitLoad

/// Which server is watched, and what it wants to see.
struct ServerOptions: ParsableArguments {
    @Option(name: [.customShort("u"), .long], help: ArgumentHelp("The server.", valueName: "url"))
    var server = "http://localhost:8000"

    @Option(
        help: ArgumentHelp(
            "The token that the server wants to see. Default: what $STRAIT_TOKEN says, which other people's ps does not show."
        ))
    var token: String?

    /// Asks the server.
    func inquiry() throws(LoadError) -> Inquiry {
        try Inquiry(
            url: server, token: token ?? Surroundings.environment["STRAIT_TOKEN"].flatMap { $0.isEmpty ? nil : $0 })
    }
}
