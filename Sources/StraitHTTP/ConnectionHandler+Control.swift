// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
internal import StraitProtocol
internal import StraitServing

// Requests that are no inferences: their bodies are small, and whoever answers them may take his time.

extension ConnectionHandler {
    func beginControl(
        _ route: Route, _ head: HTTPRequestHead, _ announced: Int?, _ context: ChannelHandlerContext
    ) {
        // Answered when the request is complete, which for most is at once.
        guard head.method == .POST else {
            state = .gathering(route, [])
            return
        }
        if let announced, announced > ControlBody.maximumSize {
            return refuseBody(context, limit: ControlBody.maximumSize)
        }
        if let encoding = head.headers.first(name: "content-encoding"), encoding.lowercased() != "identity" {
            let error = ProtocolError(.unsupported, "this request is taken uncompressed only")
            return discard(HTTPReply(error), context)
        }
        letContinue(context)
        state = .gathering(route, [])
    }

    /// Shows the dashboard, or begins to send what happens.
    func show(_ route: Route, _ context: ChannelHandlerContext) {
        guard route.operation == .events else {
            return send(Dashboard.reply(route.file ?? Dashboard.index, replyCoding), context)
        }
        let stream = EventStream(events, context, isStream: isStream, patience: patience)
        guard stream.begin() else { return send(EventHub.full, context) }
        state = .watching(stream)
    }

    func answer(_ route: Route, _ body: [UInt8], _ context: ChannelHandlerContext) {
        guard !route.operation.isDashboard else { return show(route, context) }
        let turn = turn
        let box = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        let eventLoop = context.eventLoop
        state = .waiting(nil)
        control.answer(route, body: body) { result in
            eventLoop.execute {
                let (handler, context) = box.value
                guard turn == handler.turn, case .waiting = handler.state else { return }
                switch result {
                case .success(let json): handler.send(.ok(json), context)
                case .failure(let error): handler.send(HTTPReply(error), context)
                }
            }
        }
    }
}
