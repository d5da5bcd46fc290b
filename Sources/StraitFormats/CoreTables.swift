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

/// The models by the scheduler's numbers, which are given again when a model was removed.
struct ModelRegistry: Sendable {
    private struct Entry: Sendable {
        var model: CoreModel
        /// The models that had the number before, the oldest first, each with when the next one got it.
        var past: [(name: String, until: Instant)] = []
    }

    private var entries: [Entry] = []
    private var numberByName: [String: Int] = [:]

    /// The number of a model that was not removed.
    func find(_ name: String) -> Int? { numberByName[name] }

    subscript(number: Int) -> CoreModel { entries[number].model }

    /// The name of the model that had a number at an instant.
    func name(of number: Int, at instant: Instant) -> String {
        entries[number].past.first { instant < $0.until }?.name ?? entries[number].model.name
    }

    /// Gives a model its number: the next one, or that of a model that is gone.
    ///
    /// - Parameter oldest: the time of the oldest decision that can be explained; what was before is forgotten.
    /// - Returns: whether another had the number before.
    mutating func enter(_ model: CoreModel, _ number: Int, at now: Instant, oldest: Instant?) -> Bool {
        numberByName[model.name] = number
        guard number < entries.count else {
            entries.append(Entry(model: model))
            return false
        }
        if let oldest {
            entries[number].past.removeAll { $0.until <= oldest }
            entries[number].past.append((entries[number].model.name, now))
        }
        entries[number].model = model
        return true
    }

    /// Frees the name of a model that is removed; its number is kept for the batches that still run.
    mutating func leave(_ name: String) { numberByName[name] = nil }
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
        /// The place of its device.
        var device: Int
        /// Whether it was taken back with its device: what is still reported of it is of no consequence.
        var isTakenBack = false
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
    /// Those that were taken back and may still be reported, the first to be forgotten first.
    private var takenBack: [Int64] = []
    private var next: Int64 = 0
    /// The number of the last batch in each of the scheduler's slots.
    private var numberOfSlot: [Int64] = []

    /// The batch of a number, while it is on its device.
    subscript(number: Int64) -> Entry? { entries[number] }

    /// Gives a batch that was just staged its number.
    mutating func enter(_ id: BatchID, device: Int, copies: Bool, at now: Instant) -> Int64 {
        let number = next
        next += 1
        while numberOfSlot.count <= Int(id.slot) { numberOfSlot.append(number) }
        numberOfSlot[Int(id.slot)] = number
        entries[number] = Entry(
            id: id, device: device, copies: copies, phase: copies ? .copyingIn : .running, stagedAt: now,
            kernelsFrom: now,
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
    mutating func leave(_ number: Int64) {
        if entries[number]?.isTakenBack == true { takenBack.removeAll { $0 == number } }
        entries[number] = nil
    }

    /// Notes that all batches of a device are taken back.
    mutating func noteRemoval(of device: Int) {
        for number in entries.keys.sorted() where entries[number]?.device == device {
            guard entries[number]?.isTakenBack == false else { continue }
            entries[number]?.isTakenBack = true
            takenBack.append(number)
        }
        // Of a device that never reports again nothing must pile up.
        while takenBack.count > Bounds.takenBack { entries[takenBack.removeFirst()] = nil }
    }
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
    private var next: UInt32 = 0

    /// Sorts known.
    var count: Int { entries.count }

    /// The number of a sort and the elements of its rows, if it is known.
    func find(model: Int, _ sort: Sort) -> (shape: ShapeID, elements: Int)? {
        entries[Key(model: model, sort: sort)].map { ($0.shape, $0.elements) }
    }

    /// Forgets the sorts of a model.
    mutating func forget(model: Int) { entries = entries.filter { $0.key.model != model } }

    /// Gives a sort its number.
    mutating func enter(model: Int, _ sort: Sort, elements: Int) -> ShapeID {
        let shape = ShapeID(number: next)
        next &+= 1
        entries[Key(model: model, sort: sort)] = Entry(shape: shape, elements: elements)
        return shape
    }
}
