// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// The driver's names for requests, and the dense slots that the scheduler wants instead.
struct RequestRegistry: Sendable {
    private struct Slot: Sendable {
        var name: RequestName
        var generation: UInt32
    }

    private var slots: [Slot] = []
    private var free: [UInt32] = []
    private var slotByName: [RequestName: UInt32] = [:]

    /// Requests that wait or run.
    var count: Int { slotByName.count }

    /// The request of a name, while it waits or runs.
    func find(_ name: RequestName) -> RequestID? {
        slotByName[name].map { RequestID(slot: $0, generation: slots[Int($0)].generation) }
    }

    /// The name of a request that waits or runs.
    func name(of id: RequestID) -> RequestName { slots[Int(id.slot)].name }

    /// Whether a request waits or runs.
    func isLive(_ id: RequestID) -> Bool {
        slotByName[name(of: id)] == id.slot && slots[Int(id.slot)].generation == id.generation
    }

    /// Gives a name a slot. The name must not be in use.
    mutating func enter(_ name: RequestName) -> RequestID {
        let slot: UInt32
        if let reused = free.popLast() {
            slot = reused
            slots[Int(slot)].name = name
        } else {
            slot = UInt32(slots.count)
            slots.append(Slot(name: name, generation: 0))
        }
        slotByName[name] = slot
        return RequestID(slot: slot, generation: slots[Int(slot)].generation)
    }

    /// Forgets a request that was answered; its slot and its name may be used again.
    mutating func leave(_ id: RequestID) {
        slotByName[slots[Int(id.slot)].name] = nil
        slots[Int(id.slot)].generation &+= 1
        free.append(id.slot)
    }
}

/// The batches on devices, by the numbers that the driver sees: 0, 1, 2… in the order of staging.
struct BatchLedger: Sendable {
    /// How far a batch has come.
    enum Phase: Sendable {
        case copyingIn
        case running
        case copyingOut
    }

    /// A batch, with when its phases began.
    struct Entry: Sendable {
        var id: BatchID
        /// Whether its device copies, and so reports each phase.
        var copies: Bool
        var phase: Phase
        var stagedAt: Instant
        var kernelsFrom: Instant
        var copyOutFrom: Instant
        /// Whether the driver was asked to kill it.
        var isBeingKilled = false
    }

    private var entries: [Int64: Entry] = [:]
    private var next: Int64 = 0
    /// The number of the last batch in each of the scheduler's slots.
    private var numberOfSlot: [Int64] = []

    /// The batch of a number, while it is on its device.
    subscript(number: Int64) -> Entry? { entries[number] }

    /// Gives a batch that was just staged its number.
    mutating func enter(_ id: BatchID, copies: Bool, at now: Instant) -> Int64 {
        let number = next
        next += 1
        while numberOfSlot.count <= Int(id.slot) { numberOfSlot.append(number) }
        numberOfSlot[Int(id.slot)] = number
        entries[number] = Entry(
            id: id, copies: copies, phase: copies ? .copyingIn : .running, stagedAt: now, kernelsFrom: now,
            copyOutFrom: now)
        return number
    }

    /// The number of a batch that is on its device.
    func number(of id: BatchID) -> Int64 { numberOfSlot[Int(id.slot)] }

    /// Notes that the driver is asked to kill a batch.
    mutating func noteKill(_ number: Int64) { entries[number]?.isBeingKilled = true }

    /// Notes that a batch has come further.
    mutating func advance(_ number: Int64, to phase: Phase, at now: Instant) {
        entries[number]?.phase = phase
        if phase == .running { entries[number]?.kernelsFrom = now }
        entries[number]?.copyOutFrom = now
    }

    /// Forgets a batch that has ended.
    mutating func leave(_ number: Int64) { entries[number] = nil }
}

/// The sorts of rows, each with its number. Requests of one model and one sort may share a batch.
struct ShapeTable: Sendable {
    /// What tells sorts apart: the name that the driver gave, or else the elements of a row.
    enum Sort: Sendable, Hashable {
        case named(String)
        case elements(Int)
    }

    private struct Key: Sendable, Hashable {
        var model: Int
        var sort: Sort
    }

    private struct Entry: Sendable {
        var shape: ShapeID
        var elements: Int
    }

    private var entries: [Key: Entry] = [:]

    /// Sorts known.
    var count: Int { entries.count }

    /// The number of a sort and the elements of its rows, if it is known.
    func find(model: Int, _ sort: Sort) -> (shape: ShapeID, elements: Int)? {
        entries[Key(model: model, sort: sort)].map { ($0.shape, $0.elements) }
    }

    /// Gives a sort its number.
    mutating func enter(model: Int, _ sort: Sort, elements: Int) -> ShapeID {
        let shape = ShapeID(number: UInt32(entries.count))
        entries[Key(model: model, sort: sort)] = Entry(shape: shape, elements: elements)
        return shape
    }
}
