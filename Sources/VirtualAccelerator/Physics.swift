// SPDX-License-Identifier: Apache-2.0

/// How kernels that run at the same time slow each other down. There are two, of different form, so that nobody can
/// tune a scheduler to one of them without being found out by the other.
package enum Physics: String, Sendable, Hashable, CaseIterable {
    /// Compute and bandwidth are shared max-min fairly; others' use of the cache turns into misses.
    case waterfill
    /// A slow-down in proportion to what is asked for beyond thresholds; no sharing rule.
    case threshold

    /// The speed of each of the demands that run together, 1 for one alone; appended to `speeds` after emptying it.
    func speeds(of kernels: [SharedDemand], into speeds: inout [Double]) {
        speeds.removeAll(keepingCapacity: true)
        guard kernels.count > 1 else {
            if !kernels.isEmpty { speeds.append(1) }
            return
        }
        var compute = 0.0
        var bandwidth = 0.0
        var cache = 0.0
        for kernel in kernels {
            compute += kernel.demand.compute
            bandwidth += kernel.demand.bandwidth
            cache += kernel.demand.cache
        }
        switch self {
        case .waterfill: Waterfill.speeds(of: kernels, compute: compute, cache: cache, into: &speeds)
        case .threshold:
            for kernel in kernels {
                let own = kernel.demand
                speeds.append(
                    1
                        / (1 + Threshold.compute * max(0, compute - max(Threshold.computeFree, own.compute))
                            + Threshold.bandwidth * max(0, bandwidth - max(Threshold.bandwidthFree, own.bandwidth))
                            + Threshold.cache * kernel.cacheSensitivity * (cache - own.cache)
                            + Threshold.launch * Double(kernels.count - 1)))
            }
        }
    }
}

/// What a kernel asks for now, and how much it minds others in the cache.
struct SharedDemand: Sendable {
    /// Whose it is.
    enum User: Sendable {
        /// A batch on a low stream, or on a device without priorities.
        case low
        /// A batch on a high stream.
        case high
        /// Somebody else's: the priorities of streams do not reach beyond a process.
        case neighbour
    }

    var demand: ResourceDemand
    var cacheSensitivity: Double
    var user = User.low
}

/// The constants of the second physics, such that two kernels of medium demand cost each other 1.1 to 1.6 and three up
/// to about 2.2, as has been reported of small inference GPUs.
private enum Threshold {
    /// Slow-down for each unit of compute asked for beyond what is free of charge.
    static let compute = 0.8
    static let computeFree = 0.9
    /// The same for bandwidth.
    static let bandwidth = 0.45
    static let bandwidthFree = 0.7
    /// Slow-down for each unit that others use of the cache.
    static let cache = 0.25
    /// Slow-down for each co-runner, whose launches stand in the way.
    static let launch = 0.02
}

/// The first physics, calibrated as the second is.
private enum Waterfill {
    /// Extra memory traffic for each unit that others use of the cache.
    static let missTraffic = 0.35
    /// Time lost to those misses beside their traffic.
    static let missDelay = 0.2
    /// Time lost for each co-runner, whose launches stand in the way.
    static let launch = 0.025

    static func speeds(of kernels: [SharedDemand], compute: Double, cache: Double, into speeds: inout [Double]) {
        // The first use of `speeds` is as room for the bandwidth that each asks for with its misses.
        var bandwidth = 0.0
        for kernel in kernels {
            let misses = kernel.cacheSensitivity * (cache - kernel.demand.cache)
            let asked = kernel.demand.bandwidth * (1 + missTraffic * misses)
            speeds.append(asked)
            bandwidth += asked
        }
        let computeLevel = compute <= 1 ? Double.infinity : waterLevel(of: kernels.count) { kernels[$0].demand.compute }
        let bandwidthLevel = bandwidth <= 1 ? Double.infinity : waterLevel(of: kernels.count) { speeds[$0] }
        for index in kernels.indices {
            let kernel = kernels[index]
            var speed = 1.0
            if kernel.demand.compute > computeLevel { speed = computeLevel / kernel.demand.compute }
            if speeds[index] > bandwidthLevel { speed = min(speed, bandwidthLevel / speeds[index]) }
            let misses = kernel.cacheSensitivity * (cache - kernel.demand.cache)
            speeds[index] = speed / ((1 + missDelay * misses) * (1 + launch * Double(kernels.count - 1)))
        }
    }
}

/// The level up to which everybody gets what he asks for when `capacity` is shared max-min fairly. What is asked for in
/// all must exceed the capacity.
///
/// - Complexity: O(count²) at worst, with counts of a handful.
func waterLevel(of count: Int, capacity: Double = 1, asked: (Int) -> Double) -> Double {
    var level = capacity / Double(count)
    while true {
        var left = capacity
        var thirsty = 0
        for index in 0..<count {
            let want = asked(index)
            if want <= level { left -= want } else { thirsty += 1 }
        }
        guard thirsty > 0 else { return level }
        let next = left / Double(thirsty)
        guard next > level else { return level }
        level = next
    }
}
