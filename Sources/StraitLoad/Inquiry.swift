// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
package import StraitNetwork
internal import StraitPlatform
internal import Synchronization

/// Asks a server single questions over HTTP, for who watches it.
package final class Inquiry: Sendable {
    private let client: SetupClient
    private let group: MultiThreadedEventLoopGroup
    private let token: String?

    /// For a server; its name is resolved here.
    ///
    /// - Parameters:
    ///   - token: what it wants to see from who asks; nil for nothing.
    ///   - trust: for a server that is asked over TLS.
    /// - Throws: ``LoadError``: `badPlan` for a URL, a token or files of TLS that cannot be, `unreachable` for a host that
    ///   is not known.
    package init(_ server: ServerAddress, token: String? = nil, trust: ClientTrust = ClientTrust()) throws(LoadError) {
        let isPrintable = token?.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } ?? true
        guard isPrintable, token?.isEmpty != true else {
            throw LoadError(.badPlan, "The token is empty, or has blanks or other bytes that no header can hold.")
        }
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        self.token = token
        do throws(LoadError) {
            client = try SetupClient(server: server, trust: trust, group: group)
        } catch {
            try? group.syncShutdownGracefully()
            throw error
        }
    }

    deinit { group.shutdownGracefully { _ in } }

    /// Asks for a path, which begins with a slash.
    ///
    /// - Returns: the body.
    /// - Throws: ``LoadError``: `unreachable`; `refused` with what the server says is wrong.
    package func get(_ path: String) async throws(LoadError) -> [UInt8] {
        var headers = HTTPHeaders([("Host", client.server.authority), ("Connection", "close")])
        if let token { headers.add(name: "Authorization", value: "Bearer \(token)") }
        let head = HTTPRequestHead(
            version: .http1_1, method: .GET, uri: client.server.pathPrefix + path, headers: headers)
        let answer = try await client.ask(.http(head, ByteBuffer()))
        guard answer.status == 200 else {
            if answer.wantsToken, token == nil { throw .tokenWanted(by: client.server) }
            let message = answer.message(.http) ?? "HTTP status \(answer.status)"
            throw LoadError(.refused, message)
        }
        return answer.body
    }

    /// The same, waited for on the calling thread.
    package func waitFor(_ path: String) throws(LoadError) -> [UInt8] {
        let done = Wakeup()
        let box = Answered()
        Task.detached { [self] in
            do throws(LoadError) { box.set(.success(try await get(path))) } catch { box.set(.failure(error)) }
            done.signal()
        }
        done.wait()
        return try box.result.get()
    }

    /// Text as it can stand behind the question mark of a path.
    package static func encoded(_ text: String) -> String { ServerAddress.percentEncoded(text) }
}

/// The answer, on its way from one thread to another.
private final class Answered: Sendable {
    private let kept = Mutex<Result<[UInt8], LoadError>?>(nil)

    func set(_ result: Result<[UInt8], LoadError>) { kept.withLock { $0 = result } }

    var result: Result<[UInt8], LoadError> {
        kept.withLock { $0 } ?? .failure(LoadError(.system, "no answer"))
    }
}
