// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
internal import StraitCore
internal import StraitNetwork
internal import StraitProtocol
internal import StraitServing

// Who may send what: the headers are looked at before anything of the body is read.

extension ConnectionHandler {
    /// Lets a request in, or says why not.
    func enter(_ route: Route, _ head: HTTPRequestHead, _ context: ChannelHandlerContext) throws(ProtocolError)
        -> Caller
    {
        let access =
            access ?? ConnectionAccess(control.access, isLocal: context.channel.remoteAddress?.isLoopback ?? false)
        self.access = access
        var token: String?
        if access.wantsTokens {
            token = ConnectionAccess.token(
                authorization: head.headers.first(name: "authorization"), apiKey: head.headers.first(name: "x-api-key"))
        }
        let isFromPage = route.operation.accessKind == .administering && head.headers.contains(name: "origin")
        return try access.enter(route.operation, model: route.model, token: token, isFromPage: isFromPage)
    }
}
