// SPDX-License-Identifier: Apache-2.0

package import StraitCore

/// A request that comes.
package struct Arrival: Sendable, Hashable {
    /// When.
    package var at: Instant
    /// For which model.
    package var model: Int
    /// In which class.
    package var requestClass: RequestClass
}

extension Scenario {
    /// All requests of a run in the order of time. They depend on the scenario and the seed alone.
    ///
    /// Each model and class has a process of its own, as if one client stood behind it: gaps of mean 1, drawn in a time
    /// that runs as fast as its rate.
    package func arrivals(seed: UInt64) -> [Arrival] {
        let rates = arrivalRates(weights: weights(seed: seed))
        var all: [Arrival] = []
        all.reserveCapacity(Int(rates.reduce(0, +) * duration.seconds * 1.2))
        for model in models.indices {
            for requestClass in RequestClass.allCases {
                let share = requestClass == .high ? highShare : 1 - highShare
                guard share > 0 else { continue }
                var process = ArrivalProcess(
                    arrivals, rate: rates[model] * share, seed: seed, stream: model * 2 + requestClass.rawValue)
                while let time = process.next(before: duration.seconds) {
                    all.append(Arrival(at: .zero + .seconds(time), model: model, requestClass: requestClass))
                }
            }
        }
        all.sort { ($0.at, $0.model, $0.requestClass) < ($1.at, $1.model, $1.requestClass) }
        return all
    }

    /// The models' shares of device time: equal, or Zipf's with the ranks drawn by the seed.
    private func weights(seed: UInt64) -> [Double] {
        guard arrivals == .azure else { return models.map { _ in 1 } }
        var ranks = RandomStream(seed: seed, part: .max)
        return ranks.permutation(of: models.count).map { 1 / Double($0 + 1) }
    }
}

/// The requests of one model and class, one after the other.
struct ArrivalProcess: Sendable {
    private let kind: ArrivalKind
    /// Requests a second on average.
    private let rate: Double
    private var gaps: RandomStream
    private var swings: RandomStream
    private var time = 0.0
    /// The rate's present factor, and until when it holds.
    private var factor = 1.0
    private var holdsUntil = 0.0
    private var isBurst = false

    /// Shape of gamma gaps with a coefficient of variation of 3, and of 1.6.
    private static let shapeOfThree = 1.0 / 9
    private static let shapeOfAzure = 1.0 / (1.6 * 1.6)
    /// Mean lengths of bursts and of what lies between, and how their rates compare.
    private static let burst = 0.12
    private static let calm = 0.18
    private static let burstRatio = 5.0
    /// One swing of the slow modulation, how far it goes, and the steps it is made of.
    private static let swing = 30.0
    private static let swingDepth = 0.2
    private static let swingSteps = 60.0

    init(_ kind: ArrivalKind, rate: Double, seed: UInt64, stream: Int) {
        self.kind = kind
        self.rate = rate
        gaps = RandomStream(seed: seed, part: UInt64(stream) * 4)
        swings = RandomStream(seed: seed, part: UInt64(stream) * 4 + 1)
        // The opposite of what it starts in, with the share of time that each takes.
        isBurst = swings.unit() >= Self.burst / (Self.burst + Self.calm)
        changeRate()
    }

    /// The next request's time in seconds; nil once it is not before `end`.
    mutating func next(before end: Double) -> Double? {
        var gap =
            switch kind {
            case .poisson, .bursts: gaps.exponential()
            case .gamma: gaps.gamma(shape: Self.shapeOfThree)
            case .azure: gaps.gamma(shape: Self.shapeOfAzure)
            }
        while true {
            let room = (holdsUntil - time) * rate * factor
            if gap <= room {
                time += gap / (rate * factor)
                return time < end ? time : nil
            }
            gap -= room
            time = holdsUntil
            guard time < end else { return nil }
            changeRate()
        }
    }

    private mutating func changeRate() {
        switch kind {
        case .poisson, .gamma: holdsUntil = .infinity
        case .bursts:
            isBurst.toggle()
            // Lengths vary (exponentially), or clients with fixed ones would keep the same offsets for a whole run.
            holdsUntil = time + (isBurst ? Self.burst : Self.calm) * swings.exponential()
            let mean = (Self.burst * Self.burstRatio + Self.calm) / (Self.burst + Self.calm)
            factor = (isBurst ? Self.burstRatio : 1) / mean
        case .azure:
            let step = (time / Self.swing * Self.swingSteps).rounded()
            holdsUntil = (step + 1) * Self.swing / Self.swingSteps
            factor = 1 + Self.swingDepth * Self.wave((step + 0.5) / Self.swingSteps)
        }
    }

    /// A smooth wave of period 1 between −1 and 1, made of parabolas.
    private static func wave(_ position: Double) -> Double {
        let phase = position - Double(Int(position))
        return phase < 0.5 ? 16 * phase * (0.5 - phase) : -16 * (phase - 0.5) * (1 - phase)
    }
}
