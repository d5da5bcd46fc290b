// SPDX-License-Identifier: Apache-2.0

/// A Kalman filter over θ and all biases, which follow a random walk (design §5): the estimator that Strait uses.
///
/// **Why it is cheap.** A completion measures θ and one bias. Given θ, the biases of two models therefore tell nothing
/// about each other, and the whole covariance is held by the covariance A of θ and, for each model, a line: its bias is
/// a + b·θ, with a variance s around that. The cross term of θ and the bias is A·b; other models need no update when
/// one completes, because their lines stay true while θ moves along them. So 512 models cost what 6 cost, and what
/// models know of each other through θ is kept rather than dropped.
///
/// **Why it is safe.** A and all s positive make the whole covariance positive. Each step first adds ``thetaNoise`` to
/// the diagonal of A and then subtracts what one sample explains, so with overlaps and slopes bounded the least
/// eigenvalue of A stays above 3e-8; rounding is nine orders of magnitude below that. Noise without samples ends at
/// ``largestVariance``. So no Joseph form is needed; symmetry is exact by the order of multiplications.
struct KalmanInterference: InterferenceModel {
    /// The variance of each lane of θ and of each bias before anything was measured: ± 0.22, so that a bias of 20 % or
    /// a coefficient that is off by as much is no surprise, and the first samples weigh much.
    static let initialVariance = 0.05
    /// How much the variance of each lane of θ grows with a completion. In the 1,000 completions of a few seconds that
    /// is ± 0.03: hardware hardly changes how it shares.
    static let thetaNoise = 1e-6
    /// The same for a bias: ± 0.1 in 1,000 completions. Models do change: clocks, input data, other tenants.
    static let biasNoise = 1e-5
    /// Where that growth ends: ± 0.45. Beyond it the next sample would be believed as it is, accident or not.
    static let largestVariance = 0.2

    /// So many errors in a row beyond the clip, all to one side, are a change of the model and not noise, which does
    /// this once in 500,000 times. A random walk alone would need dozens of completions to get there.
    private static let surprisesOfAChange = 2

    private(set) var theta = InterferenceState.priorTheta
    private var covariance = SymmetricMatrix(diagonal: initialVariance)
    /// `bias` is a, `slope` is b, `uncertainty` is s, as of the model's last completion; `idle` holds the number of
    /// that completion instead of a distance, so that time passes for all models at once.
    private var models: [InterferenceState.Model] = []
    private var noise = InnovationNoise()
    private var completions = 0

    var state: InterferenceState {
        var models = models
        for model in models.indices { models[model].idle = completions - models[model].idle }
        return InterferenceState(theta: theta, matrix: covariance.asRows, models: models, noise: noise.variances)
    }

    var newcomer: InterferenceState.Model { InterferenceState.Model(uncertainty: Self.initialVariance) }

    func bias(of model: Int) -> Double { model < models.count ? models[model].bias(at: theta) : 0 }

    mutating func learn(_ overlap: SIMD8<Double>, model: Int, label: Double, device: Int) -> Bool {
        guard InterferenceLimits.admit(overlap, model: model, label: label, device: device) else { return false }
        while models.count <= model {
            models.append(InterferenceState.Model(uncertainty: Self.initialVariance, idle: completions))
        }
        let (overlap, label, error) = OwnNoise.removed(
            from: overlap, label: label, bias: bias(of: model), theta: theta)
        completions += 1
        covariance.growDiagonal(by: Self.thetaNoise, upTo: Self.largestVariance)
        var record = models[model]
        walk(&record)
        measure(overlap, &record, label, error, device)
        models[model] = record
        return true
    }

    mutating func forget(_ model: Int) {
        guard model < models.count else { return }
        models[model] = InterferenceState.Model(uncertainty: Self.initialVariance, idle: completions)
    }

    /// Catches up with the noise of the completions since the model's last one. θ has walked on without the bias, so
    /// the line flattens, and what it explained less is added to the variance around it.
    private func walk(_ model: inout InterferenceState.Model) {
        let steps = Double(completions - model.idle)
        model.idle = completions
        let slope = covariance.solve(covariance.times(model.slope), ridge: steps * Self.thetaNoise)
        let growth = steps * (Self.biasNoise + Self.thetaNoise * slope.dot(model.slope))
        model.uncertainty = max(model.uncertainty, min(model.uncertainty + growth, Self.largestVariance))
        model.bias += (model.slope - slope).dot(theta)
        model.slope = slope
    }

    /// Learns from label = overlap·θ + a + b·θ + noise.
    private mutating func measure(
        _ overlap: SIMD8<Double>, _ model: inout InterferenceState.Model, _ label: Double, _ error: Double,
        _ device: Int
    ) {
        let deviation = overlap + model.slope
        let direction =
            deviation
            * OwnNoise.informativeShare(of: deviation, overlap: overlap, error: error, noise: noise[device])
        let projected = covariance.times(direction)
        let ofTheta = direction.dot(projected)
        var variance = ofTheta + model.uncertainty + noise[device]
        var longest = InnovationNoise.clip * variance.squareRoot()
        if isChanged(&model, by: error, beyond: longest) {
            variance += Self.initialVariance - model.uncertainty
            model.uncertainty = Self.initialVariance
            longest = InnovationNoise.clip * variance.squareRoot()
        }
        noise.learn(error, explained: ofTheta + model.uncertainty, device: device)
        // An error beyond the clip moves the estimate as far as one at the clip. It is done by believing the sample
        // less, so that it does not make the filter surer of itself either.
        if error.magnitude > longest { variance *= error.magnitude / longest }

        theta = InterferenceLimits.limited(theta + projected * (error / variance))
        covariance.add(outer: projected, times: -1 / variance)
        let gain = model.uncertainty / (variance - ofTheta)
        model.bias += gain * (label - model.bias)
        model.slope -= deviation * gain
        model.uncertainty *= 1 - gain
        // Held within its limits at the present θ, so that nothing accumulates beyond them.
        let bias = model.bias + model.slope.dot(theta)
        model.bias += InterferenceLimits.limited(bias: bias) - bias
    }

    /// Whether a model's errors say that it is no longer what it was; then its bias is as open as that of a new one.
    private func isChanged(
        _ model: inout InterferenceState.Model, by error: Double, beyond longest: Double
    ) -> Bool {
        guard error.magnitude > longest else {
            model.surprises = 0
            return false
        }
        let sign = error > 0 ? 1 : -1
        model.surprises = model.surprises * sign > 0 ? model.surprises + sign : sign
        guard model.surprises.magnitude >= Self.surprisesOfAChange else { return false }
        model.surprises = 0
        return model.uncertainty < Self.initialVariance
    }

    mutating func restore(_ state: InterferenceState) -> Bool {
        guard state.brokenInvariant(limit: Self.largestVariance) == nil,
            let matrix = SymmetricMatrix(rows: state.matrix)
        else { return false }
        theta = state.theta
        covariance = matrix
        models = state.models
        noise = InnovationNoise(state.noise)
        completions = models.reduce(0) { max($0, $1.idle) }
        for model in models.indices { models[model].idle = completions - models[model].idle }
        return true
    }

    func brokenInvariant() -> String? { state.brokenInvariant(limit: Self.largestVariance) }
}
