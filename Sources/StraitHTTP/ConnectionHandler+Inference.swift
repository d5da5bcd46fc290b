// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOHTTP1
internal import StraitCore
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor

// An inference whose body has come: to the engine, and back.

extension ConnectionHandler {
    /// Reads a request whose body has come: here, or a large one beside the event loop.
    func infer(_ inference: Inference, _ slab: Slab, _ range: Range<Int>, _ context: ChannelHandlerContext) {
        let json = min(inference.jsonLength ?? range.count, range.count)
        guard HelperThreads.isLarge(read: json, kept: range.count - json) else {
            let outcome = Result { () throws(ProtocolError) in
                try InferenceRequestDecoder.decode(
                    body: slab, range: range, jsonLength: inference.jsonLength, model: inference.model.specification,
                    pool: service.pool, last: &lastRequest)
            }
            return submit(outcome, inference, context)
        }
        let (turn, pool, model, jsonLength) = (turn, service.pool, inference.model, inference.jsonLength)
        let box = NIOLoopBound((handler: self, inference: inference, context: context), eventLoop: context.eventLoop)
        let eventLoop = context.eventLoop
        state = .waiting(nil)
        job = service.helpers.run {
            let outcome = Result { () throws(ProtocolError) in
                try InferenceRequestDecoder.decode(
                    body: slab, range: range, jsonLength: jsonLength, model: model.specification, pool: pool)
            }
            eventLoop.execute {
                let (handler, inference, context) = box.value
                guard turn == handler.turn, case .waiting(nil) = handler.state else { return }
                handler.job = nil
                handler.submit(outcome, inference, context)
                // What tells whether it is still there is sent once the engine has its request.
                if handler.isInputClosed, case .waiting = handler.state { handler.endInput(context) }
            }
        }
        if job == nil { refuse(HelperThreads.full, of: inference, context) }
    }

    /// Gives the engine a request that was read, or says why it is none.
    private func submit(
        _ outcome: Result<InferenceRequest, ProtocolError>, _ inference: Inference, _ context: ChannelHandlerContext
    ) {
        let request: InferenceRequest
        switch outcome {
        case .success(let read): request = read
        case .failure(let error): return refuse(Refusal(error), of: inference, context)
        }
        let model = inference.model
        let turn = turn
        let box = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        let eventLoop = context.eventLoop
        // Before the submission: the reply may come before it returns.
        state = .waiting(nil)
        do throws(Refusal) {
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
        } catch {
            inference.span?.noteFailure(error.error)
            send(HTTPReply(error), context, inference.span)
        }
    }

    /// Refuses a request that has come whole, before the engine has it.
    private func refuse(_ refusal: Refusal, of inference: Inference, _ context: ChannelHandlerContext) {
        service.engine.noteRefused(refusal.error, nil, model: inference.model)
        inference.span?.noteFailure(refusal.error)
        send(HTTPReply(refusal), context, inference.span)
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
            do throws(ProtocolError) {
                let response = try service.response(to: request, from: model, answer)
                guard isLarge(response, request) else {
                    let encoded = try InferenceResponseEncoder.encode(response, binary: request.wantsBinary)
                    return send(encoded, answer, response.outputs, span, context)
                }
                try write(response, to: request, answer, span, context)
            } catch {
                span?.noteFailure(error)
                send(HTTPReply(error), context, span)
            }
        }
    }

    private func send(
        _ encoded: EncodedResponse, _ answer: Answer, _ outputs: [Tensor], _ span: RequestSpan?,
        _ context: ChannelHandlerContext
    ) {
        var reply = HTTPReply(encoded, timing: answer.timing, number: answer.number)
        reply.tensors = outputs
        send(reply, context, span)
    }

    /// Whether so many numbers are to be written that it is not for an event loop.
    private func isLarge(_ response: InferenceResponse, _ request: InferenceRequest) -> Bool {
        let written = response.outputs.reduce(0) { sum, output in
            let isText = !request.wantsBinary(output.name) && !response.inSharedMemory.contains(output.name)
            return isText ? sum + output.range.count : sum
        }
        return HelperThreads.isLarge(read: written, kept: 0)
    }

    /// Writes such a response beside the event loop; where there is no place for it, here: it is not lost for that.
    private func write(
        _ response: InferenceResponse, to request: InferenceRequest, _ answer: Answer, _ span: RequestSpan?,
        _ context: ChannelHandlerContext
    ) throws(ProtocolError) {
        let turn = turn
        let box = NIOLoopBound((handler: self, span: span, context: context), eventLoop: context.eventLoop)
        let eventLoop = context.eventLoop
        state = .waiting(nil)
        job = service.helpers.run {
            let outcome = Result { () throws(ProtocolError) in
                try InferenceResponseEncoder.encode(response, binary: request.wantsBinary)
            }
            eventLoop.execute {
                let (handler, span, context) = box.value
                guard turn == handler.turn, case .waiting(nil) = handler.state else { return }
                handler.job = nil
                switch outcome {
                case .success(let encoded): handler.send(encoded, answer, response.outputs, span, context)
                case .failure(let error):
                    span?.noteFailure(error)
                    handler.send(HTTPReply(error), context, span)
                }
            }
        }
        guard job == nil else { return }
        let encoded = try InferenceResponseEncoder.encode(response, binary: request.wantsBinary)
        send(encoded, answer, response.outputs, span, context)
    }
}
