// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import VirtualAccelerator

// Devices that are lost and come back: the scheduler is told at once, as a server's devices tell it themselves.

extension Simulation {
    /// Takes note of a device that is gone or back, and of what was dropped with it.
    ///
    /// - Returns: whether it was that which happened.
    mutating func changePresence(_ kind: AcceleratorEvent.Kind) throws(SimulationError) -> Bool {
        switch kind {
        case .deviceLost(let device): try lose(DeviceID(index: device), at: now)
        case .deviceReturned(let device): try bringBack(DeviceID(index: device), at: now)
        // Its batch is taken back with the device, before or after this.
        case .dropped: break
        case .copiedIn, .kernelsDone, .finished, .killed: return false
        }
        return true
    }

    private mutating func lose(_ device: DeviceID, at now: Instant) throws(SimulationError) {
        let resident = scheduler.state.devices[device].resident
        for batch in resident { tape?.ended(batch, .withdrawn, at: now) }
        tape?.stepEnded()
        tape?.changed(device, serves: false, at: now)
        checker.lost(device.index, with: resident.map(\.slot))
        try step(.deviceRemoved(device), as: .deviceLost(device.index))
    }

    private mutating func bringBack(_ device: DeviceID, at now: Instant) throws(SimulationError) {
        tape?.changed(device, serves: true, at: now)
        checker.returned(device.index)
        try step(.deviceReturned(device), as: .deviceReturned(device.index))
    }
}
