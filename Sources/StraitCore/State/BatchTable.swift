// SPDX-License-Identifier: Apache-2.0

/// How far a batch has come. On a device that does not copy it runs from the start.
package enum BatchPhase: Sendable, Hashable {
    /// It holds its lane, and the copy stage.
    case copyingIn
    /// Its kernels run on its lane.
    case running
    /// Its kernels were stopped; it holds its lane. What was launched before may still end it.
    case paused
    /// Its results are being copied back; its lane is free.
    case copyingOut
}

/// A batch that was staged and has not ended.
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
    /// The class that it counts as: high if any of its requests is.
    package var requestClass = RequestClass.low
    /// How its kernels run: what is known of their speed so far.
    package var run = KernelRun()
    /// When its kernels were done.
    package var kernelsDoneAt = Instant.zero
    /// Whether it was sent to find out how long its model takes by now.
    package var isProbe = false
    /// When its lane is taken for hung, unless it has ended by then.
    package var hangsFrom = Instant.never
    /// The same as of when it was paused, while it is.
    package var hangsFromUnpaused = Instant.never
    /// Whether its lane is taken for hung.
    package var isHung = false
    /// Since when it is paused, while it is.
    package var pausedAt = Instant.zero
    /// Whether it was ever paused: its times say nothing then.
    package var wasPaused = false
    /// Whether its device was asked to kill it.
    package var isBeingKilled = false
    /// The last generation of its slot that was taken back with its device; nil if none was.
    fileprivate var takenBack: UInt32?
    /// How far it has come.
    package var phase = BatchPhase.copyingIn
    /// Whether it has not ended yet.
    package var isLive = false

    /// How far it strays from its prediction if it ends now (``Calibration/z(took:predicted:)``).
    package func z(at now: Instant) -> Double {
        Calibration.z(took: (now - stagedAt).nanoseconds, predicted: (predictedFinish - stagedAt).nanoseconds)
    }
}

/// The batches on lanes, in slots that are used again with their memory.
package struct BatchTable: Sendable {
    /// The batches by slot, those that have ended included.
    package private(set) var records: [BatchRecord] = []
    private var free: [Int] = []

    /// Batches that were staged and have not ended.
    package var liveCount: Int { records.count - free.count }

    /// Whether a batch was staged and has not ended.
    package func isLive(_ id: BatchID) -> Bool {
        id.slot < records.count && records[Int(id.slot)].isLive && records[Int(id.slot)].id == id
    }

    /// A copy of the batch of a number; nil once it has ended.
    package subscript(id: BatchID) -> BatchRecord? { isLive(id) ? records[Int(id.slot)] : nil }

    /// The batch of a number that has not ended, such as any resident of a device, where it stands. Always inlined:
    /// what lends a value through a call allocates, and copying a record costs as much.
    package subscript(live id: BatchID) -> BatchRecord {
        @inline(__always) _read {
            precondition(isLive(id), "only a batch that has not ended is looked into")
            yield records[Int(id.slot)]
        }
    }

    /// Whether a batch was, or in a slot that was used again may have been, taken back with its device: its driver may
    /// still report of it.
    package func isTakenBack(_ id: BatchID) -> Bool {
        guard id.slot < records.count, !isLive(id), let last = records[Int(id.slot)].takenBack else { return false }
        // Generations wrap around.
        return Int32(bitPattern: last &- id.generation) >= 0
    }

    /// Takes note that a live batch is taken back with its device.
    mutating func noteTakenBack(_ id: BatchID) { records[Int(id.slot)].takenBack = id.generation }

    /// Opens a batch without members.
    mutating func open(
        device: DeviceID, lane: LaneID, work: WorkShape, phase: BatchPhase, at now: Instant
    ) -> BatchID {
        if let slot = free.popLast() {
            records[slot].id.generation &+= 1
            records[slot].device = device
            records[slot].lane = lane
            records[slot].work = work
            records[slot].rows = 0
            records[slot].members.removeAll(keepingCapacity: true)
            records[slot].stagedAt = now
            records[slot].isProbe = false
            records[slot].hangsFrom = .never
            records[slot].isHung = false
            records[slot].wasPaused = false
            records[slot].isBeingKilled = false
            records[slot].requestClass = .low
            records[slot].run = KernelRun()
            records[slot].phase = phase
            records[slot].isLive = true
            return records[slot].id
        }
        let id = BatchID(slot: UInt32(records.count), generation: 0)
        records.append(
            BatchRecord(
                id: id, device: device, lane: lane, work: work, stagedAt: now, predictedFinish: now, phase: phase,
                isLive: true))
        return id
    }

    /// Changes a live batch.
    mutating func modify(_ id: BatchID, _ change: (inout BatchRecord) -> Void) { change(&records[Int(id.slot)]) }

    /// Ends a batch; its slot is free from now on.
    mutating func close(_ id: BatchID) {
        records[Int(id.slot)].isLive = false
        free.append(Int(id.slot))
    }
}
