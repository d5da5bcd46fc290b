// SPDX-License-Identifier: Apache-2.0

/// How fast each of several devices is, as factors g on the profile's times with a mean of 1 (design §5): a device with
/// g = 1.1 takes 10 % longer. The mean is held at 1 because whatever all devices share is a bias of the models.
package struct DeviceSpeeds: Sendable, Hashable {
    /// The weight of a new sample: a memory of 100 batches, slower than the biases, so that they do not chase each other.
    private static let gain = 0.01
    /// A sample counts as at most this far from its prediction, as a factor either way: one hiccup is no slow device.
    private static let clip = 2.0
    /// What a factor may be; a device that differs more from the others has no business sharing their profile.
    package static let range = 0.2...5.0

    /// The factors, by device.
    package private(set) var factors: [Double]

    /// Devices that are equally fast.
    package init(devices: Int = 0) { factors = Array(repeating: 1, count: devices) }

    /// Devices with factors that were learned before.
    init(factors: [Double]) { self.factors = factors }

    /// The factor of a device, 1 for one that was never seen.
    package subscript(device: Int) -> Double { device < factors.count ? factors[device] : 1 }

    /// Takes note of a device.
    package mutating func add() { factors.append(1) }

    /// Learns from a completion: D over its fitted value, g included. What is not a positive number is ignored, and with
    /// one device there is nothing to learn.
    ///
    /// - Complexity: O(devices).
    package mutating func learn(_ ratio: Double, device: Int) {
        guard factors.count > 1, factors.indices.contains(device), ratio > 0, ratio.isFinite else { return }
        let believed = min(max(ratio, 1 / Self.clip), Self.clip)
        factors[device] *= 1 + Self.gain * (believed - 1)
        var sum = 0.0
        for factor in factors { sum += factor }
        let mean = sum / Double(factors.count)
        for index in factors.indices {
            factors[index] = min(max(factors[index] / mean, Self.range.lowerBound), Self.range.upperBound)
        }
    }
}
