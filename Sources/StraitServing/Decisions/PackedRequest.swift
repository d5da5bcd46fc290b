// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// What is kept of a request: flat, without memory of its own. ``RequestEntry`` is made of it when somebody asks.
struct PackedRequest: Sendable {
    /// What has become of it, by the cases of ``RequestEntry/Fate``.
    enum Fate: UInt8, Sendable { case waiting, running, met, late, shed, turnedAway, failed, cancelled }

    /// The test that it failed, by the cases of `ShedTest`.
    enum Test: UInt8, Sendable {
        case none, arrival, lastStart, expired, passedOver, passedOverUnpredicted, room, modelRoom, hang, unloaded
    }

    /// Its arrival and its deadline; all spans but those of its test are from its arrival.
    var arrived: Instant
    var deadline: Instant
    /// The scheduler's name for it.
    var id: RequestID
    /// Where its client's id lies, and its model's label and number.
    var clientID: TextLog.Place = 0
    var label: UInt32
    var model: UInt32
    var rows: UInt32
    var waitingHigh: UInt32
    var waitingLow: UInt32
    /// The last bits of the number of its last batch.
    var batch: UInt32 = 0
    /// The next request of that batch, from this one on; 0 for none.
    var next: Int32 = 0
    var seen = PackedSpan.zero
    /// The test on arrival; not there where there was none.
    var laneFree = PackedSpan.never
    var ahead = PackedSpan.zero
    var own = PackedSpan.zero
    var staged = PackedSpan.zero
    var expected = PackedSpan.never
    var bound95 = PackedSpan.never
    var bound99 = PackedSpan.never
    var ended = PackedSpan.zero
    /// Of one that was shed the predicted finish.
    var predictedFinish = PackedSpan.never
    /// Of one that was shed the spans or counts of the test that it failed; of one that failed where its message lies, and
    /// its bytes.
    var first: UInt32 = 0
    var second: UInt32 = 0
    var third: UInt32 = 0
    var clientIDBytes: UInt8 = 0
    var stagings: UInt8 = 0
    var requestClass: RequestClass
    var fate = Fate.waiting
    var test = Test.none
    var reason = ShedReason.hopelessOnArrival
    var turnedAway = RequestEntry.TurnedAway.draining
    /// Whether the scheduler had it, and whether it put it to the test on arrival.
    var hasID: Bool
    var wasTested = false

    /// A request as it comes; its client's id is entered by the history.
    init(_ submission: Submission, _ id: RequestID?, _ label: UInt32, waitingHigh: Int, waitingLow: Int) {
        arrived = submission.arrived
        deadline = submission.deadline
        self.id = id ?? RequestID(slot: 0, generation: 0)
        hasID = id != nil
        self.label = label
        model = UInt32(truncatingIfNeeded: submission.model.id.index)
        requestClass = submission.requestClass
        rows = UInt32(clamping: submission.rows)
        self.waitingHigh = UInt32(clamping: waitingHigh)
        self.waitingLow = UInt32(clamping: waitingLow)
    }

    /// Whether it had a promise that was not kept: shed, late or failed.
    var isViolation: Bool { fate == .late || fate == .shed || fate == .turnedAway || fate == .failed }

    /// Notes the test on arrival, which it has just passed or failed.
    mutating func note(_ test: ArrivalTest?) {
        guard let test else { return }
        wasTested = true
        laneFree = PackedSpan(from: arrived, to: test.laneFree)
        ahead = PackedSpan(test.ahead)
        own = PackedSpan(test.own)
    }

    /// Notes that it is put into a batch.
    mutating func noteStaged(_ batch: UInt64, next: UInt64, own number: UInt64, at now: Instant, _ end: PredictedEnd) {
        self.batch = UInt32(truncatingIfNeeded: batch)
        self.next = next == 0 ? 0 : Int32(exactly: Int64(bitPattern: next &- number)) ?? 0
        stagings = stagings == .max ? .max : stagings + 1
        staged = PackedSpan(from: arrived, to: now)
        expected = PackedSpan(from: arrived, to: end.expected)
        bound95 = PackedSpan(from: arrived, to: end.bound95)
        bound99 = PackedSpan(from: arrived, to: end.bound99)
        fate = .running
    }

    /// Notes that it is shed.
    mutating func noteShed(_ reason: ShedReason, _ finish: Instant, _ test: ShedTest?) {
        fate = .shed
        self.reason = reason
        predictedFinish = PackedSpan(from: arrived, to: finish)
        switch test {
        case nil: self.test = .none
        case .arrival(let arrival)?:
            self.test = .arrival
            if !wasTested { note(arrival) }
        case .lastStart(let instant, let own)?:
            self.test = .lastStart
            first = PackedSpan(from: arrived, to: instant).bits
            second = PackedSpan(own).bits
        case .expired?: self.test = .expired
        case .passedOver(let finish?)?:
            self.test = .passedOver
            first = PackedSpan(from: arrived, to: finish.expected).bits
            second = PackedSpan(from: arrived, to: finish.bound95).bits
            third = PackedSpan(from: arrived, to: finish.bound99).bits
        case .passedOver(nil)?: self.test = .passedOverUnpredicted
        case .room(let waiting, let limit)?:
            self.test = .room
            (first, second) = (UInt32(clamping: waiting), UInt32(clamping: limit))
        case .modelRoom(let waiting, let limit)?:
            self.test = .modelRoom
            (first, second) = (UInt32(clamping: waiting), UInt32(clamping: limit))
        case .hang?: self.test = .hang
        case .unloaded?: self.test = .unloaded
        }
    }

    // -- as it is told --------------------------------------------------------------------------------------------

    /// The test on arrival, put together again.
    var arrivalTest: ArrivalTest? {
        guard wasTested else { return nil }
        return ArrivalTest(
            laneFree: laneFree.instant(from: arrived), ahead: ahead.span, own: own.span,
            at: seen.instant(from: arrived))
    }

    /// The test that it failed.
    var shedTest: ShedTest? {
        switch test {
        case .none: nil
        case .arrival: arrivalTest.map(ShedTest.arrival)
        case .lastStart: .lastStart(instant(first), own: PackedSpan(bits: second).span)
        case .expired: .expired
        case .passedOver:
            .passedOver(
                BoundedFinish(expected: instant(first), bound95: instant(second), bound99: instant(third)))
        case .passedOverUnpredicted: .passedOver(nil)
        case .room: .room(waiting: Int(first), limit: Int(second))
        case .modelRoom: .modelRoom(waiting: Int(first), limit: Int(second))
        case .hang: .hang
        case .unloaded: .unloaded
        }
    }

    private func instant(_ bits: UInt32) -> Instant { PackedSpan(bits: bits).instant(from: arrived) }

    /// What has become of it.
    ///
    /// - Parameter message: what was told to its client if it failed.
    func fate(_ message: String?) -> RequestEntry.Fate {
        switch fate {
        case .waiting: .waiting
        case .running: .running
        case .met: .answered(isLate: false)
        case .late: .answered(isLate: true)
        case .shed:
            .shed(reason, predictedFinish: predictedFinish.instant(from: arrived), test: shedTest)
        case .turnedAway: .turnedAway(turnedAway)
        case .failed: .failed(message ?? "its message is forgotten")
        case .cancelled: .cancelled
        }
    }

    /// The request as it is told.
    ///
    /// - Parameters:
    ///   - batch: the number of its last batch; 0 for none.
    ///   - message: what was told to its client if it failed.
    func entry(
        _ number: UInt64, clientID: String, _ label: ModelLabels.Label, batch: UInt64, message: String?
    ) -> RequestEntry {
        var entry = RequestEntry(
            number: number, id: hasID ? id : nil, clientID: clientID, model: label.name, version: label.version,
            modelID: ModelID(index: Int(model)), requestClass: requestClass, rows: Int(rows), arrived: arrived,
            deadline: deadline)
        entry.seenAt = seen.instant(from: arrived)
        entry.waitingHigh = Int(waitingHigh)
        entry.waitingLow = Int(waitingLow)
        entry.arrivalTest = arrivalTest
        entry.stagings = Int(stagings)
        if stagings > 0 {
            entry.batch = batch
            entry.nextInBatch = next == 0 ? 0 : number &+ UInt64(bitPattern: Int64(next))
            entry.stagedAt = staged.instant(from: arrived)
            entry.predicted = PredictedEnd(
                expected: expected.instant(from: arrived), bound95: bound95.instant(from: arrived),
                bound99: bound99.instant(from: arrived))
        }
        entry.endedAt = ended.instant(from: arrived)
        entry.fate = fate(message)
        return entry
    }
}
