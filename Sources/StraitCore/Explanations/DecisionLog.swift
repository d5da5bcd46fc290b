// SPDX-License-Identifier: Apache-2.0

// Explanations: why a request was staged, passed over or shed, in data. Kept only where it was asked for
// (`SchedulerOptions.explanations`).

/// The last decisions of a scheduler, with what was known when they were made. Where explanations are off there is none,
/// and nothing is spent on it.
///
/// A ring of decisions, and one each of what they consist of: the options that were weighed, the requests named for those,
/// the requests of batches. Those take room as the decisions need it, up to a limit: larger decisions are remembered in
/// smaller numbers then. Adding allocates nothing once they have it.
package struct DecisionLog: Sendable {
    private var ring: [PackedDecision] = []
    private let capacity: Int
    private(set) var options: LogPool<PackedOption>
    private(set) var names: LogPool<RequestID>
    private(set) var members: LogPool<StagedDecision.Member>
    /// Decisions that were ever added; a wait that takes another's place is none.
    package private(set) var added: UInt64 = 0
    /// The oldest one that is kept, counted from 0.
    private var first: UInt64 = 0
    /// Up to where the pools belong to decisions; behind it is what was weighed for the next one.
    private var optionsUsed: UInt32 = 0
    private var namesUsed: UInt32 = 0
    /// Which of the options there was chosen; −1 for none.
    private var chosen: Int32 = -1

    /// How many options, and how many requests, there is room for in decisions on average. With six models there are some
    /// ten options; one of 80 bytes.
    private static let optionsEach = 16
    private static let requestsEach = 16

    init(capacity: Int) {
        self.capacity = capacity
        options = LogPool(atLeast: max(capacity * Self.optionsEach, 2 * Weighing.optionsKept))
        names = LogPool(atLeast: max(capacity * Self.requestsEach, 2 * Weighing.requestsNamedInAll))
        members = LogPool(atLeast: max(capacity * Self.requestsEach, 2 * StagedDecision.membersNamed))
        // Taken as it fills, and does not move.
        ring.reserveCapacity(capacity)
    }

    // -- adding ---------------------------------------------------------------------------------------------------

    /// A policy is about to be asked: what was weighed before and came to nothing is forgotten.
    mutating func beginWeighing() {
        options.cut(to: optionsUsed)
        names.cut(to: namesUsed)
        chosen = -1
    }

    /// Requests that were named since then.
    var namesWeighed: Int { Int(names.end &- namesUsed) }

    /// Names a request for the next option.
    mutating func name(_ request: RequestID) {
        let isFull = makeRoom(
            names.end, names.room, names.limit, own: namesUsed, of: { $0.namesEnd &- UInt32($0.nameCount) })
        if isFull { names.grow() }
        names.append(request)
    }

    /// Adds an option to what is weighed.
    mutating func weigh(_ option: PackedOption, isChosen: Bool) {
        let isFull = makeRoom(
            options.end, options.room, options.limit, own: optionsUsed,
            of: { $0.optionsEnd &- UInt32($0.optionCount) })
        if isFull { options.grow() }
        if isChosen { chosen = Int32(truncatingIfNeeded: options.end &- optionsUsed) }
        options.append(option)
    }

    /// When the option that is chosen is expected to be done.
    var chosenPrediction: BoundedFinish? {
        guard chosen >= 0 else { return nil }
        let option = options[optionsUsed &+ UInt32(chosen)]
        return option.isAdmitted ? option.prediction : nil
    }

    /// Adds that nothing was staged of what was weighed; takes the place of a wait right before it, since policies look
    /// again every half millisecond.
    mutating func addWait(at now: Instant, arrivals: UInt64) {
        guard options.end != optionsUsed else { return }
        var decision = PackedDecision(
            at: now, arrivals: arrivals, kind: .waited, optionsEnd: 0, namesEnd: 0, membersEnd: members.end)
        if added > first, ring[place(of: added - 1)].kind == .waited {
            let last = ring[place(of: added - 1)]
            decision.times = last.times &+ 1
            let (optionsStart, namesStart) = (optionsUsed, namesUsed)
            optionsUsed = last.optionsEnd &- UInt32(last.optionCount)
            namesUsed = last.namesEnd &- UInt32(last.nameCount)
            options.move(from: optionsStart, to: optionsUsed)
            names.move(from: namesStart, to: namesUsed)
            takeWeighed(&decision)
            ring[place(of: added - 1)] = decision
        } else {
            takeWeighed(&decision)
            add(decision)
        }
    }

    /// Adds a batch with its requests.
    mutating func addStaging(
        _ batch: BatchRecord, _ prediction: BoundedFinish, _ cause: StagedDecision.Cause, _ requests: RequestTable,
        at now: Instant, arrivals: UInt64
    ) {
        let ownMembers = members.end
        for request in batch.members.prefix(StagedDecision.membersNamed) {
            let isFull = makeRoom(
                members.end, members.room, members.limit, own: ownMembers, of: { $0.membersEnd &- $0.memberCount })
            if isFull { members.grow() }
            members.append(StagedDecision.Member(request: request, arrival: requests.arrival(of: request)))
        }
        var decision = PackedDecision(
            at: now, arrivals: arrivals, kind: .staged, optionsEnd: 0, namesEnd: 0, membersEnd: members.end)
        decision.memberCount = UInt32(min(batch.members.count, StagedDecision.membersNamed))
        decision.requestClass = batch.requestClass
        decision.cause = cause
        decision.chosen = chosen
        decision.model = UInt32(truncatingIfNeeded: batch.work.model.index)
        decision.device = UInt32(truncatingIfNeeded: batch.device.index)
        decision.lane = UInt32(truncatingIfNeeded: batch.lane.index)
        decision.rows = UInt32(clamping: batch.rows)
        decision.slot = batch.id.slot
        decision.generation = batch.id.generation
        decision.first = prediction.expected.nanoseconds
        decision.second = prediction.bound95.nanoseconds
        decision.third = prediction.bound99.nanoseconds
        takeWeighed(&decision)
        add(decision)
    }

    /// Adds that a request was given up.
    mutating func addShedding(
        _ record: RequestRecord, _ reason: ShedReason, predictedFinish: Instant, _ test: ShedTest, at now: Instant,
        arrivals: UInt64
    ) {
        let request = record.request
        var decision = PackedDecision(
            at: now, arrivals: arrivals, kind: .shed, optionsEnd: optionsUsed, namesEnd: namesUsed,
            membersEnd: members.end)
        decision.requestClass = request.requestClass
        decision.reason = reason
        decision.pack(test)
        decision.model = UInt32(truncatingIfNeeded: request.work.model.index)
        decision.slot = request.id.slot
        decision.generation = request.id.generation
        decision.first = Int64(bitPattern: record.arrival)
        decision.second = request.deadline.nanoseconds
        decision.third = predictedFinish.nanoseconds
        add(decision)
    }

    /// What was weighed belongs to a decision from now on.
    private mutating func takeWeighed(_ decision: inout PackedDecision) {
        decision.chosen = chosen
        decision.optionCount = UInt16(truncatingIfNeeded: options.end &- optionsUsed)
        decision.nameCount = UInt16(truncatingIfNeeded: names.end &- namesUsed)
        optionsUsed = options.end
        namesUsed = names.end
        decision.optionsEnd = optionsUsed
        decision.namesEnd = namesUsed
        chosen = -1
    }

    private mutating func add(_ decision: PackedDecision) {
        if ring.count < capacity { ring.append(decision) } else { ring[place(of: added)] = decision }
        added += 1
        if added - first > UInt64(capacity) { first += 1 }
    }

    /// Forgets the oldest decisions until a pool has room for one more element, where it has all the room that it may have.
    ///
    /// - Parameters:
    ///   - end: where the pool ends.
    ///   - own: where in it begins what belongs to no decision yet.
    ///   - start: where the elements of a decision begin in it.
    /// - Returns: whether the pool has to grow instead.
    @inline(__always)
    private mutating func makeRoom(
        _ end: UInt32, _ room: Int, _ limit: Int, own: UInt32, of start: (PackedDecision) -> UInt32
    ) -> Bool {
        if room < limit { return end &- (first < added ? start(ring[place(of: first)]) : own) >= UInt32(room) }
        while first < added, end &- start(ring[place(of: first)]) >= UInt32(limit) { first += 1 }
        return false
    }

    // -- reading --------------------------------------------------------------------------------------------------

    private func place(of number: UInt64) -> Int { Int(number % UInt64(capacity)) }

    /// When the oldest decision that is kept was made; nil while there is none.
    package var oldest: Instant? { first < added ? ring[place(of: first)].at : nil }

    /// The decisions, the oldest first.
    package var records: [DecisionRecord] { (first..<added).map { record($0) } }

    /// Why a batch was staged, looked for among the decisions behind the first `count`, which then ends behind it.
    package func cause(of batch: BatchID, after count: inout UInt64) -> StagedDecision.Cause? {
        count = max(count, first)
        while count < added {
            let place = place(of: count)
            count += 1
            if ring[place].kind == .staged, ring[place].batch == batch { return ring[place].cause }
        }
        return nil
    }

    /// What a request failed that was given up, looked for likewise.
    package func test(of request: RequestID, after count: inout UInt64) -> ShedTest? {
        count = max(count, first)
        while count < added {
            let place = place(of: count)
            count += 1
            if ring[place].kind == .shed, ring[place].request == request { return ring[place].shedTest }
        }
        return nil
    }

    /// All that is known about a request, the oldest first: in which batch it was staged or why it was shed, where it was
    /// weighed, and every batch that was staged while it waited.
    ///
    /// - Parameter arrival: its place in the order of arrivals, if it still waits; else the log knows by itself.
    /// - Complexity: O(records).
    package func records(of request: RequestID, waitingSince arrival: UInt64? = nil) -> [DecisionRecord] {
        var arrival = arrival
        var found: [DecisionRecord] = []
        // From the newest back: once its end is found, it is known when it came, and so what was staged in its stead.
        var number = added
        while number > first {
            number -= 1
            let decision = ring[place(of: number)]
            switch decision.kind {
            case .shed:
                guard decision.request == request else { continue }
                arrival = decision.arrival
            case .waited: guard isNamed(request, in: decision) else { continue }
            case .staged:
                if let member = self.arrival(of: request, in: decision) {
                    arrival = member
                } else {
                    guard let arrival, decision.arrivals >= arrival else { continue }
                }
            }
            found.append(record(number))
        }
        return found.reversed()
    }

    private func isNamed(_ request: RequestID, in decision: PackedDecision) -> Bool {
        for back in 0..<UInt32(decision.nameCount) where names[decision.namesEnd &- 1 &- back] == request {
            return true
        }
        return false
    }

    private func arrival(of request: RequestID, in decision: PackedDecision) -> UInt64? {
        for back in 0..<decision.memberCount {
            let member = members[decision.membersEnd &- 1 &- back]
            if member.request == request { return member.arrival }
        }
        return nil
    }

    /// A decision as it is told.
    private func record(_ number: UInt64) -> DecisionRecord {
        let decision = ring[place(of: number)]
        let what: DecisionRecord.What
        switch decision.kind {
        case .shed: what = .shed(decision.shed)
        case .waited: what = .waited(weighing(decision))
        case .staged:
            what = .staged(
                StagedDecision(
                    batch: decision.batch, device: DeviceID(index: Int(decision.device)),
                    lane: LaneID(index: Int(decision.lane)), model: ModelID(index: Int(decision.model)),
                    requestClass: decision.requestClass, rows: Int(decision.rows),
                    members: members[decision.membersEnd, last: decision.memberCount],
                    cause: decision.cause,
                    prediction: BoundedFinish(
                        expected: Instant(nanoseconds: decision.first), bound95: Instant(nanoseconds: decision.second),
                        bound99: Instant(nanoseconds: decision.third)),
                    weighing: decision.optionCount > 0 ? weighing(decision) : nil))
        }
        return DecisionRecord(at: decision.at, arrivals: decision.arrivals, what: what)
    }

    private func weighing(_ decision: PackedDecision) -> Weighing {
        let named = names[decision.namesEnd, last: UInt32(decision.nameCount)]
        return Weighing(
            options: options[decision.optionsEnd, last: UInt32(decision.optionCount)].map { $0.option(named) },
            chosen: decision.chosen < 0 ? nil : Int(decision.chosen), times: Int(decision.times))
    }
}
