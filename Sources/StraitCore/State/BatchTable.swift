// SPDX-License-Identifier: Apache-2.0

/// A batch that is on a lane.
package struct BatchRecord: Sendable {
    /// Its number.
    package var id: BatchID
    /// Where it runs.
    package var device: DeviceID
    /// The lane it holds.
    package var lane: LaneID
    /// What one row of it is.
    package var work: WorkShape
    /// Its rows in all.
    package var rows = 0
    /// Its requests, in the order of their rows.
    package var members: [RequestID] = []
    /// When it was handed out.
    package var stagedAt: Instant
    /// When it was expected to be done.
    package var predictedFinish: Instant
    /// Whether it was sent to find out how long its model takes by now.
    package var isProbe = false
    /// Whether it is on a lane now.
    package var isLive = false
}

/// The batches on lanes, in slots that are used again with their memory.
package struct BatchTable: Sendable {
    private var records: [BatchRecord] = []
    private var free: [Int] = []

    /// Batches on lanes now.
    package var liveCount: Int { records.count - free.count }

    /// The batch of a number; nil once it has ended.
    package subscript(id: BatchID) -> BatchRecord? {
        _read {
            if id.slot < records.count, records[Int(id.slot)].isLive, records[Int(id.slot)].id == id {
                yield records[Int(id.slot)]
            } else {
                yield nil
            }
        }
    }

    /// Opens a batch without members.
    mutating func open(device: DeviceID, lane: LaneID, work: WorkShape, at now: Instant) -> BatchID {
        if let slot = free.popLast() {
            records[slot].id.generation &+= 1
            records[slot].device = device
            records[slot].lane = lane
            records[slot].work = work
            records[slot].rows = 0
            records[slot].members.removeAll(keepingCapacity: true)
            records[slot].stagedAt = now
            records[slot].isProbe = false
            records[slot].isLive = true
            return records[slot].id
        }
        let id = BatchID(slot: UInt32(records.count), generation: 0)
        records.append(
            BatchRecord(
                id: id, device: device, lane: lane, work: work, stagedAt: now, predictedFinish: now, isLive: true))
        return id
    }

    /// Changes a live batch.
    mutating func modify(_ id: BatchID, _ change: (inout BatchRecord) -> Void) { change(&records[Int(id.slot)]) }

    /// Ends a batch; its slot is free from now on.
    mutating func close(_ id: BatchID) {
        records[Int(id.slot)].isLive = false
        free.append(Int(id.slot))
    }

    /// All batches on lanes. For checks.
    package var live: [BatchRecord] { records.filter(\.isLive) }
}
