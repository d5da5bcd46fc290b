// SPDX-License-Identifier: Apache-2.0

package import StraitCore
internal import StraitProtocol
package import StraitTensor

/// A request, checked and ready to be scheduled.
package struct Submission: Sendable {
    /// The model that is asked.
    package let model: ServedModel
    /// The inputs, in the order of the loaded model's.
    package let inputs: [Tensor]
    /// Rows that it adds to a batch; 1 for a model that cannot be batched.
    package let rows: Int
    /// The class it competes in.
    package let requestClass: RequestClass
    /// When it arrived.
    package let arrived: Instant
    /// When its answer is due.
    package let deadline: Instant
    /// What its client calls it; empty where it does not.
    package let clientID: String

    package init(
        model: ServedModel, inputs: [Tensor], rows: Int, requestClass: RequestClass, arrived: Instant,
        deadline: Instant, clientID: String = ""
    ) {
        self.model = model
        self.inputs = inputs
        self.rows = rows
        self.requestClass = requestClass
        self.arrived = arrived
        self.deadline = deadline
        self.clientID = clientID
    }

    /// The elements in one row of all inputs, by which its time is estimated; for strings, their bytes.
    ///
    /// - Complexity: O(inputs).
    var elementsPerRow: Int { Self.elementsPerRow(of: inputs, rows: rows) }

    /// The elements in one row of the given inputs.
    static func elementsPerRow(of inputs: [Tensor], rows: Int) -> Int {
        let elements = inputs.reduce(0) { $0 + $1.range.count / ($1.type.byteSize ?? 1) }
        return elements / max(1, rows)
    }
}

/// The requests between their arrival and their answer, in dense slots.
struct RequestSlots: Sendable {
    /// What the engine remembers of a request.
    struct Slot: Sendable {
        let submission: Submission
        let completion: @Sendable (Reply) -> Void
        /// The engine's number for it.
        let number: UInt64
        /// When it was handed to a lane, and when that lane was expected to be done with it.
        var stagedAt: Instant
        var predictedFinish: Instant
    }

    private var slots: [Slot?] = []
    private var generations: [UInt32] = []
    private var free: [UInt32] = []

    /// How many requests are between arrival and answer.
    var count: Int { slots.count - free.count }

    mutating func insert(
        _ submission: Submission, _ number: UInt64, _ completion: @escaping @Sendable (Reply) -> Void
    ) -> RequestID {
        let slot = Slot(
            submission: submission, completion: completion, number: number, stagedAt: submission.arrived,
            predictedFinish: submission.arrived)
        if let index = free.popLast() {
            slots[Int(index)] = slot
            return RequestID(slot: index, generation: generations[Int(index)])
        }
        slots.append(slot)
        generations.append(0)
        return RequestID(slot: UInt32(slots.count - 1), generation: 0)
    }

    /// The engine's number for a request that was not answered yet; 0 for any other.
    func number(of id: RequestID) -> UInt64 {
        guard Int(id.slot) < slots.count, generations[Int(id.slot)] == id.generation else { return 0 }
        return slots[Int(id.slot)]?.number ?? 0
    }

    /// Slots that were ever used.
    var length: Int { slots.count }

    /// When the request in a slot arrived, and its class; nil for a slot that is free.
    func arrival(at index: Int) -> (arrived: Instant, requestClass: RequestClass)? {
        guard index < slots.count, let submission = slots[index]?.submission else { return nil }
        return (submission.arrived, submission.requestClass)
    }

    /// Takes note of a request's dispatch.
    mutating func stage(_ id: RequestID, at now: Instant, predictedFinish: Instant) -> Submission {
        guard var slot = slots[Int(id.slot)], generations[Int(id.slot)] == id.generation else {
            preconditionFailure("the scheduler stages only requests that were not answered yet")
        }
        slot.stagedAt = now
        slot.predictedFinish = predictedFinish
        slots[Int(id.slot)] = slot
        return slot.submission
    }

    /// Takes a request out to answer it.
    mutating func remove(_ id: RequestID) -> Slot {
        guard let slot = slots[Int(id.slot)], generations[Int(id.slot)] == id.generation else {
            preconditionFailure("the scheduler answers each request once")
        }
        slots[Int(id.slot)] = nil
        generations[Int(id.slot)] &+= 1
        free.append(id.slot)
        return slot
    }
}

/// Numbers for the exact shapes of requests: equal shapes of one model get equal numbers.
struct ShapeNumbers: Sendable {
    private struct Key: Hashable {
        let model: UInt64
        let rows: [Shape]
    }

    private var numbers: [Key: UInt32] = [:]
    private var next: UInt32 = 0

    /// Shapes remembered. Beyond, all are forgotten: a shape that comes again gets a new number and merely shares no
    /// batch with those that still wait under the old one.
    private static let capacity = 65_536

    mutating func number(of submission: Submission) -> ShapeID {
        let isBatchable = submission.model.specification.maxBatchSize > 0
        let key = Key(
            model: submission.model.serial, rows: submission.inputs.map { isBatchable ? $0.shape.row : $0.shape })
        if let number = numbers[key] { return ShapeID(number: number) }
        if numbers.count >= Self.capacity { numbers.removeAll(keepingCapacity: true) }
        next &+= 1
        numbers[key] = next
        return ShapeID(number: next)
    }
}
