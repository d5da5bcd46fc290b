// SPDX-License-Identifier: Apache-2.0

/// How long a copy in one direction of one device takes: overhead + bytes / bandwidth, learned from service times.
///
/// Service times only: what a copy waits for the copy engine is known from the engine's queue, and would teach the
/// wrong thing. Models whose memory copies slower than others' (pageable, say) have a factor of their own.
package struct TransferModel: Sendable {
    /// Fading sums of a weighted least-squares line through (bytes, nanoseconds).
    private var weight: Double
    private var bytes: Double
    private var time: Double
    private var bytesSquared: Double
    private var bytesTime: Double
    /// For each model how its copies compare to the line.
    private var factors: [Double] = []

    /// The weight of the past after a sample: a memory of some two hundred copies.
    private static let memory = 0.995
    /// The samples that the initial description counts for.
    private static let priorSamples = 4.0
    /// The sizes that the initial description is laid down at, bytes: what one image and one batch have.
    private static let priorSizes = [1e4, 1e7]
    /// The weight of a sample in a model's factor.
    private static let factorGain = 0.05
    /// A sample counts as at most this many times what was expected.
    private static let clip = 3.0
    /// A model's factor stays within these: beyond, something else is wrong.
    private static let factorRange = 0.1...20.0

    /// A model that starts from a description.
    package init(_ description: CopyDescription) {
        (weight, bytes, time, bytesSquared, bytesTime) = (0, 0, 0, 0, 0)
        for size in Self.priorSizes {
            let nanoseconds =
                Double(description.overhead.nanoseconds) + size / max(1, description.bytesPerSecond) * 1e9
            add(size, nanoseconds, weight: Self.priorSamples / Double(Self.priorSizes.count))
        }
    }

    /// A model that was learned before.
    ///
    /// - Parameter factors: of each model.
    init(sums: LearnedState.CopyLine, factors: [Double]) {
        (weight, bytes, time) = (sums.weight, sums.bytes, sums.time)
        (bytesSquared, bytesTime) = (sums.bytesSquared, sums.bytesTime)
        self.factors = factors
    }

    /// What the line is fitted to, to be kept.
    var sums: LearnedState.CopyLine {
        LearnedState.CopyLine(
            weight: weight, bytes: bytes, time: time, bytesSquared: bytesSquared, bytesTime: bytesTime)
    }

    /// How a model's copies compare to the line.
    func factor(of model: ModelID) -> Double { model.index < factors.count ? factors[model.index] : 1 }

    /// Forgets a model.
    mutating func forget(_ model: ModelID) { if model.index < factors.count { factors[model.index] = 1 } }

    /// What sums may be: far beyond any copies, far from overflow.
    private static let possibleSums = 0.0...1e100

    /// Whether sums can have been learned.
    static func isPossible(_ sums: LearnedState.CopyLine) -> Bool {
        sums.weight > 0
            && [sums.weight, sums.bytes, sums.time, sums.bytesSquared, sums.bytesTime].allSatisfy(possibleSums.contains)
    }

    /// Whether factors can have been learned.
    static func isPossible(_ factors: LearnedState.CopyFactors) -> Bool {
        factorRange.contains(factors.copyIn) && factorRange.contains(factors.copyOut)
    }

    /// The overhead in nanoseconds and the time of a byte in nanoseconds; neither is negative.
    private var line: (overhead: Double, perByte: Double) {
        let determinant = weight * bytesSquared - bytes * bytes
        guard determinant > 1e-9 * weight * bytesSquared else { return (0, time / max(1, bytes)) }
        let perByte = max(0, (weight * bytesTime - bytes * time) / determinant)
        return (max(0, (time - perByte * bytes) / weight), perByte)
    }

    /// The expected time of a copy that has the engine and the link to itself.
    package func expectedTime(bytes count: Int, model: ModelID) -> Duration {
        guard count > 0 else { return .zero }
        let (overhead, perByte) = line
        return Duration(clamping: (overhead + perByte * Double(count)) * factor(of: model))
    }

    /// Takes note of a copy's service time. A copy of nothing, or one that took no time, says nothing.
    package mutating func learn(bytes count: Int, model: ModelID, took measured: Duration) {
        guard count > 0, measured > .zero else { return }
        while factors.count <= model.index { factors.append(1) }
        let (overhead, perByte) = line
        let fitted = max(1, overhead + perByte * Double(count))
        // Clipped as elsewhere: one hiccup says nothing about the link, or about the model's memory.
        let ratio = min(Double(measured.nanoseconds) / fitted, Self.clip * factors[model.index])
        let factor = factors[model.index] + Self.factorGain * (ratio - factors[model.index])
        factors[model.index] = min(max(factor, Self.factorRange.lowerBound), Self.factorRange.upperBound)
        let sum = weight
        weight *= Self.memory
        bytes *= Self.memory
        time *= Self.memory
        bytesSquared *= Self.memory
        bytesTime *= Self.memory
        let clipped = min(Double(measured.nanoseconds) / factors[model.index], Self.clip * fitted)
        add(Double(count), clipped, weight: min(1, sum))
    }

    private mutating func add(_ size: Double, _ nanoseconds: Double, weight added: Double) {
        weight += added
        bytes += added * size
        time += added * nanoseconds
        bytesSquared += added * size * size
        bytesTime += added * size * nanoseconds
    }
}
