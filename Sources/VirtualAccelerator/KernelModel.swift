// SPDX-License-Identifier: Apache-2.0

/// What work needs of the resources that co-runners share, each as a share of all there is, 0…1.
package struct ResourceDemand: Sendable, Hashable {
    /// Compute units.
    package var compute: Double
    /// Memory bandwidth.
    package var bandwidth: Double
    /// Cache.
    package var cache: Double

    /// A demand.
    package init(compute: Double, bandwidth: Double, cache: Double) {
        self.compute = compute
        self.bandwidth = bandwidth
        self.cache = cache
    }
}

/// A model as the simulated device runs it: its truth, of which schedulers see a profile at best.
package struct KernelModel: Sendable, Hashable {
    /// What people call it.
    package var name: String
    /// Kernel time alone, in nanoseconds: this much for any batch …
    package var baseTime: Int64
    /// … and this much for each row.
    package var timePerRow: Int64
    /// Kernel times as they were measured, for batches of 1, 2, … rows; where there is one it holds instead.
    package var times: [Int64] = []
    /// The most rows in a batch.
    package var maximumRows: Int
    /// Bytes copied to the device for each row.
    package var bytesInPerRow: Int
    /// Bytes copied back for each row.
    package var bytesOutPerRow: Int
    /// Whether its host memory is pinned; pageable memory is copied more slowly.
    package var isPinned: Bool
    /// The demand of the largest batch, on average over its phases.
    package var demand: ResourceDemand
    /// How much it suffers from what others hold in the cache, 0…1.
    package var cacheSensitivity: Double
    /// Commands that one batch is launched as. A hundred is what an optimised CNN of some 50 layers has.
    package var commands = 100
    /// What its phases are drawn from.
    package var seed: UInt64

    /// A model.
    package init(
        name: String, baseTime: Int64, timePerRow: Int64, maximumRows: Int, bytesInPerRow: Int, bytesOutPerRow: Int,
        isPinned: Bool = true, demand: ResourceDemand, cacheSensitivity: Double, seed: UInt64
    ) {
        self.name = name
        self.baseTime = baseTime
        self.timePerRow = timePerRow
        self.maximumRows = maximumRows
        self.bytesInPerRow = bytesInPerRow
        self.bytesOutPerRow = bytesOutPerRow
        self.isPinned = isPinned
        self.demand = demand
        self.cacheSensitivity = cacheSensitivity
        self.seed = seed
    }

    /// The kernel time of a batch alone on a device at its normal clock, without noise, in nanoseconds.
    package func soloTime(rows: Int) -> Int64 {
        rows <= times.count ? times[rows - 1] : baseTime + timePerRow * Int64(rows)
    }

    /// What a batch needs, on average over its phases.
    package func averageDemand(rows: Int) -> ResourceDemand {
        KernelCourse(self).averageDemand(rows: rows)
    }
}

/// The phases that every batch of a model goes through.
struct KernelCourse: Sendable {
    /// A stretch of kernels of one kind: its share of the time, and its demand relative to the model's.
    struct Phase: Sendable {
        var share: Double
        var compute: Double
        var bandwidth: Double
        var cache: Double
    }

    let model: KernelModel
    let phases: [Phase]

    init(_ model: KernelModel) {
        self.model = model
        let count = 4 + Int(Noise.mix(model.seed, 0) % 5)
        var phases = (0..<count).map { index -> Phase in
            let key = Noise.mix(model.seed, UInt64(index + 1))
            // What computes much waits less for memory, so the two vary against each other.
            let compute = 0.6 + 0.8 * Noise.unit(Noise.mix(key, 1))
            return Phase(
                share: 0.4 + Noise.unit(Noise.mix(key, 2)), compute: compute,
                bandwidth: 1 - 0.6 * (compute - 1) + 0.4 * (Noise.unit(Noise.mix(key, 3)) - 0.5),
                cache: 0.5 + Noise.unit(Noise.mix(key, 4)))
        }
        let shares = phases.reduce(0) { $0 + $1.share }
        for index in phases.indices { phases[index].share /= shares }
        for member in [\Phase.compute, \Phase.bandwidth, \Phase.cache] {
            let mean = phases.reduce(0) { $0 + $1.share * $1[keyPath: member] }
            for index in phases.indices { phases[index][keyPath: member] /= mean }
        }
        self.phases = phases
    }

    /// The demand of a batch in one of its phases; no phase needs more than all there is.
    func demand(rows: Int, phase: Int) -> ResourceDemand {
        let size = Double(rows) / Double(model.maximumRows)
        let shape = phases[phase]
        return ResourceDemand(
            compute: min(1, model.demand.compute * Self.growth(size, from: 0.5) * shape.compute),
            bandwidth: min(1, model.demand.bandwidth * Self.growth(size, from: 0.55) * shape.bandwidth),
            cache: min(1, model.demand.cache * Self.growth(size, from: 0.5) * shape.cache))
    }

    func averageDemand(rows: Int) -> ResourceDemand {
        var mean = ResourceDemand(compute: 0, bandwidth: 0, cache: 0)
        for index in phases.indices {
            let demand = demand(rows: rows, phase: index)
            mean.compute += phases[index].share * demand.compute
            mean.bandwidth += phases[index].share * demand.bandwidth
            mean.cache += phases[index].share * demand.cache
        }
        return mean
    }

    /// How much of its demand at the largest batch a batch of `size` (0…1 of the largest) has: `from` when tiny, then
    /// steeply more, then saturating.
    private static func growth(_ size: Double, from least: Double) -> Double {
        least + (1 - least) * size * 1.5 / (size + 0.5)
    }
}
