// SPDX-License-Identifier: Apache-2.0

/// A running mean of each model's slow-down, whoever ran beside it: what the features are worth.
struct EWMAInterference: InterferenceModel {
    /// The weight of a new sample once many are there: a memory of 20 of the model's batches.
    private static let gain = 0.05

    /// A model's `uncertainty` is the weight that its last sample had: 1, 1/2, 1/3, … down to ``gain``, so that the
    /// first samples give their plain mean.
    private var models: [InterferenceState.Model] = []

    var theta: SIMD8<Double> { SIMD8() }
    var state: InterferenceState { InterferenceState(theta: theta, models: models) }

    func bias(of model: Int) -> Double {
        model < models.count ? InterferenceLimits.limited(bias: models[model].bias) : 0
    }

    mutating func learn(_ overlap: SIMD8<Double>, model: Int, label: Double, device: Int) -> Bool {
        guard InterferenceLimits.admit(overlap, model: model, label: label, device: device) else { return false }
        while models.count <= model { models.append(InterferenceState.Model(uncertainty: 1)) }
        let gain = max(models[model].uncertainty, Self.gain)
        models[model].bias += gain * (label - models[model].bias)
        models[model].uncertainty = gain / (1 + gain)
        return true
    }

    mutating func forget(_ model: Int) {
        if model < models.count { models[model] = InterferenceState.Model(uncertainty: 1) }
    }

    mutating func restore(_ state: InterferenceState) -> Bool {
        guard state.brokenInvariant() == nil else { return false }
        models = state.models
        return true
    }
}
