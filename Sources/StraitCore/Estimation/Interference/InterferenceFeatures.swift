// SPDX-License-Identifier: Apache-2.0

/// Seven numbers that say how much a batch's co-runners want of what it wants itself (design §5), in lanes 0 to 6 of a
/// vector; lane 7 is always 0. All are 0 for a batch that runs alone, and at most ``cap``.
///
/// | lane | what it is |
/// |---|---|
/// | 0 | the co-runners' total demand for compute |
/// | 1 | their total demand for memory bandwidth |
/// | 2 | the shortfall of compute: the share of its own demand that the batch does not get |
/// | 3 | the larger of the shortfalls of compute and of bandwidth |
/// | 4 | own demand × the co-runners' total, for bandwidth |
/// | 5 | the same for compute |
/// | 6 | the same for cache |
package enum InterferenceFeatures {
    /// How many lanes are used.
    package static let count = 7
    /// Sums and products end here: beyond one and a half devices' worth of demand, more of it hurts no more, and a
    /// linear model would predict standstill.
    package static let cap = 1.5
    /// The lane of the compute shortfall, which is a slow-down by itself: a batch that gets 70 % of the compute it
    /// needs runs at 0.7.
    package static let computeShortfall = 2
    /// The slowest a batch is believed to run beside others, as a share of its speed alone. Even eight equal batches
    /// would each keep an eighth of a device; below this a linear model says nothing any more.
    package static let slowest = 0.12

    /// The features of a batch among its co-runners, itself not among them.
    ///
    /// - Complexity: O(n²) for n co-runners at worst, one or two passes as a rule. Allocates nothing.
    package static func of(_ own: Demand, among others: Span<Demand>) -> SIMD8<Double> {
        features(own, others, leavingOut: -1)
    }

    /// The features of the batch at `index` of all that run on a device.
    package static func of(_ index: Int, in all: Span<Demand>) -> SIMD8<Double> {
        features(all[index], all, leavingOut: index)
    }

    /// The speed of a batch as a share of its speed alone: 1 − θ·φ, within ``slowest`` and 1.
    package static func speed(_ theta: SIMD8<Double>, _ features: SIMD8<Double>) -> Double {
        let speed = 1 - theta.dot(features)
        return speed > slowest ? min(speed, 1) : slowest
    }

    private static func features(_ own: Demand, _ all: Span<Demand>, leavingOut index: Int) -> SIMD8<Double> {
        var compute = 0.0
        var bandwidth = 0.0
        var cache = 0.0
        for other in all.indices where other != index {
            compute += share(all[other].compute)
            bandwidth += share(all[other].bandwidth)
            cache += share(all[other].cache)
        }
        let ownCompute = share(own.compute)
        let ownBandwidth = share(own.bandwidth)
        let lackOfCompute = shortfall(ownCompute, others: compute, all, leavingOut: index, \.compute)
        let lackOfBandwidth = shortfall(ownBandwidth, others: bandwidth, all, leavingOut: index, \.bandwidth)
        return SIMD8(
            min(compute, cap), min(bandwidth, cap),
            lackOfCompute, max(lackOfCompute, lackOfBandwidth),
            min(ownBandwidth * bandwidth, cap), min(ownCompute * compute, cap), min(share(own.cache) * cache, cap),
            0)
    }

    /// A demand as a share of a device; what is not a number is none.
    private static func share(_ demand: Double) -> Double { demand > 0 ? min(demand, 1) : 0 }

    /// The share of `own` that max-min sharing of a capacity of 1 among all demands denies it, 0…1.
    ///
    /// The water level starts at equal parts and rises by what those below it leave over, until nothing is left over.
    private static func shortfall(
        _ own: Double, others sum: Double, _ all: Span<Demand>, leavingOut index: Int, _ demand: (Demand) -> Double
    ) -> Double {
        guard own + sum > 1 else { return 0 }
        let batches = index < 0 ? all.count + 1 : all.count
        var level = 1 / Double(batches)
        while own > level {
            var used = 0.0
            var above = 1
            for other in all.indices where other != index {
                let wanted = share(demand(all[other]))
                if wanted > level { above += 1 } else { used += wanted }
            }
            let raised = (1 - used) / Double(above)
            // Rounding may raise it for ever by nothing.
            guard raised > level + 1e-12 else { return 1 - level / own }
            level = raised
        }
        return 0
    }
}

extension SIMD8<Double> {
    /// The scalar product, summed in one fixed order, so that it is the same in every build on every machine.
    package func dot(_ other: SIMD8<Double>) -> Double {
        let products = self * other
        let four = products.lowHalf + products.highHalf
        let two = four.lowHalf + four.highHalf
        return two.x + two.y
    }
}
