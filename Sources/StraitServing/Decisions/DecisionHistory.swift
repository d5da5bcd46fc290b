// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// All that the engine remembers so that it can say why: the last requests and batches, and for longer the high requests
/// that were late or got nothing. A value under the engine's lock; it changes nothing of what is decided.
struct DecisionHistory: Sendable {
    var requests: RequestHistory
    var batches: BatchHistory
    /// What models are called.
    private(set) var labels = ModelLabels()
    /// What was told to the clients of requests that failed: the last ones.
    private var messages: TextLog
    /// High requests that were violated, with their batches, in the order in which they ended: the ones that people ask
    /// for, often much later.
    private(set) var violations: ViolationHistory
    /// Decisions of the scheduler's log that this step's actions have been matched with.
    private var matched: UInt64 = 0

    /// A request with its batch, as they are told.
    struct Found: Sendable {
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
        violations = ViolationHistory(capacity: max(1, capacity / 8))
        messages = TextLog(keeping: max(1, capacity / 8) * TextLog.longest)
    }

    // -- a step ---------------------------------------------------------------------------------------------------

    /// A step of the scheduler begins.
    mutating func beginStep(_ decisions: DecisionLog?) { matched = decisions?.added ?? 0 }

    /// What the scheduler gave a request up for. Decisions are logged in the order of their actions.
    mutating func test(of request: RequestID, _ log: DecisionLog?) -> ShedTest? {
        log?.test(of: request, after: &matched)
    }

    /// Why the scheduler staged a batch.
    mutating func cause(of batch: BatchID, _ log: DecisionLog?) -> StagedDecision.Cause? {
        log?.cause(of: batch, after: &matched)
    }

    // -- models ---------------------------------------------------------------------------------------------------

    /// The number of the label of a model.
    ///
    /// - Complexity: O(1); for each so many new models once O(all that is remembered).
    @inline(__always)
    mutating func label(of model: ServedModel) -> UInt32 { labels.number(of: model) ?? enter(model) }

    private mutating func enter(_ model: ServedModel) -> UInt32 {
        if labels.isFull {
            var borne = labels.noneBorne
            for request in requests.all { borne[Int(request.label)] = true }
            for batch in batches.all { borne[Int(batch.label)] = true }
            violations.noteLabels(&borne)
            labels.sweep(borne)
        }
        return labels.enter(model)
    }

    // -- requests -------------------------------------------------------------------------------------------------

    /// A request has ended; nothing happens where it was forgotten before.
    @inline(__always)
    mutating func end(_ number: UInt64, at now: Instant, _ note: (inout PackedRequest) -> Void) {
        var isKept = false
        requests.change(number) {
            note(&$0)
            $0.ended = PackedSpan(from: $0.arrived, to: now)
            isKept = $0.requestClass == .high && $0.isViolation
        }
        if isKept { keep(number) }
    }

    /// A request has failed.
    mutating func fail(_ number: UInt64, _ message: String, at now: Instant) {
        let text = messages.append(message)
        end(number, at: now) {
            $0.fate = .failed
            ($0.first, $0.second) = (text.place, UInt32(text.count))
        }
    }

    private mutating func keep(_ number: UInt64) {
        guard let request = requests[number] else { return }
        let batch = batchNumber(of: request)
        violations.append(
            request, number, clientID: requests.clientID(of: request), message: message(of: request), batches[batch],
            batch)
    }

    private func message(of request: PackedRequest) -> String? {
        request.fate == .failed ? messages.text(at: request.first, Int(request.second)) : nil
    }

    /// The number of the last batch of a request; 0 before the first.
    func batchNumber(of request: PackedRequest) -> UInt64 {
        guard request.stagings > 0 else { return 0 }
        // Four billion batches ago it was not kept.
        return batches.newest - UInt64(UInt32(truncatingIfNeeded: batches.newest) &- request.batch)
    }

    /// A request among the last ones as it is told; nil for one that is forgotten.
    func request(_ number: UInt64) -> RequestEntry? {
        requests[number].map {
            $0.entry(
                number, clientID: requests.clientID(of: $0), labels[$0.label], batch: batchNumber(of: $0),
                message: message(of: $0))
        }
    }

    /// A batch as it is told; nil for one that is forgotten.
    func batch(_ number: UInt64) -> BatchEntry? { batches[number].map { $0.entry(number, labels[$0.label]) } }

    /// A request by its number, whether it is among the last ones or a violated one; with its batch.
    ///
    /// - Complexity: O(1) for the former, else O(violations).
    func find(_ number: UInt64) -> Found? {
        if let entry = request(number) { return Found(request: entry, batch: batch(entry.batch)) }
        return violations.find(number, labels)
    }

    // -- batches --------------------------------------------------------------------------------------------------

    /// A batch is staged, with its requests by their numbers.
    @inline(__always)
    mutating func stage(
        _ batch: PackedBatch, _ id: BatchID, _ prediction: PredictedEnd,
        _ members: some BidirectionalCollection<UInt64>
    ) {
        batches.append(batch, id)
        let newest = batches.newest
        var next: UInt64 = 0
        for number in members.reversed() {
            requests.change(number) {
                $0.noteStaged(newest, next: next, own: number, at: batch.stagedAt, prediction)
            }
            next = number
        }
    }

    /// The requests of a batch, the first ones, as far as they are not forgotten.
    func requests(of batch: BatchEntry, atMost limit: Int) -> [RequestEntry] {
        var found: [RequestEntry] = []
        var number = batch.firstRequest
        // A request that was staged again belongs to another batch by now; those behind it cannot be found any more.
        while found.count < limit, let entry = request(number), entry.batch == batch.number {
            found.append(entry)
            number = entry.nextInBatch
        }
        return found
    }
}
