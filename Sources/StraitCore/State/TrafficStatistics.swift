// SPDX-License-Identifier: Apache-2.0

/// What has been seen of the traffic lately: rates, deadlines, misses, and how often something is dispatched. Fading
/// averages, per model and class.
package struct TrafficStatistics: Sendable {
    /// What has been seen of one model's requests of one class.
    package struct Stream: Sendable {
        /// Requests a nanosecond; less the longer none has come.
        package fileprivate(set) var rate = 0.0
        /// Rows of a request.
        package fileprivate(set) var rows = 1.0
        /// From arrival to deadline, nanoseconds: the mean, 0 while none had a deadline, and about the least of late.
        package fileprivate(set) var patience = 0.0
        package fileprivate(set) var leastPatience = Double.infinity
        /// The share of requests that were late or shed, of the last fifty or so.
        package fileprivate(set) var misses = 0.0
        fileprivate var lastArrival = Instant(nanoseconds: .min)
        fileprivate var gap = 0.0
    }

    private var streams: [Stream] = []
    /// The time between dispatches while work was waiting, nanoseconds.
    package private(set) var dispatchGap = 1e6
    /// The time of the present step.
    private var now = Instant(nanoseconds: .min)
    private var lastDispatch = Instant(nanoseconds: .min)
    private var hasWaitedSince = false

    /// The weight of a request in a model's share of misses: a memory of 50.
    private static let missGain = 0.02
    /// The weight of a dispatch in the gap: a memory of 30, some tens of milliseconds.
    private static let gapGain = 0.03
    /// The weight of an arrival in a rate: a memory of 20, so that bursts are followed.
    private static let arrivalGain = 0.05
    /// The weight of an arrival in what is usual: a memory of ten.
    private static let patienceGain = 0.1
    /// How fast the least patience is forgotten: by half within 35 requests.
    private static let leastGain = 0.02
    /// A deadline counts as at most this many times as far away as usual: one request for tomorrow says nothing about
    /// the next.
    private static let patienceClip = 3.0
    /// A stream that has been silent for so many of its gaps has probably ended, and its rate is halved, as often as that
    /// has passed. What comes at random is hardly ever silent for that long, and even clumped arrivals rarely.
    private static let silentGaps = 16.0
    /// Halved so often, it has ended: what little is left would still be weighed against requests that can wait.
    private static let halvings = 10.0
    /// The shortest gap: more decisions than that make no difference.
    private static let shortestGap = 0.2e6

    package init() {}

    mutating func addModel() { streams += [Stream(), Stream()] }

    /// Forgets what has been seen of a model's requests.
    mutating func forget(_ model: ModelID) {
        for requestClass in RequestClass.allCases { streams[model.index * 2 + requestClass.rawValue] = Stream() }
    }

    /// Takes note of the time.
    mutating func advance(to now: Instant) { self.now = now }

    /// What has been seen of a model's requests of a class.
    package func stream(_ model: Int, _ requestClass: RequestClass) -> Stream {
        var stream = streams[model * 2 + requestClass.rawValue]
        guard stream.rate > 0 else { return stream }
        let silence = Double((now - stream.lastArrival).nanoseconds) / (Self.silentGaps * max(1, stream.gap))
        guard silence >= 1 else { return stream }
        stream.rate =
            silence < Self.halvings ? Double(sign: .plus, exponent: -Int(silence), significand: stream.rate) : 0
        return stream
    }

    /// The misses of the low class's models, weighted by their arrivals.
    ///
    /// - Complexity: O(models).
    package var meanLowMisses: Double {
        var (sum, weight) = (0.0, 0.0)
        for model in 0..<streams.count / 2 {
            let stream = stream(model, .low)
            sum += stream.misses * stream.rate
            weight += stream.rate
        }
        return weight > 0 ? sum / weight : 0
    }

    /// What is wrong with it, in words; nil when all is well.
    package func brokenInvariant() -> String? {
        guard dispatchGap >= Self.shortestGap, dispatchGap < .infinity else {
            return "\(dispatchGap) ns between dispatches"
        }
        for index in streams.indices {
            let stream = streams[index]
            guard stream.rate >= 0, stream.rate <= 1, stream.rows >= 1, (0...1).contains(stream.misses),
                stream.patience >= 0, stream.patience < .infinity, stream.leastPatience > 0
            else { return "stream \(index) is \(stream)" }
        }
        return nil
    }

    /// Takes note of an arrival.
    ///
    /// - Parameter least: how long the request takes at least. One that could not be answered in time by anybody, or has
    ///   no deadline, says nothing about how much time others have; the former does not count at all.
    mutating func noteArrival(_ request: Request, least: Duration, at now: Instant) {
        let index = request.work.model.index * 2 + request.requestClass.rawValue
        let isServable = request.deadline - now >= least && now < request.deadline
        if isServable, request.deadline < .never {
            let usual = streams[index].patience
            let patience = Double((request.deadline - now).nanoseconds)
            streams[index].patience +=
                usual == 0
                ? patience : Self.patienceGain * (min(patience, Self.patienceClip * usual) - usual)
            let least = streams[index].leastPatience
            let risen = least + Self.leastGain * (streams[index].patience - least)
            streams[index].leastPatience = min(patience, risen.isFinite ? risen : patience)
        }
        guard isServable else { return }
        streams[index].rows += Self.patienceGain * (Double(request.rows) - streams[index].rows)
        if streams[index].lastArrival.nanoseconds != .min {
            let gap = Double((now - streams[index].lastArrival).nanoseconds)
            // Two at the same instant say nothing about a rate of which nothing is known.
            guard gap > 0 || streams[index].gap > 0 else { return }
            streams[index].gap += (streams[index].gap == 0 ? 1 : Self.arrivalGain) * (gap - streams[index].gap)
            streams[index].rate = 1 / max(1, streams[index].gap)
        }
        streams[index].lastArrival = now
    }

    /// Takes note of a request's end. What was hopeless when it came is not the scheduler's miss.
    mutating func noteEnd(_ request: Request, missed: Bool, wasHopeless: Bool) {
        guard !wasHopeless else { return }
        let index = request.work.model.index * 2 + request.requestClass.rawValue
        let value = missed ? 1.0 : 0.0
        streams[index].misses += Self.missGain * (value - streams[index].misses)
    }

    /// Takes note of whether anything waits, after a step.
    mutating func noteWaiting(_ isWaiting: Bool) { if isWaiting { hasWaitedSince = true } }

    /// Takes note of a dispatch.
    ///
    /// - Parameter longest: the longest solo time, nanoseconds: no opportunity is further away than that.
    mutating func noteDispatch(at now: Instant, longest: Double) {
        if hasWaitedSince, lastDispatch.nanoseconds != .min {
            let gap = min(
                max(Double((now - lastDispatch).nanoseconds), Self.shortestGap), max(longest, Self.shortestGap))
            dispatchGap += Self.gapGain * (gap - dispatchGap)
        }
        lastDispatch = now
        hasWaitedSince = false
    }
}
