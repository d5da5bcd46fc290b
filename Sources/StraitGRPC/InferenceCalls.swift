// SPDX-License-Identifier: Apache-2.0

internal import GRPCCore
internal import NIOCore
internal import NIOPosix
internal import StraitCore
internal import StraitProtocol
internal import StraitServing
internal import Synchronization

/// `ModelInfer` and `ModelStreamInfer`.
struct InferenceCalls: Sendable {
    typealias Message = Result<WireRequest, WireFailure>

    let control: ServerControl

    private var service: InferenceService { control.service }
    private var readiness: Readiness { control.readiness }

    /// One request, one answer.
    func infer(
        _ call: StreamingServerRequest<Message>, _ context: ServerContext
    ) async throws -> StreamingServerResponse<WireResponse> {
        let arrived = service.engine.now()
        let deadline = CallDeadline(call.metadata, arrived: arrived)
        var messages = call.messages.makeAsyncIterator()
        guard let message = try await messages.next() else {
            throw RPCError(code: .invalidArgument, message: "the call ended before its request came")
        }
        do {
            let asked = try message.get()
            let result = try await answer(asked, arrived: arrived, deadline)
            let metadata: Metadata = ["server-timing": .string(result.timing.serverTiming)]
            return StreamingServerResponse(
                single: ServerResponse(message: result.response, trailingMetadata: metadata))
        } catch let refusal as Refusal {
            throw RPCError(refusal)
        } catch let failure as WireFailure {
            throw RPCError(failure.error)
        }
    }

    /// Many requests, each answered when it is ready; what is wrong with one is told in its answer.
    func stream(
        _ call: StreamingServerRequest<Message>, _ context: ServerContext
    ) -> StreamingServerResponse<WireResponse> {
        let deadline = CallDeadline(call.metadata, arrived: service.engine.now())
        return StreamingServerResponse { writer in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                group.addTask {
                    try await answerAll(call.messages, deadline, writer)
                    return true
                }
                // A call that is cancelled, by its client, its deadline or the end of the server, ends at once.
                group.addTask {
                    try? await context.cancellation.cancelled
                    return false
                }
                let isComplete = try await group.next() ?? false
                group.cancelAll()
                guard isComplete else { throw cutOff(deadline) }
            }
            return [:]
        }
    }

    private func answerAll(
        _ messages: RPCAsyncSequence<Message, any Error>, _ deadline: CallDeadline, _ writer: RPCWriter<WireResponse>
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var inFlight = 0
            for try await message in messages {
                let arrived = service.engine.now()
                if inFlight == GRPCLimits.requestsPerStream {
                    try await group.next()
                    inFlight -= 1
                }
                inFlight += 1
                group.addTask { try await writer.write(await streamed(message, arrived: arrived, deadline)) }
            }
            try await group.waitForAll()
        }
    }

    /// The answer in a stream, whatever comes of the request.
    private func streamed(_ message: Message, arrived: Instant, _ deadline: CallDeadline) async -> WireResponse {
        let asked: WireRequest
        switch message {
        case .success(let request): asked = request
        case .failure(let failure):
            return WireResponseEncoder.streamedError(failure.error.message, id: failure.id)
        }
        do {
            return try await answer(asked, arrived: arrived, deadline).response.streamed
        } catch {
            return WireResponseEncoder.streamedError(error.error.message, id: asked.request.id)
        }
    }

    /// Why a call ended that was not complete.
    private func cutOff(_ deadline: CallDeadline) -> RPCError {
        if deadline.hasPassed(at: service.engine.now()) {
            return RPCError(code: .deadlineExceeded, message: "the call's deadline has passed")
        }
        return readiness.isReady ? RPCError(code: .cancelled, message: "the client went away") : .draining
    }

    // -- one request ---------------------------------------------------------------------------------------------

    private func answer(
        _ asked: WireRequest, arrived: Instant, _ deadline: CallDeadline
    ) async throws(Refusal) -> (response: WireResponse, timing: Timing) {
        guard readiness.isReady else {
            throw Refusal(ProtocolError(.unavailable, "the server is draining; ask another one"))
        }
        let model: ServedModel
        do {
            model = try service.catalog.find(asked.modelName, version: asked.modelVersion)
        } catch {
            throw Refusal(error)
        }
        var request = asked.request
        // The earlier of the request's own deadline and the call's.
        if let left = deadline.microsecondsLeft(at: arrived) {
            request.timeoutMicroseconds = min(request.timeoutMicroseconds ?? left, left)
        }
        let reply = await run(request, on: model, arrived: arrived)
        if control.log.isVerbose(2) { control.log.verbose(2, "infer of \(model.specification.name): \(reply.words)") }
        switch reply {
        case .answered(let answer):
            do throws(ProtocolError) {
                let response = try service.response(to: request, from: model, answer)
                return (WireResponseEncoder.encode(response), answer.timing)
            } catch {
                throw Refusal(error)
            }
        case .refused(let refusal):
            guard refusal.error.code == .cancelled, deadline.hasPassed(at: service.engine.now()) else { throw refusal }
            throw Refusal(ProtocolError(.deadlineExceeded, "the call's deadline has passed"))
        }
    }

    /// Hands a request to the engine and waits for its end. A call that is cancelled leaves the queue at once.
    private func run(_ request: InferenceRequest, on model: ServedModel, arrived: Instant) async -> Reply {
        let pending = PendingRequest(service.engine)
        return await withRPCCancellationHandler {
            await withCheckedContinuation { continuation in
                // A lane answers; the call goes on where its connection lives.
                let loop = MultiThreadedEventLoopGroup.currentEventLoop
                do throws(Refusal) {
                    let id = try service.infer(request, on: model, arrived: arrived) { reply in
                        guard let loop else { return continuation.resume(returning: reply) }
                        loop.execute { continuation.resume(returning: reply) }
                    }
                    pending.accepted(id)
                } catch {
                    continuation.resume(returning: .refused(error))
                }
            }
        } onCancelRPC: {
            pending.cancel()
        }
    }
}

/// A request that may be cancelled before the engine has said what to cancel it by.
private final class PendingRequest: Sendable {
    private struct State {
        var id: RequestID?
        var isCancelled = false
    }

    private let state = Mutex(State())
    private let engine: Engine

    init(_ engine: Engine) { self.engine = engine }

    func accepted(_ id: RequestID?) {
        let isCancelled = state.withLock { state in
            state.id = id
            return state.isCancelled
        }
        if isCancelled, let id { engine.cancel(id) }
    }

    func cancel() {
        let id = state.withLock { state in
            state.isCancelled = true
            return state.id
        }
        if let id { engine.cancel(id) }
    }
}
