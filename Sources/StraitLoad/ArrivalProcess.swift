// SPDX-License-Identifier: Apache-2.0

/// Draws the model and the class of each request.
package struct MixSampler: Sendable {
    /// Cumulative weights, the last of which is the total.
    private let cumulative: [Double]
    private let highShare: Double

    /// A mix of as many models as there are weights, all above zero.
    package init(weights: [Double], highShare: Double) {
        var sum = 0.0
        cumulative = weights.map { weight in
            sum += weight
            return sum
        }
        self.highShare = highShare
    }

    /// The next request's model (its place among the weights) and class.
    ///
    /// - Complexity: O(models).
    package func draw(_ random: inout RandomSource) -> (target: Int, requestClass: LoadClass) {
        let point = random.unit() * (cumulative.last ?? 0)
        let target = cumulative.firstIndex { point < $0 } ?? cumulative.count - 1
        return (target, random.unit() < highShare ? .high : .low)
    }
}

/// One request of an open loop.
package struct Arrival: Sendable, Equatable {
    /// Nanoseconds after the start of the load.
    package let offset: Int64
    /// The model's place in the plan.
    package let target: Int
    /// The class.
    package let requestClass: LoadClass
}

/// The endless sequence of arrivals of a Poisson process, of a seed's own making.
package struct ArrivalProcess: Sendable, IteratorProtocol, Sequence {
    private let mix: MixSampler
    private let meanGap: Double
    private var random: RandomSource
    // Kept as a fraction, so that rounding each instant to a nanosecond does not add up to a drift.
    private var clock = 0.0

    /// Arrivals at `requestsPerSecond` on average, with gaps from the exponential distribution.
    package init(requestsPerSecond: Double, mix: MixSampler, random: RandomSource) {
        self.mix = mix
        self.random = random
        meanGap = 1e9 / requestsPerSecond
    }

    /// The next arrival; never nil.
    package mutating func next() -> Arrival? {
        clock += random.exponential(mean: meanGap)
        let (target, requestClass) = mix.draw(&random)
        return Arrival(offset: Int64(clock), target: target, requestClass: requestClass)
    }
}
