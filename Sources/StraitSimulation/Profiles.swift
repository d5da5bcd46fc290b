// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import VirtualAccelerator

extension Scenario {
    /// What the scheduler is told of the devices.
    func deviceDescription(lanes: Int) -> DeviceDescription {
        DeviceDescription(
            lanes: lanes,
            copying: copies
                ? CopyDescription(
                    overhead: Duration(nanoseconds: link.overhead), bytesPerSecond: link.pinnedRate,
                    uplink: uplink == nil ? nil : 0) : nil,
            canPause: true, canKill: true)
    }

    /// What the scheduler is told of a model: averages over phases at powers of two of rows, each with an error; of some
    /// models nothing but their bounds.
    func modelDescription(_ index: Int, seed: UInt64) -> ModelDescription {
        if let told = models[index].told { return told }
        let kernels = models[index].kernels
        guard models[index].isProfiled else { return ModelDescription(maximumBatch: kernels.maximumRows) }
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
