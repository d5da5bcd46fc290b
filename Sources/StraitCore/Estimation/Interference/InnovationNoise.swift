// SPDX-License-Identifier: Apache-2.0

/// How far labels scatter around their prediction for no reason that could be learned: a variance per device, learned
/// from how far the predictions were off.
struct InnovationNoise: Sendable {
    /// What a variance may be. Below 3 % of scatter nobody's clock and launches are steady for long, and a filter that
    /// believed it would chase noise; above 100 % a sample says nothing.
    static let range = 0.001...1.0
    /// Where it starts: 5.5 % of scatter, as on a GPU (design §5). A CPU's is found to be larger within 50 batches.
    static let initial = 0.003
    /// The weight of a new sample: a memory of 50 batches, enough for a variance, short enough for a noisy neighbour.
    private static let gain = 0.02
    /// Errors count up to this many standard deviations. Noise hardly ever goes beyond it; what does is an accident.
    static let clip = 3.0

    private(set) var variances: [Double] = []

    init() {}

    init(_ variances: [Double]) { self.variances = variances }

    /// The variance on a device.
    subscript(device: Int) -> Double { device < variances.count ? variances[device] : Self.initial }

    /// Takes note of an error.
    ///
    /// - Parameter explained: the part of the squared error to be expected from not knowing θ and the bias.
    mutating func learn(_ error: Double, explained: Double, device: Int) {
        while variances.count <= device { variances.append(Self.initial) }
        let old = variances[device]
        // What is beyond the clip is a change or an accident; taken for noise, it would slow down the learning of it.
        // Where all the noise is larger than believed, the errors within the clip are, too.
        guard error * error <= Self.clip * Self.clip * (old + explained) else { return }
        let updated = old + Self.gain * (error * error - explained - old)
        variances[device] = min(max(updated, Self.range.lowerBound), Self.range.upperBound)
    }

    /// An error, at most ``clip`` standard deviations long.
    func clipped(_ error: Double, device: Int) -> Double {
        let longest = Self.clip * self[device].squareRoot()
        return min(max(error, -longest), longest)
    }
}
