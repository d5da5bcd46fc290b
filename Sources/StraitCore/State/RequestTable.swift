// SPDX-License-Identifier: Apache-2.0

/// Where a request stands.
package enum RequestState: Sendable, Hashable {
    /// The slot holds none.
    case free
    /// In a queue, under the key and sequence it was entered with.
    case waiting(queue: Int, key: Instant, sequence: UInt64)
    /// Next in line for a free lane, to find out how long its model takes by now.
    case probing
    /// In a batch.
    case running(BatchID)
}

/// A request with its state.
package struct RequestRecord: Sendable {
    /// What arrived.
    package var request: Request
    /// Where it stands.
    package var state: RequestState
    /// Its place in the order of arrivals.
    package var arrival: UInt64
    /// What queues order it by.
    package var key: Instant
    /// Whether it waits again after its batch was killed or lost its device: it then takes no room from others.
    package var isReturned = false
    /// Whether a device was removed while it was there.
    package var hasLostDevice = false
}

/// The requests that are waiting or running, by their slots.
package struct RequestTable: Sendable {
    /// The records by slot, those of free slots included.
    package private(set) var records: [RequestRecord] = []

    /// The most requests at one time. A driver's slots are dense, so a slot beyond this is a driver's mistake.
    package static let maximumSlots = 1 << 22

    private static let empty = RequestRecord(
        request: Request(
            id: RequestID(slot: 0, generation: 0), work: WorkShape(model: ModelID(index: 0), elementsPerRow: 1),
            shape: ShapeID(number: 0), requestClass: .low, rows: 1, deadline: .never),
        state: .free, arrival: 0, key: .never)

    /// The record of a request that is waiting or running; nil for any other identifier, stale ones included.
    package subscript(id: RequestID) -> RequestRecord? {
        guard id.slot < records.count else { return nil }
        let record = records[Int(id.slot)]
        guard record.state != .free, record.request.id == id else { return nil }
        return record
    }

    /// The place of a request that is waiting or running in the order of arrivals.
    func arrival(of id: RequestID) -> UInt64 { records[Int(id.slot)].arrival }

    /// Enters a request; its slot must be free.
    mutating func insert(_ request: Request, state: RequestState, arrival: UInt64, key: Instant) {
        let slot = Int(request.id.slot)
        precondition(slot < Self.maximumSlots, "request slot \(slot) is beyond the table: slots must be dense")
        while records.count <= slot { records.append(Self.empty) }
        precondition(records[slot].state == .free, "request slot \(slot) is taken: each slot holds one request")
        records[slot] = RequestRecord(request: request, state: state, arrival: arrival, key: key)
    }

    /// Moves a request to another state.
    mutating func setState(_ state: RequestState, of id: RequestID) { records[Int(id.slot)].state = state }

    /// Takes note that a device was removed while a request was there.
    mutating func noteLostDevice(_ id: RequestID) { records[Int(id.slot)].hasLostDevice = true }

    /// Puts a request whose batch was taken off its device back to where it waits.
    mutating func setReturned(_ state: RequestState, of id: RequestID) {
        records[Int(id.slot)].state = state
        records[Int(id.slot)].isReturned = true
    }

    /// Forgets a request and frees its slot.
    mutating func remove(_ id: RequestID) { records[Int(id.slot)].state = .free }
}
