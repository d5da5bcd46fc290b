// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Synchronization

// What is asked about the past, found. The lock is held for a piece at a time, so that no question, however wide, keeps
// requests waiting.

extension Engine {
    /// Whether it remembers what became of requests.
    var remembersDecisions: Bool { state.withLock { $0.history != nil } }

    /// The requests that a query asks for, the newest first, and how far back they are known; nil where nothing is
    /// remembered.
    ///
    /// - Complexity: O(1) for a number; else O(requests that are kept).
    func stories(_ query: DecisionQuery) -> (stories: [RequestStory], reach: HistoryReach)? {
        guard let reach = state.withLock({ $0.history?.reach }) else { return nil }
        let now = now()
        let earliest = query.since.map { now - .seconds($0) } ?? Instant(nanoseconds: .min)
        var found: [DecisionHistory.Found] = []
        if let number = query.number {
            let only = state.withLock { $0.history?.find(number) }
            found = [only].compactMap(\.self).filter { query.wants($0.request, from: earliest) }
        } else {
            found = search(query, reach, from: earliest)
        }
        return (found.map { story(of: $0) }, reach)
    }

    /// Requests looked at while the lock is held once: some ten microseconds.
    private static let piece: UInt64 = 1024

    private func search(
        _ query: DecisionQuery, _ reach: HistoryReach, from earliest: Instant
    ) -> [DecisionHistory.Found] {
        var found: [DecisionHistory.Found] = []
        var next = reach.numbers?.upperBound ?? 0
        let oldest = reach.numbers?.lowerBound ?? 1
        while next >= oldest, found.count < query.last {
            let end = max(oldest, next >= Self.piece ? next - Self.piece + 1 : 1)
            state.withLock { state in
                guard let history = state.history else { return }
                var number = next
                while number >= end, found.count < query.last {
                    if query.wants(number, of: history, from: earliest), let one = history.find(number) {
                        found.append(one)
                    }
                    number -= 1
                }
            }
            next = end - 1
        }
        guard found.count < query.last, query.requestClass != .low else { return found }
        // Violated ones that are older than all that is kept.
        let older = state.withLock { $0.history.map { $0.violations.all(before: oldest, $0.labels) } ?? [] }
        let wanted = older.filter { query.wants($0.request, from: earliest) }
            .sorted { $0.request.number > $1.request.number }
        return found + wanted.prefix(query.last - found.count)
    }

    /// Gathers what is known of a request.
    private func story(of found: DecisionHistory.Found) -> RequestStory {
        var story = RequestStory(request: found.request, batch: found.batch)
        let request = found.request
        state.withLock { state in
            guard let history = state.history else { return }
            if let batch = found.batch {
                story.companions = history.requests(of: batch, atMost: Self.companionsNamed + 1)
                    .filter { $0.number != request.number }
                    .map { RequestStory.Companion(number: $0.number, clientID: $0.clientID) }
                story.neighbours = history.neighbours(of: batch)
            }
            story.displacement = history.displacement(of: request)
            guard let id = request.id else { return }
            story.weighed = state.scheduler.records(of: id).compactMap { history.weighed(id, in: $0) }
        }
        return story
    }

    /// Requests of one batch that are named.
    private static let companionsNamed = 32
}

extension DecisionHistory {
    /// How far back it knows.
    var reach: HistoryReach {
        var reach = HistoryReach(capacity: requests.capacity, violations: violations.count)
        if let oldest = requests[requests.oldest] {
            reach.numbers = requests.oldest...requests.newest
            reach.oldestArrived = oldest.arrived
        }
        return reach
    }

    /// Batches before and behind one that are looked at for those beside it: far more than lanes have.
    private static let batchesAround: UInt64 = 256

    /// Other batches that were on the device of one at the same time.
    func neighbours(of batch: BatchEntry) -> [BatchEntry] {
        let first = batch.number > Self.batchesAround ? batch.number - Self.batchesAround : 1
        let last = min(batches.newest, batch.number + Self.batchesAround)
        guard first <= last else { return [] }
        var found: [BatchEntry] = []
        for number in first...last where number != batch.number {
            guard let other = batches[number], Int(other.device) == batch.device,
                other.stagedAt < batch.endedAt ?? .never, batch.stagedAt < other.endedAt
            else { continue }
            found.append(other.entry(number, labels[other.label]))
        }
        return found
    }

    /// Batches that are counted for one request: what one lock may hold up is bounded.
    private static let batchesCounted: UInt64 = 4096

    /// What was staged while a request waited for its last batch, or its end.
    func displacement(of request: RequestEntry) -> RequestStory.Displacement {
        var displacement = RequestStory.Displacement()
        let end: Instant
        switch request.fate {
        case .waiting: end = .never
        case .running, .answered, .failed: end = request.batch > 0 ? request.stagedAt : request.endedAt
        case .shed, .cancelled: end = request.stagings > 0 ? request.stagedAt : request.endedAt
        case .turnedAway: return displacement
        }
        var number = request.batch > 0 ? request.batch - 1 : lastBatch(stagedBy: end)
        var counted: UInt64 = 0
        while let batch = batches[number], batch.stagedAt >= request.arrived {
            guard counted < Self.batchesCounted else {
                displacement.isPartial = true
                return displacement
            }
            counted += 1
            displacement.add(batch)
            if displacement.last.count < RequestStory.Displacement.named {
                displacement.last.append(batch.entry(number, labels[batch.label]))
            }
            number -= 1
        }
        displacement.isPartial = number > 0 && number < batches.oldest
        return displacement
    }

    /// The number of the last batch that was staged by an instant; 0 for none.
    ///
    /// - Complexity: O(log batches).
    private func lastBatch(stagedBy end: Instant) -> UInt64 {
        guard batches.newest > 0 else { return 0 }
        var (low, high) = (batches.oldest, batches.newest + 1)
        while low < high {
            let middle = low + (high - low) / 2
            if let batch = batches[middle], batch.stagedAt <= end { low = middle + 1 } else { high = middle }
        }
        return low - 1
    }

    /// A decision as it concerned a request; nil where it was no option in it.
    func weighed(_ id: RequestID, in record: DecisionRecord) -> RequestStory.Weighed? {
        let weighing: Weighing
        var staged: StagedDecision?
        switch record.what {
        case .shed: return nil
        case .waited(let waited): weighing = waited
        case .staged(let decision):
            guard let options = decision.weighing else { return nil }
            weighing = options
            staged = decision
        }
        let own = weighing.options.enumerated().filter { $0.element.requests.contains(id) }
        let isOwn = own.contains { $0.offset == weighing.chosen }
        // Batches are tried from large to small: the last with the request was the nearest to be taken.
        let best = own.first { $0.offset == weighing.chosen } ?? own.last
        guard let best else { return nil }
        let chosen = weighing.chosen.map { chosen in
            (option: weighing.options[chosen], batch: staged.flatMap { batch(of: $0, at: record.at) })
        }
        return RequestStory.Weighed(
            at: record.at, times: weighing.times, options: weighing.options.count, chosen: chosen, own: best.element,
            isOwn: isOwn, passedOver: isOwn ? weighing.passedOver(RequestStory.Weighed.passedOverNamed) : [])
    }

    /// The batch that a decision staged.
    private func batch(of staged: StagedDecision, at now: Instant) -> BatchEntry? {
        let isIt = { (batch: PackedBatch) in
            batch.stagedAt == now && Int(batch.device) == staged.device.index && Int(batch.lane) == staged.lane.index
        }
        var number = lastBatch(stagedBy: now)
        while let batch = batches[number], batch.stagedAt == now {
            if isIt(batch) { return batch.entry(number, labels[batch.label]) }
            number -= 1
        }
        return nil
    }
}

extension Weighing {
    /// What could have been staged instead of what was: of each other model and class the best, the best first. Other sizes
    /// of the same batch are none of it, nor is what the gate kept out.
    fileprivate func passedOver(_ most: Int) -> [Option] {
        guard let chosen else { return [] }
        let taken = options[chosen]
        var found: [(option: Option, rank: Double)] = []
        for option in options where option.model != taken.model || option.requestClass != taken.requestClass {
            guard let rank = option.rank else { continue }
            let same = found.firstIndex {
                $0.option.model == option.model && $0.option.requestClass == option.requestClass
            }
            guard let same else {
                found.append((option, rank))
                continue
            }
            if found[same].rank < rank { found[same] = (option, rank) }
        }
        return found.sorted { $0.rank > $1.rank }.prefix(most).map(\.option)
    }
}
