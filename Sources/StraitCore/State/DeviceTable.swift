// SPDX-License-Identifier: Apache-2.0

/// The devices and what is on their lanes.
package struct DeviceTable: Sendable {
    private var lanes: [[BatchID?]] = []
    private var freeLanes: [Int] = []

    /// Devices in all.
    package var count: Int { lanes.count }
    /// Lanes of all devices.
    package private(set) var laneCount = 0
    /// Lanes without a batch, on all devices.
    package private(set) var freeLaneCount = 0

    /// Adds a device with idle lanes.
    mutating func add(_ description: DeviceDescription) {
        precondition(description.lanes > 0, "a device needs at least one lane")
        lanes.append(Array(repeating: nil, count: description.lanes))
        freeLanes.append(description.lanes)
        laneCount += description.lanes
        freeLaneCount += description.lanes
    }

    /// The batch on a lane.
    package func batch(on device: DeviceID, lane: LaneID) -> BatchID? { lanes[device.index][lane.index] }

    /// The lanes of a device, each with its batch or nil.
    package func lanes(of device: DeviceID) -> [BatchID?] { lanes[device.index] }

    /// The first idle lane of a device. The lowest number is taken first: its caches are the warmest.
    package func freeLane(of device: DeviceID) -> LaneID? {
        guard freeLanes[device.index] > 0 else { return nil }
        return lanes[device.index].firstIndex(of: nil).map(LaneID.init)
    }

    /// The device with the most idle lanes, the first of them on a tie; nil when all lanes are taken.
    package var freestDevice: DeviceID? {
        var best: Int?
        for device in lanes.indices where freeLanes[device] > 0 && freeLanes[device] > best.map({ freeLanes[$0] }) ?? 0
        {
            best = device
        }
        return best.map(DeviceID.init)
    }

    mutating func occupy(_ device: DeviceID, lane: LaneID, with batch: BatchID) {
        precondition(lanes[device.index][lane.index] == nil, "a lane holds one batch")
        lanes[device.index][lane.index] = batch
        freeLanes[device.index] -= 1
        freeLaneCount -= 1
    }

    mutating func release(_ device: DeviceID, lane: LaneID) {
        precondition(lanes[device.index][lane.index] != nil, "only a taken lane can be released")
        lanes[device.index][lane.index] = nil
        freeLanes[device.index] += 1
        freeLaneCount += 1
    }
}
