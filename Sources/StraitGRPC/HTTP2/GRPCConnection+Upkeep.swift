// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import StraitCore
internal import StraitFrames
internal import StraitProtocol
internal import StraitServing

// What time does to a connection and its calls, and the end of the server.

extension GRPCConnection {
    /// Looks after the connection from time to time. Little depends on when exactly.
    func startTicking() {
        guard tick == nil else { return }
        let period = TimeAmount.milliseconds(min(5000, max(100, limits.idleSeconds * 1000 / 8)))
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        tick = eventLoop.scheduleTask(in: period) {
            let connection = bound.value
            connection.tick = nil
            guard !connection.isOver else { return }
            connection.lookAfter()
            connection.flush()
            if !connection.isOver { connection.startTicking() }
        }
    }

    private func lookAfter() {
        let now = NIODeadline.now()
        let idle = TimeAmount.seconds(limits.idleSeconds)
        if let pingedAt, now - pingedAt >= .seconds(GRPCLimits.keepaliveAnswerSeconds) { return close() }
        if calls.isEmpty, now - max(lastCallEnded, lastRead) >= idle {
            frames.goAway(.none, "nothing was asked for \(limits.idleSeconds) s")
            flush()
            return close()
        }
        for call in calls.values where call.isOwed && now - call.lastProgress >= idle {
            finish(
                call,
                ProtocolError(.unavailable, "no more of the message has come for \(limits.idleSeconds) s"))
        }
        // Whose client takes nothing of an answer must not hold its memory for ever.
        for call in calls.values where call.isStuck && now - call.lastProgress >= idle {
            frames.reset(call.stream, .cancelled)
            forget(call)
        }
        if pingedAt == nil, now - lastRead >= .seconds(GRPCLimits.keepaliveSeconds) {
            pingedAt = now
            frames.ping(Self.keepalivePing)
        }
    }

    private static let keepalivePing: UInt64 = 1
    private static let lastPing: UInt64 = 2

    // -- deadlines -----------------------------------------------------------------------------------------------

    /// Sees to it that a call ends when its deadline has passed. One timer does for all calls of a connection.
    func watchDeadline(of call: Call) {
        guard let left = call.microsecondsLeft(at: service.engine.now()) else { return }
        watchDeadline(in: left)
    }

    private func watchDeadline(in microseconds: Int64) {
        let due = NIODeadline.now() + .microseconds(min(microseconds, Self.longestWait))
        if let deadlineTick {
            guard due < deadlineTick.at else { return }
            deadlineTick.task.cancel()
        }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        let task = eventLoop.scheduleTask(deadline: due) {
            let connection = bound.value
            connection.deadlineTick = nil
            guard !connection.isOver else { return }
            connection.endLateCalls()
            connection.flush()
        }
        deadlineTick = (due, task)
    }

    /// A day, in microseconds: after that it is looked again.
    private static let longestWait: Int64 = 24 * 3600 * 1_000_000

    private func endLateCalls() {
        let now = service.engine.now()
        var next: Int64?
        for call in calls.values {
            guard let deadline = call.deadline else { continue }
            if deadline <= now {
                // An answer of which a part has gone is cut, and must not end as if it were whole.
                (call.outgoing, call.sentOfFirst, call.ending) = ([], 0, nil)
                finish(call, ProtocolError(.deadlineExceeded, "the call's deadline has passed"))
            } else {
                let left = max(1, (deadline - now).nanoseconds / 1000 + 1)
                next = min(next ?? left, left)
            }
        }
        if let next { watchDeadline(in: next) }
    }

    // -- the end -------------------------------------------------------------------------------------------------

    /// The server goes: no more calls are taken, and when those that are open have ended the connection is closed.
    func quiesce() {
        guard !isQuiescing, !isOver else { return }
        isQuiescing = true
        // First that it goes; which call was the last one is known when the client has heard that.
        frames.goAway(last: Int(FrameHead.numberMask), .none, "the server is draining")
        frames.ping(Self.lastPing)
        for call in calls.values {
            switch call.method {
            // What was accepted is answered by now, so these wait for more.
            case .streamInfer: finish(call, Self.draining)
            case .watch, .reflect: finish(call, Ending())
            case .infer, .control, nil: break
            }
        }
        flush()
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: .milliseconds(Self.lastAnswerMilliseconds)) {
            bound.value.quiesced()
            bound.value.flush()
        }
    }

    /// How long the client is waited for to say that it has heard.
    private static let lastAnswerMilliseconds: Int64 = 500

    /// The client knows that the server goes, or does not say so.
    func quiesced() {
        guard !isOver, !hasQuiesced else { return }
        hasQuiesced = true
        frames.isClosed = true
        frames.goAway(.none, "the server is draining")
    }

    /// Whether all that is left is to be taken by the client.
    var hasEnded: Bool { hasQuiesced && calls.isEmpty && !isOver }

    /// Ends the connection behind what was written, however slow its client takes it; the server's end bounds that. First
    /// our side only: a connection that is closed while the client still sends, be it that it has room, is cut, and what it
    /// has not taken is lost.
    func hangUp() {
        guard let context else { return }
        let channel = context.channel
        end()
        let isSent = eventLoop.makePromise(of: Void.self)
        isSent.futureResult.whenComplete { _ in
            channel.eventLoop.scheduleTask(in: .seconds(GRPCLimits.lingerSeconds)) { channel.close(promise: nil) }
        }
        context.close(mode: .output, promise: isSent)
    }

    static let draining = ProtocolError(.unavailable, "the server is draining; ask another one")
}
