// SPDX-License-Identifier: Apache-2.0

/// A device with what is on it.
package struct DeviceRecord: Sendable {
    /// What was added.
    package let description: DeviceDescription
    /// The lanes, each with the batch that holds it from its staging to the end of its kernels.
    package fileprivate(set) var lanes: [BatchID?]
    /// Lanes that no batch holds.
    package fileprivate(set) var freeLanes: Int
    /// The batch whose inputs are being copied in.
    package fileprivate(set) var copyStage: BatchID?
    /// All batches on the device, those that are copying back included, in the order of their staging.
    package fileprivate(set) var resident: [BatchID] = []

    /// Batches on the device whose lanes are taken for hung.
    package fileprivate(set) var hungBatches = 0
    /// Whether it was removed, and has not returned.
    package fileprivate(set) var isRemoved = false

    /// Until when the speeds of the running batches have been accounted for.
    package var accountedUntil = Instant.zero
    /// Who usually runs on it.
    package var company = UsualCompany()

    /// Whether one of its lanes is taken for hung. What holds up one batch would hold up the next.
    package var isHung: Bool { hungBatches > 0 }

    /// Whether it can be counted on: it is there, and no lane hangs.
    package var isServing: Bool { hungBatches == 0 && !isRemoved }

    /// Whether a batch can be staged: it serves, a lane is free, and so is the copy stage.
    package var isEligible: Bool { freeLanes > 0 && copyStage == nil && isServing }

    /// The first free lane. The lowest number is taken first: its caches are the warmest.
    package var freeLane: LaneID? { freeLanes > 0 ? lanes.firstIndex(of: nil).map(LaneID.init) : nil }
}

/// The devices and what is on them.
package struct DeviceTable: Sendable {
    /// The devices, by ``DeviceID``.
    package private(set) var all: [DeviceRecord] = []
    /// Lanes of all devices that are there and do not hang.
    package private(set) var servingLanes = 0
    /// Devices that were not removed.
    package private(set) var presentCount = 0
    /// Devices on which a batch can be staged now.
    package private(set) var eligibleCount = 0

    package subscript(device: DeviceID) -> DeviceRecord {
        @inline(__always) _read { yield all[device.index] }
    }

    /// Lanes of a device that batches hold.
    package func busyLanes(of device: Int) -> Int { all[device].lanes.count - all[device].freeLanes }

    /// Adds a device with idle lanes.
    mutating func add(_ description: DeviceDescription) {
        precondition(description.lanes > 0, "a device needs at least one lane")
        all.append(
            DeviceRecord(
                description: description, lanes: Array(repeating: nil, count: description.lanes),
                freeLanes: description.lanes))
        servingLanes += description.lanes
        eligibleCount += 1
        presentCount += 1
    }

    /// The eligible device with the most idle lanes, the first of them on a tie; nil when none is eligible.
    ///
    /// - Complexity: O(devices).
    package var freestDevice: DeviceID? {
        var best: Int?
        for device in all.indices where all[device].isEligible {
            if all[device].freeLanes > best.map({ all[$0].freeLanes }) ?? 0 { best = device }
        }
        return best.map(DeviceID.init)
    }

    /// Puts a batch on a lane, and in the copy stage if the device has one.
    mutating func occupy(_ device: DeviceID, lane: LaneID, with batch: BatchID) {
        change(device) { record in
            precondition(record.lanes[lane.index] == nil, "a lane holds one batch")
            precondition(record.copyStage == nil, "the copy stage holds one batch")
            record.lanes[lane.index] = batch
            record.freeLanes -= 1
            record.resident.append(batch)
            if record.description.copying != nil { record.copyStage = batch }
        }
    }

    /// The inputs are there: the copy stage is free.
    mutating func leaveCopyStage(_ device: DeviceID, _ batch: BatchID) {
        change(device) { record in
            precondition(record.copyStage == batch, "only the batch in the copy stage leaves it")
            record.copyStage = nil
        }
    }

    /// The kernels are done: the lane is free.
    mutating func leaveLane(_ device: DeviceID, lane: LaneID) {
        change(device) { record in
            precondition(record.lanes[lane.index] != nil, "only a taken lane can be released")
            record.lanes[lane.index] = nil
            record.freeLanes += 1
        }
    }

    /// One more of the device's batches is taken for hung.
    mutating func noteHang(_ device: DeviceID) { change(device) { $0.hungBatches += 1 } }

    /// The device is removed, or returns.
    mutating func setRemoved(_ device: DeviceID, _ isRemoved: Bool) {
        if all[device.index].isRemoved != isRemoved { presentCount += isRemoved ? -1 : 1 }
        change(device) { $0.isRemoved = isRemoved }
    }

    /// The batch has ended.
    mutating func leave(_ device: DeviceID, _ batch: BatchID, wasHung: Bool) {
        change(device) { record in
            if wasHung { record.hungBatches -= 1 }
            if record.copyStage == batch { record.copyStage = nil }
            if let index = record.resident.firstIndex(of: batch) { record.resident.remove(at: index) }
        }
    }

    /// Changes what is known of a device, but not what is on it.
    mutating func modify(_ device: DeviceID, _ body: (inout DeviceRecord) -> Void) { body(&all[device.index]) }

    private mutating func change(_ device: DeviceID, _ body: (inout DeviceRecord) -> Void) {
        let (wasEligible, wasServing) = (all[device.index].isEligible, all[device.index].isServing)
        body(&all[device.index])
        let (isEligible, isServing) = (all[device.index].isEligible, all[device.index].isServing)
        if wasEligible != isEligible { eligibleCount += isEligible ? 1 : -1 }
        if wasServing != isServing { servingLanes += all[device.index].lanes.count * (isServing ? 1 : -1) }
    }
}
