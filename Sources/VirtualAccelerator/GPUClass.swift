// SPDX-License-Identifier: Apache-2.0

/// A class of GPU, relative to the L4 that models' times are given for. Of the right order, not measured;
/// docs/scenarios.md tells where each number comes from.
package struct GPUClass: Sendable, Hashable {
    /// Of the time that any batch takes: launches, and layers too small to fill the device.
    package var baseTime = 1.0
    /// Of the time that each row takes: arithmetic and memory traffic.
    package var timePerRow = 1.0
    /// Of what the largest batch needs of the device.
    package var demand = 1.0
    /// Batches whose kernels can run at the same time.
    package var streams = 16
    /// How one is linked to the host.
    package var link = Link()

    /// What times are given for.
    package static let l4 = GPUClass()
    /// Some three times the arithmetic and five times the memory bandwidth, on the same link.
    package static let a100 = GPUClass(baseTime: 0.6, timePerRow: 0.3, demand: 0.75, streams: 32)

    /// A model, given for an L4, as a device of this class runs it.
    package func running(_ model: KernelModel) -> KernelModel {
        var model = model
        model.baseTime = Self.scaled(model.baseTime, by: baseTime)
        model.timePerRow = Self.scaled(model.timePerRow, by: timePerRow)
        model.demand.compute *= demand
        model.demand.bandwidth *= demand
        model.demand.cache *= demand
        return model
    }

    /// To the nearest nanosecond.
    private static func scaled(_ time: Int64, by factor: Double) -> Int64 { Int64(Double(time) * factor + 0.5) }
}
