// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import StraitCore
internal import StraitFrames
internal import StraitProtocol
internal import StraitServing
internal import StraitTensor

/// How a call ends: its status, and what goes with that.
struct Ending {
    /// gRPC's number.
    var status = 0
    /// What is wrong; empty where nothing is.
    var message = ""
    /// Trailing metadata.
    var metadata: [(name: String, value: String)] = []
}

/// One call of a client: a stream of its connection. Lives on the connection's event loop.
final class Call {
    /// The stream's number.
    let stream: Int
    let head: CallHead
    /// What is called; nil where there is no such method.
    let method: Method?
    /// When it came.
    let arrived: Instant
    /// When it ends whatever has become of it; nil for never.
    let deadline: Instant?

    // -- what comes
    var assembly: MessageAssembly
    /// Whether the client may still send.
    var isClientOpen = true
    /// What came while all places of the stream were taken.
    var backlog: Backlog?
    var isTakingBacklog = false
    /// When something came the last time, or went; for a call that must send something, or take its answer.
    var lastProgress = NIODeadline.distantPast
    /// Whether a unary call has had its message.
    var hasMessage = false

    // -- what goes
    var hasSentHeaders = false
    /// Answers that were not sent yet, and how much of the first was.
    var outgoing: [WireResponse] = []
    var sentOfFirst = 0
    var ending: Ending?
    /// Whether it waits for a window or for the socket.
    var isQueued = false
    /// Whether its answer could not be sent in one go, and waits for its client.
    var isStuck = false
    /// Whether nothing is sent any more: it has ended, or nobody wants to hear.
    var isOver = false

    // -- requests
    /// Who calls.
    var caller = Caller.unknown
    /// The place of its one request among its tenant's.
    var permit: Permit?
    /// Requests that the engine has, by numbers of the call's own; nil where what to cancel it by is not known.
    var requests: [Int: RequestID] = [:]
    /// The one request of a call that has no more.
    var onlyRequest: RequestID?
    var nextRequest = 0
    /// What is read beside the event loop, by numbers of the call's own.
    var jobs: [Int: HelperThreads.Job] = [:]
    var nextJob = 0
    /// Requests of a stream whose answers were not sent yet.
    var inFlight = 0
    /// What is to be forgotten at the end.
    var atEnd: (() -> Void)?

    init(stream: Int, head: CallHead, method: Method?, arrived: Instant, messageLimit: Int) {
        self.stream = stream
        self.head = head
        self.method = method
        self.arrived = arrived
        self.deadline = head.timeout.map { arrived + $0 }
        self.assembly = MessageAssembly(limit: messageLimit)
    }

    /// Whether the client must send: its first message, or the rest of one.
    var isOwed: Bool {
        guard isClientOpen, !isOver else { return false }
        if assembly.isAmidMessage { return backlog == nil }
        return !hasMessage && !(method?.isStream ?? false)
    }

    /// Whether a further message is to wait.
    var isFull: Bool { inFlight >= method?.requestsAtATime ?? .max }

    /// What is left until the deadline, in microseconds, at least 1; nil where there is no end to it.
    func microsecondsLeft(at now: Instant) -> Int64? {
        deadline.map { max(1, ($0 - now).nanoseconds / 1000) }
    }
}

/// Bytes that came before there was a place for what they ask. They are counted as tensors are.
struct Backlog {
    private var slab: Slab
    private var range: Range<Int>

    init(_ bytes: UnsafeRawBufferPointer, pool: SlabPool) throws(ProtocolError) {
        slab = try Self.memory(bytes.count, pool)
        slab.bytes.copyMemory(from: bytes)
        range = 0..<bytes.count
    }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(slab.bytes)[range]) }

    /// Takes bytes off the front.
    mutating func drop(_ count: Int) { range = range.lowerBound + count..<range.upperBound }

    mutating func append(_ more: UnsafeRawBufferPointer, pool: SlabPool) throws(ProtocolError) {
        if range.upperBound + more.count > slab.bytes.count {
            let larger = try Self.memory(max(2 * range.count, range.count + more.count), pool)
            larger.bytes.copyMemory(from: bytes)
            (slab, range) = (larger, 0..<range.count)
        }
        UnsafeMutableRawBufferPointer(rebasing: slab.bytes[range.upperBound...]).copyMemory(from: more)
        range = range.lowerBound..<range.upperBound + more.count
    }

    private static func memory(_ count: Int, _ pool: SlabPool) throws(ProtocolError) -> Slab {
        do { return try pool.take(count) } catch {
            throw ProtocolError(.resourceExhausted, "the server's tensor memory is full; try again later")
        }
    }
}
