// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import StraitFrames
internal import StraitProtocol
internal import StraitServing

// From the bytes of a call to what it calls.

extension GRPCConnection {
    /// A call has begun: its headers have come. The one place where they are looked at before anything is done.
    func begin(_ call: Call) {
        call.lastProgress = lastRead
        if let status = call.head.foreignStatus { return endForeign(call, status: status) }
        if let problem = call.head.problem {
            let codings = (name: "grpc-accept-encoding", value: "identity,deflate,gzip")
            return finish(
                call, Ending(status: problem.grpcStatus, message: problem.message, metadata: [codings]))
        }
        guard enter(call) else { return }
        if call.deadline != nil { watchDeadline(of: call) }
    }

    /// Takes bytes of a call's messages.
    func take(_ bytes: UnsafeRawBufferPointer, of call: Call) {
        guard !call.isOver, call.ending == nil else { return }
        call.lastProgress = lastRead
        do throws(ProtocolError) {
            if call.backlog != nil {
                try call.backlog?.append(bytes, pool: service.pool)
                return
            }
            let used = try takeMessages(bytes, of: call)
            guard used < bytes.count, !call.isOver, call.ending == nil else { return }
            call.backlog = try Backlog(bytes.from(used), pool: service.pool)
        } catch {
            finish(call, error)
        }
    }

    /// Takes what waited, as far as there are places again.
    func takeBacklog(of call: Call) {
        guard !call.isTakingBacklog, let backlog = call.backlog else { return }
        call.isTakingBacklog = true
        defer { call.isTakingBacklog = false }
        do throws(ProtocolError) {
            let used = try takeMessages(backlog.bytes, of: call)
            guard !call.isOver, call.ending == nil else { return }
            call.backlog?.drop(used)
            if used == backlog.bytes.count { call.backlog = nil }
        } catch {
            finish(call, error)
        }
        if call.backlog == nil, !call.isClientOpen { inputEnded(call) }
    }

    /// Takes messages until the bytes are used up, or all places of a stream are taken.
    ///
    /// - Returns: the bytes used.
    private func takeMessages(_ bytes: UnsafeRawBufferPointer, of call: Call) throws(ProtocolError) -> Int {
        var offset = 0
        while !call.isOver, call.ending == nil, !call.isFull {
            guard let message = try call.assembly.next(bytes, &offset, pool: service.pool) else { break }
            handle(message, of: call)
        }
        frames.consumed(offset, of: call.stream)
        sayReplies()
        return offset
    }

    /// The client sends no more of a call.
    func clientEnded(_ call: Call) {
        call.isClientOpen = false
        if call.backlog == nil { inputEnded(call) }
    }

    private func inputEnded(_ call: Call) {
        guard !call.isOver, call.ending == nil else { return }
        if call.assembly.isAmidMessage {
            finish(call, ProtocolError(.invalidArgument, "the call ended inside a message"))
        } else if !call.hasMessage, !(call.method?.isStream ?? false) {
            finish(call, ProtocolError(.invalidArgument, "the call ended before its request came"))
        } else {
            endIfComplete(call)
        }
    }

    /// Ends a stream of which all requests have come and all answers have gone.
    func endIfComplete(_ call: Call) {
        guard !call.isOver, call.ending == nil, call.method?.isStream ?? false else { return }
        guard !call.isClientOpen, call.inFlight == 0, call.backlog == nil else { return }
        finish(call, Ending())
    }

    private func handle(_ message: MessageAssembly.Message, of call: Call) {
        guard let method = call.method else { return }
        if method.isStream {
            call.inFlight += 1
            if case .reflect = method { return reflect(message, call) }
            return infer(message, call, isStreamed: true)
        }
        // A second message of a call that has one is not looked at.
        guard !call.hasMessage else { return }
        call.hasMessage = true
        switch method {
        case .infer, .streamInfer: infer(message, call, isStreamed: false)
        case .control(let control): answer(message, with: control, call)
        case .watch: watch(message, call)
        case .reflect: reflect(message, call)
        }
    }

    private func answer(_ message: MessageAssembly.Message, with control: ControlCall, _ call: Call) {
        let plain: MessageAssembly.Message
        do throws(ProtocolError) {
            plain = try message.plain(call.head.coding, limit: GRPCLimits.controlMessageBytes, pool: service.pool)
            try check(plain.bytes, of: control, call)
        } catch {
            return finish(call, error)
        }
        let bound = NIOLoopBound((connection: self, call: call), eventLoop: eventLoop)
        let eventLoop = eventLoop
        // What takes its time is answered by another thread.
        control.answer(plain.bytes) { result in
            eventLoop.execute {
                let (connection, call) = bound.value
                switch result {
                case .success(let bytes):
                    connection.send(WireResponse(message: bytes), on: call)
                    connection.finish(call, Ending())
                case .failure(let error): connection.finish(call, error)
                }
                connection.flush()
            }
        }
        withExtendedLifetime(plain.home) {}
    }
}
