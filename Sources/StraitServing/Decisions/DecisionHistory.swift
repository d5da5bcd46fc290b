// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// All that the engine remembers so that it can say why: the last requests and batches, and for longer the high requests
/// that were late or got nothing. A value under the engine's lock; it changes nothing of what is decided.
struct DecisionHistory: Sendable {
    var requests: RequestHistory
    var batches: BatchHistory
    /// High requests that were violated, with their batches, in the order in which they ended: the ones that people ask
    /// for, often much later.
    private(set) var violations: [Violation] = []
    private var nextViolation = 0
    let violationCapacity: Int
    /// Decisions of the scheduler's log that this step's actions have been matched with.
    private var matched: UInt64 = 0

    /// A high request that was violated.
    struct Violation: Sendable {
        var request: RequestEntry
        var batch: BatchEntry?
    }

    /// The scheduler's own decisions, with all options that were weighed, are ten times as large as a request: so many
    /// fewer of them are kept.
    static func decisions(for requests: Int) -> Int { requests > 0 ? max(16, requests / 8) : 0 }

    /// A history of so many requests.
    init(capacity: Int) {
        requests = RequestHistory(capacity: capacity)
        batches = BatchHistory(capacity: capacity)
        violationCapacity = max(1, capacity / 8)
    }

    // -- a step ---------------------------------------------------------------------------------------------------

    /// A step of the scheduler begins.
    mutating func beginStep(_ decisions: DecisionLog?) { matched = decisions?.added ?? 0 }

    /// The decision behind an action of this step. Decisions are logged in the order of their actions.
    private mutating func decision(_ log: DecisionLog?, where isIt: (DecisionRecord.What) -> Bool) -> DecisionRecord? {
        while let record = log?.record(addedAfter: matched) {
            matched += 1
            if isIt(record.what) { return record }
        }
        return nil
    }

    /// What the scheduler gave a request up for.
    mutating func test(of request: RequestID, _ log: DecisionLog?) -> ShedTest? {
        let record = decision(log) { if case .shed(let shed) = $0 { shed.request == request } else { false } }
        guard case .shed(let shed)? = record?.what else { return nil }
        return shed.test
    }

    /// Why the scheduler staged a batch.
    mutating func cause(of batch: BatchID, _ log: DecisionLog?) -> StagedDecision.Cause? {
        let record = decision(log) { if case .staged(let staged) = $0 { staged.batch == batch } else { false } }
        guard case .staged(let staged)? = record?.what else { return nil }
        return staged.cause
    }

    // -- requests -------------------------------------------------------------------------------------------------

    /// A request has ended, and was not forgotten before.
    mutating func end(_ number: UInt64, _ fate: RequestEntry.Fate, at now: Instant) {
        var isKept = false
        requests.change(number) {
            $0.fate = fate
            $0.endedAt = now
            isKept = $0.requestClass == .high && $0.isViolation
        }
        guard isKept, let entry = requests[number] else { return }
        keep(Violation(request: entry, batch: batches[entry.batch]))
    }

    private mutating func keep(_ violation: Violation) {
        if violations.count < violationCapacity { return violations.append(violation) }
        violations[nextViolation] = violation
        nextViolation = (nextViolation + 1) % violationCapacity
    }

    /// A request by its number, whether it is among the last ones or a violated one; with its batch.
    ///
    /// - Complexity: O(1) for the former, else O(violations).
    func find(_ number: UInt64) -> Violation? {
        if let entry = requests[number] { return Violation(request: entry, batch: batches[entry.batch]) }
        return violations.first { $0.request.number == number }
    }

    // -- batches --------------------------------------------------------------------------------------------------

    /// A batch is staged, with its requests by their numbers.
    mutating func stage(_ entry: BatchEntry, _ id: BatchID, _ members: some BidirectionalCollection<UInt64>) {
        batches.append(entry, id)
        var next: UInt64 = 0
        for number in members.reversed() {
            requests.change(number) {
                $0.batch = entry.number
                $0.nextInBatch = next
                $0.stagings += 1
                $0.stagedAt = entry.stagedAt
                $0.predicted = entry.predicted
                $0.fate = .running
            }
            next = number
        }
    }

    /// A batch has ended.
    mutating func end(_ id: BatchID, _ end: BatchEntry.End, _ times: MeasuredTimes? = nil, at now: Instant) {
        batches.change(batches.number(of: id)) {
            $0.endedAt = now
            $0.end = end
            $0.times = times
        }
    }

    /// The requests of a batch, the first ones, as far as they are not forgotten.
    func requests(of batch: BatchEntry, atMost limit: Int) -> [RequestEntry] {
        var found: [RequestEntry] = []
        var number = batch.firstRequest
        // A request that was staged again belongs to another batch by now; those behind it cannot be found any more.
        while found.count < limit, let entry = requests[number], entry.batch == batch.number {
            found.append(entry)
            number = entry.nextInBatch
        }
        return found
    }
}
