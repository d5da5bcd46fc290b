// SPDX-License-Identifier: Apache-2.0

/// Normalised least mean squares: a step along the sample, as long as a tenth of the error asks for. It keeps no
/// covariance, so it learns the more slowly the more the features resemble each other.
struct NLMSInterference: InterferenceModel {
    /// The share of an error that one step removes.
    private static let step = 0.1

    private(set) var theta = InterferenceState.priorTheta
    private var models: [InterferenceState.Model] = []
    private var noise = InnovationNoise()

    var state: InterferenceState { InterferenceState(theta: theta, models: models, noise: noise.variances) }

    func bias(of model: Int) -> Double { model < models.count ? models[model].bias : 0 }

    mutating func learn(_ overlap: SIMD8<Double>, model: Int, label: Double, device: Int) -> Bool {
        guard InterferenceLimits.admit(overlap, model: model, label: label, device: device) else { return false }
        while models.count <= model { models.append(InterferenceState.Model(uncertainty: 1)) }
        let error = label - theta.dot(overlap) - models[model].bias
        // The bias is a feature that is always 1, so the length is never 0.
        let step = Self.step * noise.clipped(error, device: device) / (1 + overlap.dot(overlap))
        theta = InterferenceLimits.limited(theta + overlap * step)
        models[model].bias = InterferenceLimits.limited(bias: models[model].bias + step)
        noise.learn(error, explained: 0, device: device)
        return true
    }

    mutating func forget(_ model: Int) {
        if model < models.count { models[model] = InterferenceState.Model(uncertainty: 1) }
    }

    mutating func restore(_ state: InterferenceState) -> Bool {
        guard state.brokenInvariant() == nil else { return false }
        theta = state.theta
        models = state.models
        noise = InnovationNoise(state.noise)
        return true
    }
}
