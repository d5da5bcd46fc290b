// SPDX-License-Identifier: Apache-2.0

/// What low requests leave to high ones: a lane of each device, or of many devices the first one.
package struct LaneReserve: Sendable {
    private let options: ReservedOptions

    /// A reserve by its settings.
    package init(_ options: ReservedOptions) { self.options = options }

    /// The freest device on which a batch of a class may be staged. High ones go to a device of their own first.
    ///
    /// - Complexity: O(lanes of all devices).
    func device(for requestClass: RequestClass, _ state: SchedulerState) -> DeviceID? {
        let isWhole = state.devices.presentCount >= max(2, options.wholeDeviceFrom)
        let first = state.devices.all.firstIndex { !$0.isRemoved } ?? 0
        if requestClass == .high {
            return isWhole && state.devices.all[first].isEligible
                ? DeviceID(index: first) : state.devices.freestDevice
        }
        var best: Int?
        for index in state.devices.all.indices where state.devices.all[index].isEligible {
            let device = state.devices.all[index]
            guard isWhole ? index > first : leavesLane(device, state) else { continue }
            if device.freeLanes > best.map({ state.devices.all[$0].freeLanes }) ?? 0 { best = index }
        }
        return best.map(DeviceID.init)
    }

    /// Whether one more low batch leaves a lane of a device to high ones. Of a single lane nothing can be left.
    private func leavesLane(_ device: DeviceRecord, _ state: SchedulerState) -> Bool {
        var low = 0
        for case let batch? in device.lanes where state.batches[live: batch].requestClass == .low { low += 1 }
        return device.lanes.count == 1 || low < device.lanes.count - 1
    }
}
