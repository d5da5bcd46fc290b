// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import VirtualAccelerator

extension Scenario {
    /// The devices' truth.
    func accelerator(seed: UInt64) -> VirtualAccelerator {
        var device = SimulatedDevice()
        device.link = link
        let half = duration.nanoseconds / 2
        let third = duration.nanoseconds / 3
        switch change {
        case .none, .model: break
        case .clock: device.clock = [ClockChange(at: half, factor: Self.slowClock)]
        case .neighbour: device.neighbours = [Neighbour(from: third, until: 2 * third, demand: Self.neighbour)]
        }
        if uplink != nil { device.link.uplink = 0 }
        var description = AcceleratorDescription(devices: Array(repeating: device, count: devices))
        description.physics = physics
        description.noise = noise
        description.uplinks = uplink.map { [$0] } ?? []
        if change == .model { description.modelChanges = [ModelChange(at: half, model: 0, factor: Self.slowModel)] }
        return VirtualAccelerator(description, models: models.map(\.kernels), seed: seed)
    }

    /// The clock after it fell, relative to before.
    private static let slowClock = 0.75
    /// The time of a model that became slower, relative to before.
    private static let slowModel = 1.4
    /// What a noisy neighbour takes of a device.
    private static let neighbour = ResourceDemand(compute: 0.3, bandwidth: 0.3, cache: 0.3)

    /// What the scheduler is told of the devices.
    func deviceDescription(lanes: Int) -> DeviceDescription {
        DeviceDescription(
            lanes: lanes,
            copying: CopyDescription(
                overhead: Duration(nanoseconds: link.overhead), bytesPerSecond: link.pinnedRate,
                uplink: uplink == nil ? nil : 0))
    }

    /// What the scheduler is told of a model: averages over phases at powers of two of rows, each with an error.
    func modelDescription(_ index: Int, seed: UInt64) -> ModelDescription {
        let kernels = models[index].kernels
        var luck = RandomStream(seed: seed, part: UInt64(index) * 4 + 2)
        func off(_ value: Double, by bound: Double) -> Double { value * (1 + bound * (2 * luck.unit() - 1)) }
        var points: [ModelProfile.Point] = []
        var rows = 1
        while rows <= kernels.maximumRows {
            let demand = kernels.averageDemand(rows: rows)
            points.append(
                ModelProfile.Point(
                    rows: rows,
                    kernelTime: Duration(nanoseconds: 1)
                        * off(Double(kernels.soloTime(rows: rows)), by: profileError.time),
                    demand: Demand(
                        compute: min(1, off(demand.compute, by: profileError.demand)),
                        bandwidth: min(1, off(demand.bandwidth, by: profileError.demand)),
                        cache: min(1, off(demand.cache, by: profileError.demand)))))
            // Powers of two, and the largest batch itself.
            rows = rows < kernels.maximumRows ? min(rows * 2, kernels.maximumRows) : rows + 1
        }
        let bucket = WorkShape(model: ModelID(index: index), elementsPerRow: 1).bucket
        return ModelDescription(
            maximumBatch: kernels.maximumRows,
            profile: ModelProfile(
                curves: [ModelProfile.Curve(bucket: bucket, points: points)], bytesInPerRow: kernels.bytesInPerRow,
                bytesOutPerRow: kernels.bytesOutPerRow))
    }
}
