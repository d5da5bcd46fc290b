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
    /// How long after that it is due.
    package var deadline: Duration
    /// Rows it adds to a batch.
    package var rows = 1
    /// What its rows are like: the binary logarithm of their elements, rounded up …
    package var bucket: UInt8 = 0
    /// … and their exact shape. Requests share a batch only if they have the same.
    package var shape: UInt32 = 0

    /// A request.
    package init(at: Instant, model: Int, _ requestClass: RequestClass, deadline: Duration, rows: Int = 1) {
        self.at = at
        self.model = model
        self.requestClass = requestClass
        self.deadline = deadline
        self.rows = rows
    }
}

extension Scenario {
    /// All requests of a run in the order of time, those of clients that wait for their answers left out. They depend on
    /// the scenario and the seed alone; those of a trace on nothing but the trace.
    ///
    /// Each model and class has a process of its own, as if one client stood behind it: gaps of mean 1, drawn in a time
    /// that runs as fast as its rate.
    package func arrivals(seed: UInt64) -> [Arrival] {
        let joins = models.map { $0.joins.instant(in: duration) }
        if let trace {
            return trace.filter { $0.at < .zero + duration && $0.at >= joins[$0.model] }
        }
        let rates = arrivalRates(weights: weights(seed: seed))
        var all: [Arrival] = []
        all.reserveCapacity(Int(rates.reduce(0, +) * duration.seconds * 1.2))
        for model in models.indices {
            for requestClass in RequestClass.allCases {
                let high = models[model].highShare ?? highShare
                let rate = rates[model] * (requestClass == .high ? high : 1 - high)
                guard rate > 0 else { continue }
                let stream = model * 2 + requestClass.rawValue
                var process = ArrivalProcess(arrivals, rate: rate, seed: seed, stream: stream)
                var deadlines = DeadlineDraw(self, model: model, requestClass, seed: seed, part: UInt64(stream) * 4 + 3)
                while let time = process.next(before: duration.seconds) {
                    let at = Instant.zero + .seconds(time)
                    let deadline = deadlines.next()
                    guard at >= joins[model] else { continue }
                    all.append(Arrival(at: at, model: model, requestClass, deadline: deadline))
                }
            }
        }
        all.sort { ($0.at, $0.model, $0.requestClass) < ($1.at, $1.model, $1.requestClass) }
        return all
    }

    /// The models' shares of device time: their weights, or Zipf's with the ranks drawn by the seed.
    private func weights(seed: UInt64) -> [Double] {
        guard arrivals == .azure else { return models.map(\.weight) }
        var ranks = RandomStream(seed: seed, part: .max)
        return zip(models, ranks.permutation(of: models.count)).map { $0.weight > 0 ? 1 / Double($1 + 1) : 0 }
    }
}

/// The deadlines of the requests of one model and class, one after the other.
struct DeadlineDraw: Sendable {
    private let solo: Duration
    private let factors: ClosedRange<Double>
    private var luck: RandomStream

    init(_ scenario: Scenario, model: Int, _ requestClass: RequestClass, seed: UInt64, part: UInt64) {
        solo = scenario.deadline(of: model, factor: 1)
        factors = scenario.deadlineFactor[requestClass]
        luck = RandomStream(seed: seed, part: part)
    }

    mutating func next() -> Duration {
        // Drawn in any case, so that another range means other deadlines for the same luck.
        solo * (factors.lowerBound + (factors.upperBound - factors.lowerBound) * luck.unit())
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
