// SPDX-License-Identifier: Apache-2.0

/// Co-runners cost nothing and the profile is right: what predictions are worth without any of this.
struct SoloInterference: InterferenceModel {
    var theta: SIMD8<Double> { SIMD8() }
    var state: InterferenceState { InterferenceState(theta: theta) }

    func bias(of model: Int) -> Double { 0 }

    mutating func learn(_ overlap: SIMD8<Double>, model: Int, label: Double, device: Int) -> Bool {
        InterferenceLimits.admit(overlap, model: model, label: label, device: device)
    }

    mutating func forget(_ model: Int) {}

    mutating func restore(_ state: InterferenceState) -> Bool { state.brokenInvariant() == nil }
}
