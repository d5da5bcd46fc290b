// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// What is known of a batch: where it ran, what was expected, what happened.
struct BatchEntry: Sendable {
    /// The server's number for it, counted from 1.
    var number: UInt64
    /// The model and its version.
    var model: String
    var version: Int
    /// The class that it counted as.
    var requestClass: RequestClass
    var rows: Int
    /// How many requests it had, and the first of them; the others follow by `RequestEntry.nextInBatch`.
    var requests: Int
    var firstRequest: UInt64
    /// Where it ran.
    var device: Int
    var lane: Int
    /// Other batches that were on the device when it was staged.
    var beside: Int
    /// Why it was staged; nil where that is not known.
    var cause: StagedDecision.Cause?
    var stagedAt: Instant
    /// When its inputs were on the device and its kernels done; nil where it has not come so far, or its device says
    /// neither.
    var copiedInAt: Instant?
    var kernelsDoneAt: Instant?
    var endedAt: Instant?
    /// What its device measured; nil where it did not finish.
    var times: MeasuredTimes?
    var end = End.none

    /// How a batch can end.
    enum End: String, Sendable, Hashable {
        /// It runs.
        case none
        case finished
        case failed
        /// Its device was taken out of service.
        case withdrawn
    }
}

/// What is kept of a batch: flat, without memory of its own. ``BatchEntry`` is made of it when somebody asks.
struct PackedBatch: Sendable {
    /// All spans but those that its device measured are from then.
    var stagedAt: Instant
    var firstRequest: UInt64
    var label: UInt32
    var rows: UInt32
    var requests: UInt32
    var copiedIn = PackedSpan.never
    var kernelsDone = PackedSpan.never
    var ended = PackedSpan.never
    /// What its device measured, if it finished.
    var copyIn = PackedSpan.zero
    var kernels = PackedSpan.zero
    var copyOut = PackedSpan.zero
    var device: UInt16
    var lane: UInt16
    var beside: UInt16
    var requestClass: RequestClass
    var cause: StagedDecision.Cause?
    var end = BatchEntry.End.none

    /// Notes how it ended.
    mutating func note(_ end: BatchEntry.End, _ times: MeasuredTimes?, at now: Instant) {
        ended = PackedSpan(from: stagedAt, to: now)
        self.end = end
        guard let times else { return }
        copyIn = PackedSpan(times.copyIn)
        kernels = PackedSpan(times.kernels)
        copyOut = PackedSpan(times.copyOut)
    }

    /// When it ended; never for one that runs.
    var endedAt: Instant { ended.instant(from: stagedAt) }

    /// The batch as it is told.
    func entry(_ number: UInt64, _ label: ModelLabels.Label) -> BatchEntry {
        BatchEntry(
            number: number, model: label.name, version: label.version, requestClass: requestClass, rows: Int(rows),
            requests: Int(requests), firstRequest: firstRequest, device: Int(device), lane: Int(lane),
            beside: Int(beside), cause: cause, stagedAt: stagedAt,
            copiedInAt: copiedIn.instantIfAny(from: stagedAt), kernelsDoneAt: kernelsDone.instantIfAny(from: stagedAt),
            endedAt: ended.instantIfAny(from: stagedAt),
            times: end == .finished
                ? MeasuredTimes(copyIn: copyIn.span, kernels: kernels.span, copyOut: copyOut.span) : nil, end: end)
    }
}

/// The last batches, by their numbers; a ring as ``RequestHistory`` is.
struct BatchHistory: Sendable {
    private var ring: NumberedRing<PackedBatch>
    /// The numbers of the batches that run, by the slots of the scheduler.
    private var numbers: [UInt64] = []

    init(capacity: Int) { ring = NumberedRing(capacity: capacity) }

    /// The number of the newest batch; 0 before the first.
    var newest: UInt64 { ring.newest }

    /// The number of the oldest batch that is kept; 0 while there is none.
    var oldest: UInt64 { ring.oldest }

    /// What is kept of a batch; nil for one that is forgotten or was not staged yet.
    subscript(number: UInt64) -> PackedBatch? { ring[number] }

    /// All that is kept, in no order.
    var all: [PackedBatch] { ring.all }

    /// The number of a batch that runs; 0 for one that is not known.
    func number(of id: BatchID) -> UInt64 { Int(id.slot) < numbers.count ? numbers[Int(id.slot)] : 0 }

    /// Takes up a batch that is staged.
    mutating func append(_ batch: PackedBatch, _ id: BatchID) {
        ring.append(batch)
        while numbers.count <= Int(id.slot) { numbers.append(0) }
        numbers[Int(id.slot)] = ring.newest
    }

    /// Changes what is known of a batch that runs, unless it is forgotten.
    @inline(__always)
    mutating func change(_ id: BatchID, _ body: (inout PackedBatch) -> Void) { ring.change(number(of: id), body) }
}
