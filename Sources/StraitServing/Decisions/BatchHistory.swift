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
    var predicted: PredictedEnd
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

/// The last batches, by their numbers; a ring as ``RequestHistory`` is.
struct BatchHistory: Sendable {
    private var ring: [BatchEntry] = []
    let capacity: Int
    /// The number of the newest batch; 0 before the first.
    private(set) var newest: UInt64 = 0
    /// The numbers of the batches that run, by the slots of the scheduler.
    private var numbers: [UInt64] = []

    init(capacity: Int) { self.capacity = capacity }

    /// The number of the oldest batch that is kept; 0 while there is none.
    var oldest: UInt64 { ring.isEmpty ? 0 : newest - UInt64(ring.count) + 1 }

    /// A batch by its number; nil for one that is forgotten or was not staged yet.
    subscript(number: UInt64) -> BatchEntry? { place(of: number).map { ring[$0] } }

    /// The number of a batch that runs; 0 for one that is not known.
    func number(of id: BatchID) -> UInt64 { Int(id.slot) < numbers.count ? numbers[Int(id.slot)] : 0 }

    /// Takes up a batch that is staged, whose number is the next.
    mutating func append(_ entry: BatchEntry, _ id: BatchID) {
        newest = entry.number
        while numbers.count <= Int(id.slot) { numbers.append(0) }
        numbers[Int(id.slot)] = entry.number
        if ring.count < capacity {
            ring.append(entry)
        } else {
            ring[Int((entry.number - 1) % UInt64(capacity))] = entry
        }
    }

    /// Changes what is known of a batch, unless it is forgotten.
    mutating func change(_ number: UInt64, _ body: (inout BatchEntry) -> Void) {
        if let place = place(of: number) { body(&ring[place]) }
    }

    private func place(of number: UInt64) -> Int? {
        guard number > 0, number <= newest, newest - number < UInt64(ring.count) else { return nil }
        return Int((number - 1) % UInt64(capacity))
    }
}
