// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// A completion as an interference model learns from it.
struct InterferenceSample {
    var overlap: SIMD8<Double>
    var model: Int
    var label: Double
    var device = 0
}

/// Completions of batches that behave exactly as the linear model says, but for noise.
struct InterferenceTruth {
    var theta = SIMD8<Double>(0.1, 0.05, 0.7, 0.2, 0.15, -0.1, 0.1, 0)
    var biases: [Double] = [0.05, -0.08, 0.12, 0, -0.04, 0.2]
    /// How much slower everything is than it was, and one model besides.
    var slowDown = 1.0
    var slowDownOfModel: [Int: Double] = [:]
    /// The standard deviation of a batch's own work.
    var noise = 0.0
    var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    /// W(1 + δ) over W.
    func alone(_ model: Int) -> Double { (1 + biases[model]) * slowDown * slowDownOfModel[model, default: 1] }

    /// D/W for a batch that runs beside others with mean features of `mean`.
    func duration(_ model: Int, _ mean: SIMD8<Double>) -> Double { alone(model) / (1 - theta.dot(mean)) }

    mutating func features(upTo limit: Double = 0.5) -> SIMD8<Double> {
        var mean = SIMD8<Double>()
        // One batch in eight runs alone.
        guard Int.random(in: 0..<8, using: &generator) > 0 else { return mean }
        for lane in 0..<InterferenceFeatures.count { mean[lane] = Double.random(in: 0..<limit, using: &generator) }
        return mean
    }

    /// A batch of a model, or of any; its noise makes it longer and so its overlap, too.
    mutating func sample(of model: Int? = nil) -> InterferenceSample {
        let model = model ?? Int.random(in: biases.indices, using: &generator)
        let mean = features()
        let duration = duration(model, mean) * (1 + noise * normal())
        return InterferenceSample(overlap: mean * duration, model: model, label: duration - 1)
    }

    /// Nearly normal, with a variance of 1.
    private mutating func normal() -> Double {
        (0..<12).reduce(-6) { sum, _ in sum + Double.random(in: 0..<1, using: &generator) }
    }

    /// The mean relative error of predicted durations over `count` batches, while learning from each.
    mutating func meanError(of model: inout any InterferenceModel, over count: Int) -> Double {
        var sum = 0.0
        for _ in 0..<count {
            let sample = sample()
            let mean = sample.overlap / (1 + sample.label)
            let predicted = (1 + model.bias(of: sample.model)) / model.speed(mean)
            sum += (predicted / duration(sample.model, mean) - 1).magnitude
            model.learn(sample)
        }
        return sum / Double(count)
    }
}

extension InterferenceModel {
    @discardableResult
    mutating func learn(_ sample: InterferenceSample) -> Bool {
        learn(sample.overlap, model: sample.model, label: sample.label, device: sample.device)
    }

    /// One that has seen `count` of the truth's batches.
    func taught(_ truth: inout InterferenceTruth, _ count: Int) -> Self {
        var copy = self
        for _ in 0..<count { copy.learn(truth.sample()) }
        return copy
    }
}
