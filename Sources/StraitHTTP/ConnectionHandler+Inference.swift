// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
internal import StraitCore
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor

// An inference whose body has come: to the engine, and back.

extension ConnectionHandler {
    func infer(_ inference: Inference, _ slab: Slab, _ range: Range<Int>, _ context: ChannelHandlerContext) {
        do {
            let request = try InferenceRequestDecoder.decode(
                body: slab, range: range, jsonLength: inference.jsonLength, model: inference.model.specification,
                pool: service.pool, last: &lastRequest)
            let model = inference.model
            let (service, turn) = (service, turn)
            let box = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
            let eventLoop = context.eventLoop
            // Before the submission: the reply may come before it returns.
            state = .waiting(nil)
            let id = try service.infer(
                request, on: model, arrived: inference.arrived, fallbackTimeout: inference.fallbackTimeout,
                span: inference.span, caller: inference.caller, permit: inference.permit,
                later: { eventLoop.execute($0) }
            ) { reply in
                eventLoop.execute {
                    let (handler, context) = box.value
                    handler.answer(reply, to: request, model, turn: turn, inference.span, context)
                }
            }
            state = .waiting(id)
        } catch let error as ProtocolError {
            service.engine.noteRefused(error, nil, model: inference.model)
            inference.span?.noteFailure(error)
            send(HTTPReply(error), context, inference.span)
        } catch let refusal as Refusal {
            inference.span?.noteFailure(refusal.error)
            send(HTTPReply(refusal), context, inference.span)
        } catch {
            send(HTTPReply(.internalServerError, error: "\(error)"), context, inference.span)
        }
    }

    func answer(
        _ reply: Reply, to request: InferenceRequest, _ model: ServedModel, turn: UInt64, _ span: RequestSpan?,
        _ context: ChannelHandlerContext
    ) {
        guard turn == self.turn, case .waiting = state else { return }
        if control.log.isVerbose(2) { control.log.verbose(2, "infer of \(model.specification.name): \(reply.words)") }
        switch reply {
        case .refused(let refusal): send(HTTPReply(refusal), context, span)
        case .answered(let answer):
            do {
                let response = try service.response(to: request, from: model, answer)
                let encoded = try InferenceResponseEncoder.encode(response, binary: request.wantsBinary)
                var reply = HTTPReply(encoded, timing: answer.timing, number: answer.number)
                reply.tensors = response.outputs
                send(reply, context, span)
            } catch {
                span?.noteFailure(error)
                send(HTTPReply(error), context, span)
            }
        }
    }
}
