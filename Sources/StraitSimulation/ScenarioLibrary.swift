// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import VirtualAccelerator

/// The scenarios that have names.
package enum ScenarioLibrary {
    /// Their names.
    package static let names = ["centre"]

    /// The scenario of a name.
    ///
    /// - Throws: `unknownScenario` if there is none.
    package static func scenario(named name: String) throws(SimulationError) -> Scenario {
        switch name {
        case "centre": return centre
        default:
            throw SimulationError(
                .unknownScenario, "There is no scenario \(name); the library has \(names.joined(separator: ", ")).")
        }
    }

    /// One device like an L4, six models with equal shares of its time, deadlines of three solo times.
    ///
    /// Times and bytes are of the right order, not measured. So are demands: convolutions ask for bandwidth,
    /// transformers for compute.
    package static var centre: Scenario {
        var detector = model(
            "detector-640", base: 2.0, perRow: 2.6, maximum: 8, bytesIn: 4_900_000, bytesOut: 2_100_000,
            demand: (0.95, 0.70, 0.45), sensitivity: 0.40, seed: 6)
        detector.kernels.isPinned = false
        detector.referenceRows = 4
        return Scenario(
            name: "centre",
            models: [
                model(
                    "resnet-50", base: 0.75, perRow: 0.28, bytesIn: 600_000, demand: (0.85, 0.75, 0.40),
                    sensitivity: 0.45, seed: 1),
                model(
                    "densenet-121", base: 1.9, perRow: 0.42, bytesIn: 600_000, demand: (0.75, 0.85, 0.45),
                    sensitivity: 0.50, seed: 2),
                model(
                    "inception-v3", base: 1.6, perRow: 0.45, bytesIn: 1_100_000, demand: (0.80, 0.70, 0.40),
                    sensitivity: 0.40, seed: 3),
                model(
                    "vit-b-16", base: 1.2, perRow: 1.05, bytesIn: 600_000, demand: (1.00, 0.45, 0.35),
                    sensitivity: 0.30, seed: 4),
                model(
                    "bert-base", base: 1.1, perRow: 0.45, bytesIn: 1_500, demand: (0.95, 0.40, 0.30),
                    sensitivity: 0.30, seed: 5),
                detector,
            ])
    }

    /// A model with times in milliseconds; its answer is a thousand numbers unless said otherwise.
    private static func model(
        _ name: String, base: Double, perRow: Double, maximum: Int = 32, bytesIn: Int, bytesOut: Int = 4_000,
        demand: (compute: Double, bandwidth: Double, cache: Double), sensitivity: Double, seed: UInt64
    ) -> SimulatedModel {
        SimulatedModel(
            KernelModel(
                name: name, baseTime: Duration.milliseconds(base).nanoseconds,
                timePerRow: Duration.milliseconds(perRow).nanoseconds, maximumRows: maximum, bytesInPerRow: bytesIn,
                bytesOutPerRow: bytesOut,
                demand: ResourceDemand(compute: demand.compute, bandwidth: demand.bandwidth, cache: demand.cache),
                cacheSensitivity: sensitivity, seed: seed),
            referenceRows: 8)
    }
}
