// SPDX-License-Identifier: Apache-2.0

/// How the simple policies tell what a batch will take.
package enum LatencyRule: Sendable, Hashable {
    /// As alone.
    case solo
    /// As alone, times how the model's runs compared to that lately, times a flat margin.
    case inflated
    /// As alone, plus the slow-down that a regression over pairs predicts for each batch beside it, times the margin.
    case pairwise(PairwiseInterference)

    /// The flat margin of the rivals that have one (gpulet's "latency ratio").
    static let margin = 1.1

    /// What a batch is expected to take on a device.
    func time(_ work: WorkShape, rows: Int, on device: DeviceID, _ state: SchedulerState, _ inflation: Inflation)
        -> Duration
    {
        let solo = state.estimator.expectedTime(work, rows: rows)
        switch self {
        case .solo: return solo
        case .inflated: return solo * (inflation.factor(of: work.model) * Self.margin)
        case .pairwise(let regression):
            let own = state.profiles.demand(work, rows: rows, on: state.devices[device].description)
            var slowDown = 1.0
            for batch in state.devices[device].resident where state.batches[live: batch].phase != .copyingOut {
                slowDown += max(0, regression.slowDown(of: own, beside: state.batches[live: batch].run.demand))
            }
            return solo * (slowDown * Self.margin)
        }
    }
}

extension PairwiseInterference {
    /// How much longer a batch takes beside another, as a share of its time alone.
    package func slowDown(of own: Demand, beside other: Demand) -> Double {
        constant + ownCache * own.cache + otherCache * other.cache + ownBandwidth * own.bandwidth
            + otherBandwidth * other.bandwidth
    }
}

/// For each model how its batches compared to their solo times lately: an EWMA of actual / solo.
package struct Inflation: Sendable, Hashable {
    private var factors: [Double] = []
    private static let gain = 0.05

    func factor(of model: ModelID) -> Double { model.index < factors.count ? factors[model.index] : 1 }

    mutating func forget(_ model: ModelID) { if model.index < factors.count { factors[model.index] = 1 } }

    mutating func note(_ batch: BatchRecord, _ times: MeasuredTimes, _ state: SchedulerState) {
        while factors.count <= batch.work.model.index { factors.append(1) }
        let solo = Double(state.estimator.expectedTime(batch.work, rows: batch.rows).nanoseconds)
        // Clipped like every sample that one hiccup could spoil.
        let ratio = min(Double(times.total.nanoseconds) / solo, 10)
        factors[batch.work.model.index] += Self.gain * (ratio - factors[batch.work.model.index])
    }
}
