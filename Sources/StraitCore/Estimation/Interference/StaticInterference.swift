// SPDX-License-Identifier: Apache-2.0

/// Coefficients and biases from an offline regression, which never change: what learning while serving is worth.
struct StaticInterference: InterferenceModel {
    private(set) var state: InterferenceState

    /// The coefficients and biases of `offline`; what else it holds is of no use here. A broken one counts as the prior.
    init(_ offline: InterferenceState) {
        state = InterferenceState()
        _ = restore(offline)
    }

    var theta: SIMD8<Double> { state.theta }

    func bias(of model: Int) -> Double { model < state.models.count ? state.models[model].bias : 0 }

    mutating func learn(_ overlap: SIMD8<Double>, model: Int, label: Double, device: Int) -> Bool {
        InterferenceLimits.admit(overlap, model: model, label: label, device: device)
    }

    mutating func forget(_ model: Int) {
        if model < state.models.count { state.models[model] = InterferenceState.Model(uncertainty: 1) }
    }

    mutating func restore(_ state: InterferenceState) -> Bool {
        guard state.brokenInvariant() == nil else { return false }
        let biases = state.models.map { record in
            // Another estimator's bias may lean on θ; here θ stands still.
            InterferenceState.Model(bias: record.bias(at: state.theta), uncertainty: 1)
        }
        self.state = InterferenceState(theta: state.theta, models: biases)
        return true
    }
}
