// SPDX-License-Identifier: Apache-2.0

extension LearnedState {
    /// Why a state was not taken up.
    public struct Refusal: Error, Sendable, Hashable, CustomStringConvertible {
        /// What is wrong, in words.
        public let description: String

        init(_ description: String) { self.description = description }
    }

    /// What numbers of completions may be: as many as a double counts exactly, and far from overflow.
    package static let counts = 0...1 << 53

    /// A number of completions that can be kept.
    static func limited(_ count: Int) -> Int { min(count, counts.upperBound) }

    /// What is wrong with it as it stands, in words; nil when all is well. What only its estimator can tell is left to it.
    ///
    /// - Complexity: O(everything).
    package func brokenInvariant() -> String? {
        guard classes.count == RequestClass.allCases.count else {
            return "\(classes.count) classes, of which there are \(RequestClass.allCases.count)"
        }
        if let broken = classes.compactMap({ $0.brokenInvariant() }).first { return broken }
        for (number, device) in devices.enumerated() {
            if let broken = device.brokenInvariant() { return "device \(number): \(broken)" }
        }
        for (number, model) in models.enumerated() {
            if let broken = model.brokenInvariant() { return "model \(number): \(broken)" }
        }
        return interference(newcomer: InterferenceState.Model(uncertainty: 1)).brokenInvariant()
    }

    /// The part that the interference model takes.
    ///
    /// - Parameter newcomer: what it knows of a model of which nothing is known.
    func interference(newcomer: InterferenceState.Model) -> InterferenceState {
        var known = models.map(\.interference)
        // Behind the last that is known the interference model makes its own.
        while let last = known.last, last == nil { known.removeLast() }
        return InterferenceState(
            theta: theta, matrix: matrix, rightSide: rightSide, models: known.map { $0 ?? newcomer },
            noise: devices.map(\.noise))
    }
}

extension LearnedState.Quantiles {
    /// What is wrong with them, in words; nil when all is well.
    package func brokenInvariant() -> String? {
        Calibration.isPossible(self) ? nil : "\(median), \(q95) and \(q99) are no quantiles that were learned"
    }
}

extension LearnedState.Device {
    /// What is wrong with it, in words; nil when all is well.
    package func brokenInvariant() -> String? {
        guard DeviceSpeeds.range.contains(speed) else {
            return "its speed is \(speed), not within \(DeviceSpeeds.range)"
        }
        guard (copyIn == nil) == (copyOut == nil) else { return "it copies in one direction only" }
        for line in [copyIn, copyOut].compactMap(\.self) where !TransferModel.isPossible(line) {
            return "\(line) are no sums of copies"
        }
        return nil
    }
}

extension LearnedState.Model {
    /// What is wrong with it, in words; nil when all is well.
    package func brokenInvariant() -> String? {
        if let broken = interference?.brokenInvariant() { return broken }
        guard ModelPaces.isPossible(pace) else { return "its pace is \(pace)" }
        guard solo.count == Set(solo.map(\.bucket)).count else { return "a size of row has two times" }
        for curve in solo {
            guard SoloEstimator.isPossible(curve) else { return "\(curve) are no times" }
        }
        guard corrections.count == Set(corrections.map { [$0.bucket, $0.exponent] }).count,
            corrections.count <= ProfileCorrections.cellsKept
        else { return "a size is corrected twice, or more than \(ProfileCorrections.cellsKept) are" }
        for correction in corrections where !ProfileCorrections.isPossible(correction) {
            return "\(correction) is no correction"
        }
        for factors in copies where !TransferModel.isPossible(factors) { return "\(factors) are no copies' factors" }
        return nil
    }
}
