// SPDX-License-Identifier: Apache-2.0

/// Predicts how much co-runners slow a batch down, and learns it from completions (design §5).
///
/// A batch whose kernels take W alone, by its profile, takes D = W (1 + δ + θ·x): θ is the slow-down per unit of
/// ``InterferenceFeatures``, δ the model's own deviation from its profile, x the features integrated over the run and
/// divided by W. That holds for any overlap pattern, because 1 − θ·φ is the speed at each moment.
package protocol InterferenceModel: Sendable {
    /// Slow-down per unit of each feature; lane 7 is 0.
    var theta: SIMD8<Double> { get }

    /// What the model's batches take alone beyond what the profile says, as a share of it; within
    /// ``InterferenceLimits/bias``. 0 for a model of which nothing was learned.
    ///
    /// - Complexity: O(1).
    func bias(of model: Int) -> Double

    /// Learns from a batch that ended regularly.
    ///
    /// - Parameters:
    ///   - overlap: (1/W) ∫ φ dt over its run; 0 for a batch that ran alone.
    ///   - model: the model's number, from 0.
    ///   - label: D/W − 1.
    ///   - device: the number of the device it ran on, from 0.
    /// - Returns: false for a sample outside ``InterferenceLimits``, which changes nothing.
    /// - Complexity: O(1) in the number of models and devices.
    @discardableResult
    mutating func learn(_ overlap: SIMD8<Double>, model: Int, label: Double, device: Int) -> Bool

    /// Forgets a model: another has its number now.
    ///
    /// - Complexity: O(1).
    mutating func forget(_ model: Int)

    /// All that was learned; what `restore` takes. Copying it costs O(models).
    var state: InterferenceState { get }

    /// Takes up where `state` was left off. A broken state is refused with false, and changes nothing.
    mutating func restore(_ state: InterferenceState) -> Bool

    /// What is known of a model that has completed nothing.
    var newcomer: InterferenceState.Model { get }

    /// What is wrong with what was learned, in words; nil when all is well. For tests and simulations.
    func brokenInvariant() -> String?
}

extension InterferenceModel {
    /// D/W as predicted for a batch of `model` whose features, integrated over its run, are `overlap`.
    package func fitted(_ overlap: SIMD8<Double>, model: Int) -> Double {
        1 + theta.dot(overlap) + bias(of: model)
    }

    /// The speed of a batch as a share of its speed alone, 1 for no co-runners.
    package func speed(_ features: SIMD8<Double>) -> Double { InterferenceFeatures.speed(theta, features) }

    package func brokenInvariant() -> String? { state.brokenInvariant() }

    package var newcomer: InterferenceState.Model { InterferenceState.Model(uncertainty: 1) }
}

/// What samples and estimates may be. Beyond it something else than co-running was measured.
package enum InterferenceLimits {
    /// D/W − 1. The slowest speed believed in makes a batch 8 times slower; with a profile that is wrong by 2.5 × that
    /// is 20 times. Nothing is a hundred times faster than its profile.
    package static let label = -0.99...20.0
    /// Each lane of the overlap: the features' cap over the longest run of a sample that is taken.
    package static let overlap = 0.0...32.0
    /// A bias that is reported, so that a predicted time alone is never below a tenth of the profile's.
    package static let bias = -0.9...20.0
    /// Each lane of θ. A slow-down of 4 per unit takes any batch to standstill at a quarter of a unit.
    package static let theta = -4.0...4.0
    /// Models and devices that are learned about, so that a wild number cannot grow the tables without end.
    package static let numbers = 0..<65_536

    /// Whether a sample may be learned from. What is not a number is not.
    static func admit(_ overlap: SIMD8<Double>, model: Int, label: Double, device: Int) -> Bool {
        // The comparisons are false for what is not a number.
        self.label.contains(label) && numbers.contains(model) && numbers.contains(device) && overlap[7] == 0
            && all(overlap .>= self.overlap.lowerBound) && all(overlap .<= self.overlap.upperBound)
    }

    /// The nearest θ within ``theta``.
    static func limited(_ theta: SIMD8<Double>) -> SIMD8<Double> {
        theta.clamped(
            lowerBound: SIMD8(repeating: self.theta.lowerBound), upperBound: SIMD8(repeating: self.theta.upperBound))
    }

    /// The nearest bias within ``bias``.
    static func limited(bias: Double) -> Double { min(max(bias, self.bias.lowerBound), self.bias.upperBound) }
}

/// The ways to learn interference, by name. All but the last are controls: they show what each part is worth.
public enum EstimatorName: String, Sendable, Hashable, CaseIterable {
    /// No interference, no learning: the profile is right.
    case solo
    /// Fixed coefficients from an offline regression.
    case `static`
    /// No interference; a running mean of each model's slow-down, whoever ran beside it.
    case ewma
    /// Normalised least mean squares.
    case nlms
    /// Recursive least squares that forgets towards its prior.
    case rls
    /// A random-walk Kalman filter.
    case kalman

    /// A model that has learned nothing yet.
    ///
    /// - Parameter offline: where `static` takes its coefficients from, for example what another learned before.
    package func model(offline: InterferenceState = InterferenceState()) -> any InterferenceModel {
        switch self {
        case .solo: SoloInterference()
        case .static: StaticInterference(offline)
        case .ewma: EWMAInterference()
        case .nlms: NLMSInterference()
        case .rls: RLSInterference()
        case .kalman: KalmanInterference()
        }
    }
}
