// SPDX-License-Identifier: Apache-2.0

/// Recursive least squares that forgets towards its prior.
///
/// Of the known cures for wind-up this is the leaky information form: what is forgotten of the samples is made up from
/// the prior, so the information matrix never falls below the prior's and needs no watching. A bound on the trace of
/// the covariance was the alternative; it makes the forgetting factor meaningless, because the filter freezes.
///
/// Biases are taken out by centring: θ is fitted to how a model's samples differ from their own fading mean. That is
/// what the joint regression over all models gives, at the cost of the features alone.
struct RLSInterference: InterferenceModel {
    /// The share of what is known of θ that survives a completion: a memory of 100 completions.
    private static let memory = 0.99
    /// The least weight of a new sample in its model's mean: a memory of 20 of the model's batches.
    private static let gain = 0.05
    /// What the prior is worth, in samples with a feature at 1: the noise over the prior variance of `kalman`.
    private static let priorWeight = InnovationNoise.initial / KalmanInterference.initialVariance
    /// What the information may reach: as many samples as are remembered, with the largest overlap.
    private static let largestInformation =
        priorWeight + InterferenceLimits.overlap.upperBound * InterferenceLimits.overlap.upperBound / (1 - memory)

    private(set) var theta = InterferenceState.priorTheta
    private var information = SymmetricMatrix(diagonal: priorWeight)
    private var rightSide = InterferenceState.priorTheta * priorWeight
    /// `bias` is a model's mean label, `slope` its mean overlap with the sign changed, `uncertainty` the weight that the
    /// next sample has in both.
    private var models: [InterferenceState.Model] = []
    private var noise = InnovationNoise()

    var state: InterferenceState {
        InterferenceState(
            theta: theta, matrix: information.asRows, rightSide: rightSide, models: models, noise: noise.variances)
    }

    /// The first mean is the prior's: no bias, at its weight.
    var newcomer: InterferenceState.Model { InterferenceState.Model(uncertainty: 1 / (1 + Self.priorWeight)) }

    func bias(of model: Int) -> Double { model < models.count ? models[model].bias(at: theta) : 0 }

    mutating func learn(_ overlap: SIMD8<Double>, model: Int, label: Double, device: Int) -> Bool {
        guard InterferenceLimits.admit(overlap, model: model, label: label, device: device) else { return false }
        while models.count <= model { models.append(newcomer) }

        let (overlap, label, error) = OwnNoise.removed(
            from: overlap, label: label, bias: bias(of: model), theta: theta)
        let believed = label - error + noise.clipped(error, device: device)

        let gain = models[model].uncertainty
        let overlapDeviation = overlap + models[model].slope
        let labelDeviation = believed - models[model].bias
        // What is not informative in the deviation is left out, and θ's part of it taken from the label.
        let informative =
            overlapDeviation
            * OwnNoise.informativeShare(of: overlapDeviation, overlap: overlap, error: error, noise: noise[device])
        let informativeLabel = labelDeviation - theta.dot(overlapDeviation - informative)
        noise.learn(error, explained: 0, device: device)

        information.scale(by: Self.memory, addingToDiagonal: (1 - Self.memory) * Self.priorWeight)
        information.add(outer: informative, times: 1 - gain)
        rightSide =
            rightSide * Self.memory + InterferenceState.priorTheta * ((1 - Self.memory) * Self.priorWeight)
            + informative * ((1 - gain) * informativeLabel)
        theta = InterferenceLimits.limited(information.solve(rightSide))

        models[model].bias += gain * labelDeviation
        models[model].slope -= overlapDeviation * gain
        models[model].uncertainty = max(gain / (1 + gain), Self.gain)
        return true
    }

    mutating func forget(_ model: Int) { if model < models.count { models[model] = newcomer } }

    mutating func restore(_ state: InterferenceState) -> Bool {
        guard state.brokenInvariant(limit: Self.largestInformation) == nil,
            let matrix = SymmetricMatrix(rows: state.matrix)
        else { return false }
        theta = state.theta
        information = matrix
        rightSide = state.rightSide
        models = state.models
        noise = InnovationNoise(state.noise)
        return true
    }

    func brokenInvariant() -> String? { state.brokenInvariant(limit: Self.largestInformation) }
}
