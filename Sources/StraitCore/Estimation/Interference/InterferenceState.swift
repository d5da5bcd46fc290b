// SPDX-License-Identifier: Apache-2.0

/// What an ``InterferenceModel`` has learned, as a plain value that can be saved and put back. Which of the fields are
/// used, and what exactly they hold, is the estimator's own business: a state goes back to the estimator it came from
/// (or its coefficients and biases to `static`).
public struct InterferenceState: Sendable, Hashable {
    /// Slow-down per unit of each feature; lane 7 is 0.
    public var theta: SIMD8<Double>
    /// How well θ is known, as seven rows: its covariance (`kalman`) or its information (`rls`); empty elsewhere.
    public var matrix: [SIMD8<Double>]
    /// The right-hand side that goes with an information matrix (`rls`).
    public var rightSide: SIMD8<Double>
    /// What is known of each model, by its number.
    public var models: [Model]
    /// The variance of the label's noise on each device, by its number.
    public var noise: [Double]

    /// What is known of a model.
    public struct Model: Sendable, Hashable {
        /// Its bias δ (at θ = 0 where there is a slope).
        public var bias: Double
        /// How much of the bias is still open: its variance given θ (`kalman`), or the weight of the next sample.
        public var uncertainty: Double
        /// How the bias hangs together with θ (`kalman`), or the mean overlap it was learned at (`rls`).
        public var slope: SIMD8<Double>
        /// Completions of all models since its own last one.
        public var idle: Int
        /// Errors in a row that were too large for noise, negative when they were to that side.
        public var surprises = 0

        /// A model's record.
        public init(bias: Double = 0, uncertainty: Double, slope: SIMD8<Double> = SIMD8(), idle: Int = 0) {
            self.bias = bias
            self.uncertainty = uncertainty
            self.slope = slope
            self.idle = idle
        }
    }

    /// A state; without arguments, what is believed before anything was measured.
    public init(
        theta: SIMD8<Double> = Self.priorTheta, matrix: [SIMD8<Double>] = [], rightSide: SIMD8<Double> = SIMD8(),
        models: [Model] = [], noise: [Double] = []
    ) {
        self.theta = theta
        self.matrix = matrix
        self.rightSide = rightSide
        self.models = models
        self.noise = noise
    }

    /// What is believed of θ before anything was measured: compute is shared fairly, so its shortfall slows a batch
    /// down one to one, and nothing else does.
    public static let priorTheta: SIMD8<Double> = {
        var theta = SIMD8<Double>()
        theta[InterferenceFeatures.computeShortfall] = 1
        return theta
    }()

    /// What is wrong with it, in words; nil when all is well.
    ///
    /// - Parameter limit: what the diagonal of the matrix may reach.
    /// - Complexity: O(models).
    package func brokenInvariant(limit: Double = .greatestFiniteMagnitude) -> String? {
        let limits = InterferenceLimits.self
        for lane in 0..<InterferenceFeatures.count where !limits.theta.contains(theta[lane]) {
            return "θ[\(lane)] is \(theta[lane]), not within \(limits.theta)"
        }
        guard theta[7] == 0, rightSide[7] == 0 else { return "lane 7 of θ or of the right-hand side is used" }
        for lane in 0..<InterferenceFeatures.count where !rightSide[lane].isFinite {
            return "the right-hand side holds \(rightSide[lane])"
        }
        if !matrix.isEmpty {
            guard let square = SymmetricMatrix(rows: matrix) else { return "the matrix has \(matrix.count) rows" }
            if let broken = square.brokenInvariant(limit: limit) { return "the matrix of θ: \(broken)" }
        }
        guard models.count <= limits.numbers.upperBound, noise.count <= limits.numbers.upperBound else {
            return "\(models.count) models and \(noise.count) devices are more than \(limits.numbers.upperBound)"
        }
        for (number, model) in models.enumerated() {
            if let broken = model.brokenInvariant() { return "model \(number): \(broken)" }
        }
        for (number, value) in noise.enumerated() where !InnovationNoise.range.contains(value) {
            return "the noise of device \(number) is \(value), not within \(InnovationNoise.range)"
        }
        return nil
    }
}

extension InterferenceState.Model {
    /// The longest slope: a mean of overlaps, which only ever gets shorter by itself.
    private static let longestSlope = (InterferenceLimits.overlap.upperBound.squared * lanes).squareRoot()
    /// The largest bias at θ = 0: the largest bias, and what the longest slope makes of the longest θ.
    private static let largestBias =
        InterferenceLimits.bias.upperBound
        + longestSlope * (InterferenceLimits.theta.upperBound.squared * lanes).squareRoot()
    private static let lanes = Double(InterferenceFeatures.count)
    /// What rounding may add.
    private static let tolerance = 1 + 1e-9

    /// The bias at θ, within ``InterferenceLimits/bias``.
    func bias(at theta: SIMD8<Double>) -> Double { InterferenceLimits.limited(bias: bias + slope.dot(theta)) }

    /// What is wrong with it, in words; nil when all is well.
    func brokenInvariant() -> String? {
        guard bias.magnitude <= Self.largestBias * Self.tolerance else { return "its bias is \(bias)" }
        guard uncertainty > 0, uncertainty <= 1 else { return "its uncertainty is \(uncertainty), not within 0…1" }
        guard LearnedState.counts.contains(idle), surprises.magnitude < 100 else {
            return "it was idle for \(idle) completions and had \(surprises) surprises"
        }
        guard slope[7] == 0, slope.dot(slope).squareRoot() <= Self.longestSlope * Self.tolerance else {
            return "its slope is \(slope)"
        }
        return nil
    }
}

extension Double {
    fileprivate var squared: Double { self * self }
}
