// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import StraitCore
internal import StraitFrames
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor

// `ModelInfer` and `ModelStreamInfer`.

extension GRPCConnection {
    /// A request that the engine has, and the call that waits for its answer.
    private struct Asked {
        let call: Call
        let request: InferenceRequest
        let model: ServedModel
        /// Its number in a stream; nil for the one request of a call that has no more.
        let number: Int?
        /// Its trace, if it is traced.
        let span: RequestSpan?
    }

    /// Takes a request; it is answered now or when the engine has done it.
    func infer(_ message: MessageAssembly.Message, _ call: Call, isStreamed: Bool) {
        let arrived = isStreamed ? service.engine.now() : call.arrived
        guard isLarge(message) else {
            let outcome = Self.read(
                message, call.head.coding, limit: limits.messageBytes, pool: service.pool, last: &lastMessage)
            return take(outcome, call, arrived: arrived, isStreamed: isStreamed)
        }
        let kept: MessageAssembly.KeptMessage
        do throws(ProtocolError) { kept = try message.kept(service.pool) } catch {
            service.engine.noteRefused(error, nil, model: nil)
            return finish(call, error)
        }
        let (coding, limit, pool) = (call.head.coding, limits.messageBytes, service.pool)
        let bound = NIOLoopBound((connection: self, call: call), eventLoop: eventLoop)
        let eventLoop = eventLoop
        let number = call.nextJob
        call.nextJob += 1
        call.jobs[number] = service.helpers.run {
            var last = LastMessage()
            let outcome = Self.read(kept.message, coding, limit: limit, pool: pool, last: &last)
            eventLoop.execute {
                let (connection, call) = bound.value
                guard !call.isOver, call.ending == nil else { return }
                call.jobs[number] = nil
                connection.take(outcome, call, arrived: arrived, isStreamed: isStreamed)
                connection.flush()
            }
        }
        guard call.jobs[number] == nil else { return }
        service.engine.noteRefused(HelperThreads.full.error, nil, model: nil)
        refuse(HelperThreads.full, id: "", call, isStreamed: isStreamed)
    }

    /// Whether reading it is not for an event loop.
    private func isLarge(_ message: MessageAssembly.Message) -> Bool {
        if message.isCompressed { return message.bytes.count > GRPCLimits.compressedAtOnce }
        guard HelperThreads.isLarge(read: message.bytes.count, kept: 0) else { return false }
        let kept = WireRequestDecoder.rawBytes(of: message.bytes, beside: HelperThreads.leastBytes)
        return HelperThreads.isLarge(read: message.bytes.count - kept, kept: kept)
    }

    private static func read(
        _ message: MessageAssembly.Message, _ coding: ContentCoding?, limit: Int, pool: SlabPool,
        last: inout LastMessage
    ) -> Result<WireRequest, WireFailure> {
        defer { withExtendedLifetime(message.home) {} }
        do throws(ProtocolError) {
            let plain = try message.plain(coding, limit: limit, pool: pool)
            defer { withExtendedLifetime(plain.home) {} }
            return Result { () throws(WireFailure) in
                try WireRequestDecoder.decode(plain.bytes, pool: pool, last: &last, home: plain.home)
            }
        } catch {
            return .failure(WireFailure(error))
        }
    }

    /// Goes on with a request that was read, or says why it is none.
    private func take(
        _ outcome: Result<WireRequest, WireFailure>, _ call: Call, arrived: Instant, isStreamed: Bool
    ) {
        let asked: WireRequest
        switch outcome {
        case .success(let request): asked = request
        case .failure(let failure):
            service.engine.noteRefused(failure.error, nil, model: nil)
            guard failure.isOfRequest else { return finish(call, failure.error) }
            return refuse(Refusal(failure.error), id: failure.id, call, isStreamed: isStreamed)
        }
        let span = control.tracer?.beginGRPC(inStream: isStreamed, model: asked.modelName, arrived: arrived) { name in
            call.head.values(of: name)
        }
        do throws(Refusal) {
            try submit(asked, call, arrived: arrived, isStreamed: isStreamed, span)
        } catch {
            refuse(error, id: asked.request.id, call, isStreamed: isStreamed, span)
        }
    }

    private func submit(
        _ asked: WireRequest, _ call: Call, arrived: Instant, isStreamed: Bool, _ span: RequestSpan?
    ) throws(Refusal) {
        guard control.readiness.isReady else {
            service.engine.noteRefused(Self.draining, nil, model: nil)
            throw Refusal(Self.draining)
        }
        let model: ServedModel
        do throws(ProtocolError) {
            try call.caller.check(model: asked.modelName)
            model = try service.catalog.find(asked.modelName, version: asked.modelVersion)
        } catch {
            service.engine.noteRefused(error, nil, model: nil)
            throw Refusal(error)
        }
        let permit = try self.permit(for: call, at: arrived, isStreamed: isStreamed)
        var request = asked.request
        // The earlier of the request's own deadline and the call's.
        if let left = call.microsecondsLeft(at: arrived) {
            request.timeoutMicroseconds = min(request.timeoutMicroseconds ?? left, left)
        }
        let number = isStreamed ? call.nextRequest : nil
        call.nextRequest += 1
        let bound = NIOLoopBound(
            (connection: self, asked: Asked(call: call, request: request, model: model, number: number, span: span)),
            eventLoop: eventLoop)
        let eventLoop = eventLoop
        let id = try service.infer(
            request, on: model, arrived: arrived, span: span, caller: call.caller, permit: permit,
            later: { eventLoop.execute($0) }
        ) { reply in
            // A lane answers; the call goes on where its connection lives.
            eventLoop.execute {
                let (connection, asked) = bound.value
                connection.answer(reply, to: asked)
                connection.flush()
            }
        }
        if let number { call.requests[number] = id } else { call.onlyRequest = id }
    }

    private func answer(_ reply: Reply, to asked: Asked) {
        let call = asked.call
        guard !call.isOver else { return }
        if let number = asked.number { call.requests[number] = nil } else { call.onlyRequest = nil }
        if control.log.isVerbose(2) {
            control.log.verbose(2, "infer of \(asked.model.specification.name): \(reply.words)")
        }
        let isStreamed = asked.number != nil
        switch reply {
        case .answered(let answer):
            do throws(ProtocolError) {
                let response = WireResponseEncoder.encode(
                    // A stream has no metadata for each answer.
                    try service.response(to: asked.request, from: asked.model, answer, naming: isStreamed),
                    isStreamed: isStreamed)
                if isStreamed {
                    send(response.streamed, on: call)
                } else {
                    let metadata = [
                        ("server-timing", answer.timing.serverTiming), (Self.requestKey, String(answer.number)),
                    ]
                    send(response, on: call)
                    finish(call, Ending(metadata: metadata + (asked.span?.headers ?? [])))
                }
                asked.span?.end(status: 0)
            } catch {
                refuse(Refusal(error), id: asked.request.id, call, isStreamed: isStreamed, asked.span)
            }
        case .refused(let refusal):
            refuse(refusal, id: asked.request.id, call, isStreamed: isStreamed, asked.span)
        }
    }

    /// Says why a request has no results: with the status of its call, or in a stream with its id.
    func refuse(
        _ refusal: Refusal, id: String, _ call: Call, isStreamed: Bool, _ span: RequestSpan? = nil
    ) {
        defer {
            span?.noteFailure(refusal.error)
            span?.end(status: refusal.error.grpcStatus)
        }
        guard !isStreamed else {
            return send(WireResponseEncoder.streamedError(refusal.error.message, id: id), on: call)
        }
        var ending = Ending(status: refusal.error.grpcStatus, message: refusal.error.message)
        if let wait = refusal.retryAfter {
            // Whole seconds, rounded up, as over HTTP.
            ending.metadata = [("retry-after", String(max(1, Int(wait.seconds.rounded(.up)))))]
        }
        if let span { ending.metadata += span.headers }
        if refusal.number > 0 { ending.metadata.append((Self.requestKey, String(refusal.number))) }
        finish(call, ending)
    }

    /// The server's number for a request, by which its client can ask why.
    private static let requestKey = "strait-request"
}
