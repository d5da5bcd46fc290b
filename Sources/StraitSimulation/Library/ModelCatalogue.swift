// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import VirtualAccelerator

/// The models of the library as a device like an L4 runs them. Times and bytes are of the right order, not measured. So
/// are demands: convolutions ask for bandwidth, transformers for compute.
enum ModelCatalogue {
    static let resNet50 = model(
        "resnet-50", base: 0.75, perRow: 0.28, bytesIn: image, demand: (0.85, 0.75, 0.40), sensitivity: 0.45, seed: 1)
    static let denseNet121 = model(
        "densenet-121", base: 1.9, perRow: 0.42, bytesIn: image, demand: (0.75, 0.85, 0.45), sensitivity: 0.50, seed: 2)
    static let inceptionV3 = model(
        "inception-v3", base: 1.6, perRow: 0.45, bytesIn: 1_100_000, demand: (0.80, 0.70, 0.40), sensitivity: 0.40,
        seed: 3)
    static let vitB16 = model(
        "vit-b-16", base: 1.2, perRow: 1.05, bytesIn: image, demand: (1.00, 0.45, 0.35), sensitivity: 0.30, seed: 4)
    static let bertBase = model(
        "bert-base", base: 1.1, perRow: 0.45, bytesIn: tokens, demand: (0.95, 0.40, 0.30), sensitivity: 0.30, seed: 5)
    static let detector640: SimulatedModel = {
        var detector = model(
            "detector-640", base: 2.0, perRow: 2.6, maximum: 8, bytesIn: 4_900_000, bytesOut: 2_100_000,
            demand: (0.95, 0.70, 0.45), sensitivity: 0.40, seed: 6)
        detector.kernels.isPinned = false
        detector.referenceRows = 4
        return detector
    }()

    /// The models of centre.
    static let six = [resNet50, denseNet121, inceptionV3, vitB16, bertBase, detector640]

    static let resNet18 = model(
        "resnet-18", base: 0.35, perRow: 0.12, bytesIn: image, demand: (0.70, 0.70, 0.35), sensitivity: 0.40, seed: 7)
    static let resNet152 = model(
        "resnet-152", base: 2.2, perRow: 0.75, bytesIn: image, demand: (0.90, 0.75, 0.45), sensitivity: 0.45, seed: 8)
    static let vgg16 = model(
        "vgg-16", base: 0.8, perRow: 0.85, bytesIn: image, demand: (0.95, 0.80, 0.45), sensitivity: 0.35, seed: 9)
    static let mobileNetV2 = model(
        "mobilenet-v2", base: 0.6, perRow: 0.10, bytesIn: image, demand: (0.55, 0.85, 0.35), sensitivity: 0.50, seed: 10
    )
    static let efficientNetB0 = model(
        "efficientnet-b0", base: 1.1, perRow: 0.16, bytesIn: image, demand: (0.60, 0.80, 0.40), sensitivity: 0.50,
        seed: 11)
    static let googLeNet = model(
        "googlenet", base: 0.9, perRow: 0.17, bytesIn: image, demand: (0.70, 0.65, 0.35), sensitivity: 0.40, seed: 12)
    static let vitS16 = model(
        "vit-s-16", base: 0.9, perRow: 0.32, bytesIn: image, demand: (0.85, 0.45, 0.30), sensitivity: 0.30, seed: 13)
    static let distilBERT = model(
        "distilbert", base: 0.6, perRow: 0.23, bytesIn: tokens, demand: (0.90, 0.40, 0.30), sensitivity: 0.30, seed: 14)
    static let bertLarge = model(
        "bert-large", base: 2.2, perRow: 1.5, bytesIn: tokens, demand: (1.00, 0.45, 0.40), sensitivity: 0.35, seed: 15)
    static let speechEncoder = model(
        "speech-encoder", base: 1.5, perRow: 0.9, bytesIn: 320_000, demand: (0.85, 0.50, 0.40), sensitivity: 0.35,
        seed: 16)

    /// All of them, small and large ones mixed: the order is that of how often they are asked in `sixteen`.
    static let sixteen = [
        resNet50, bertBase, mobileNetV2, detector640, vitB16, distilBERT, efficientNetB0, inceptionV3, resNet18,
        bertLarge, denseNet121, googLeNet, vitS16, resNet152, speechEncoder, vgg16,
    ]

    /// Bytes of 224 × 224 pixels of three floats.
    private static let image = 600_000
    /// Bytes of 128 tokens in three whole numbers.
    private static let tokens = 1_500

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
