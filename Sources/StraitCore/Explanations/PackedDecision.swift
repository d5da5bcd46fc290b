// SPDX-License-Identifier: Apache-2.0

// Decisions as they are kept: flat, without memory of their own. What the log tells is made of them when somebody asks.

/// A decision but for what was weighed and who was in the batch, which lie in the log's pools.
struct PackedDecision: Sendable {
    /// What was decided, by the cases of `DecisionRecord.What`.
    enum Kind: UInt8, Sendable { case staged, waited, shed }

    /// What a request failed, by the cases of ``ShedTest``.
    enum Test: UInt8, Sendable {
        case arrival, lastStart, expired, passedOver, passedOverUnpredicted, room, modelRoom, hang, unloaded
    }

    var at: Instant
    var arrivals: UInt64
    var kind: Kind
    var requestClass = RequestClass.low
    var cause = StagedDecision.Cause.policy
    var reason = ShedReason.hopelessOnArrival
    var test = Test.expired
    /// How often in a row nothing was staged.
    var times: UInt32 = 1
    /// The option that was chosen; −1 for none.
    var chosen: Int32 = -1
    /// Where its parts end in the pools, and how many they are.
    var optionsEnd: UInt32
    var namesEnd: UInt32
    var membersEnd: UInt32
    var optionCount: UInt16 = 0
    var nameCount: UInt16 = 0
    var memberCount: UInt32 = 0
    /// The model, the device and its lane, the rows.
    var model: UInt32 = 0
    var device: UInt32 = 0
    var lane: UInt32 = 0
    var rows: UInt32 = 0
    /// The slot and the generation of the batch that was staged, or of the request that was shed.
    var slot: UInt32 = 0
    var generation: UInt32 = 0
    /// Of a batch its prediction with its bounds; of a request its place in the order of arrivals, its deadline, its
    /// predicted finish, and the quantities of its test.
    var first: Int64 = 0
    var second: Int64 = 0
    var third: Int64 = 0
    var quantities: (Int64, Int64, Int64) = (0, 0, 0)

    var batch: BatchID { BatchID(slot: slot, generation: generation) }
    var request: RequestID { RequestID(slot: slot, generation: generation) }
    /// Of a request that was shed its place in the order of arrivals.
    var arrival: UInt64 { UInt64(bitPattern: first) }

    /// Packs what a request failed.
    mutating func pack(_ test: ShedTest) {
        switch test {
        case .arrival(let arrival):
            self.test = .arrival
            quantities = (arrival.laneFree.nanoseconds, arrival.ahead.nanoseconds, arrival.own.nanoseconds)
        case .lastStart(let instant, let own):
            self.test = .lastStart
            quantities = (instant.nanoseconds, own.nanoseconds, 0)
        case .expired: self.test = .expired
        case .passedOver(let finish?):
            self.test = .passedOver
            quantities = (finish.expected.nanoseconds, finish.bound95.nanoseconds, finish.bound99.nanoseconds)
        case .passedOver(nil): self.test = .passedOverUnpredicted
        case .room(let waiting, let limit):
            self.test = .room
            quantities = (Int64(waiting), Int64(limit), 0)
        case .modelRoom(let waiting, let limit):
            self.test = .modelRoom
            quantities = (Int64(waiting), Int64(limit), 0)
        case .hang: self.test = .hang
        case .unloaded: self.test = .unloaded
        }
    }

    /// What the request failed.
    var shedTest: ShedTest {
        let (a, b, c) = quantities
        return switch test {
        case .arrival:
            .arrival(
                ArrivalTest(
                    laneFree: Instant(nanoseconds: a), ahead: Duration(nanoseconds: b), own: Duration(nanoseconds: c),
                    at: at))
        case .lastStart: .lastStart(Instant(nanoseconds: a), own: Duration(nanoseconds: b))
        case .expired: .expired
        case .passedOver:
            .passedOver(
                BoundedFinish(
                    expected: Instant(nanoseconds: a), bound95: Instant(nanoseconds: b),
                    bound99: Instant(nanoseconds: c)))
        case .passedOverUnpredicted: .passedOver(nil)
        case .room: .room(waiting: Int(a), limit: Int(b))
        case .modelRoom: .modelRoom(waiting: Int(a), limit: Int(b))
        case .hang: .hang
        case .unloaded: .unloaded
        }
    }

    /// The request that was shed.
    var shed: ShedDecision {
        ShedDecision(
            request: request, model: ModelID(index: Int(model)), requestClass: requestClass, arrival: arrival,
            reason: reason, deadline: Instant(nanoseconds: second), predictedFinish: Instant(nanoseconds: third),
            test: shedTest)
    }
}

/// A batch that could have been staged.
struct PackedOption: Sendable {
    var model: UInt32
    var rows: UInt32
    var device: UInt16
    /// Its requests among those named for its weighing: where they begin, and how many they are.
    var firstName: UInt16
    var nameCount: UInt16
    var requestClass: RequestClass
    var isAdmitted: Bool
    /// Not a number for none.
    var loss: Double
    var prediction: BoundedFinish
    var regret: Double
    var harm: Double
    var slack: Double
    var rank: Double

    /// The option, with its requests out of those named for its weighing.
    func option(_ names: [RequestID]) -> Weighing.Option {
        Weighing.Option(
            model: ModelID(index: Int(model)), requestClass: requestClass, device: DeviceID(index: Int(device)),
            rows: Int(rows), requests: names[Int(firstName)..<Int(firstName) + Int(nameCount)],
            prediction: isAdmitted ? prediction : nil,
            worth: isAdmitted
                ? Weighing.Worth(
                    regret: regret, harm: harm, slack: slack, rank: rank, loss: loss.isNaN ? nil : loss) : nil)
    }
}
