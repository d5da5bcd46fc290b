// SPDX-License-Identifier: Apache-2.0

/// All that a scheduler has learned and that is worth keeping when its process ends: how devices share, how fast they and
/// their copies are, how long models take, and how far predictions are to be believed.
///
/// A plain value: ``Scheduler/learned`` takes it, ``Scheduler/restore(_:)`` puts it back. What traffic looked like lately,
/// and what waits or runs, is not part of it.
public struct LearnedState: Sendable, Hashable {
    /// What interference was learned with. Another estimator cannot take it up.
    public var estimator: EstimatorName
    /// Slow-down per unit of each feature; lane 7 is 0.
    public var theta: SIMD8<Double>
    /// How well that is known, as ``InterferenceState/matrix``.
    public var matrix: [SIMD8<Double>]
    /// What goes with it, as ``InterferenceState/rightSide``.
    public var rightSide: SIMD8<Double>
    /// What is known of each device, by ``DeviceID``.
    public var devices: [Device]
    /// How far reality strays from predictions, for each class by its raw value.
    public var classes: [Quantiles]
    /// What is known of each model, by ``ModelID``. Drivers that number models anew put these in their new order.
    public var models: [Model]

    /// A state; without arguments but the estimator, what is believed before anything was learned.
    public init(
        estimator: EstimatorName, theta: SIMD8<Double> = InterferenceState.priorTheta, matrix: [SIMD8<Double>] = [],
        rightSide: SIMD8<Double> = SIMD8(), devices: [Device] = [],
        classes: [Quantiles] = RequestClass.allCases.map { _ in Quantiles() }, models: [Model] = []
    ) {
        self.estimator = estimator
        self.theta = theta
        self.matrix = matrix
        self.rightSide = rightSide
        self.devices = devices
        self.classes = classes
        self.models = models
    }

    /// What is known of a device.
    public struct Device: Sendable, Hashable {
        /// How much longer kernels take on it than on all devices' mean.
        public var speed: Double
        /// The variance of kernel times on it that nothing explains.
        public var noise: Double
        /// How it copies from the host; nil for a device that does not copy.
        public var copyIn: CopyLine?
        /// How it copies back.
        public var copyOut: CopyLine?

        /// A device.
        public init(speed: Double, noise: Double, copyIn: CopyLine? = nil, copyOut: CopyLine? = nil) {
            self.speed = speed
            self.noise = noise
            self.copyIn = copyIn
            self.copyOut = copyOut
        }
    }

    /// A line through copies' sizes and times, as the fading sums that it is fitted to.
    public struct CopyLine: Sendable, Hashable {
        /// Copies, as far as they still count.
        public var weight: Double
        /// The sum of their bytes.
        public var bytes: Double
        /// The sum of their times, nanoseconds.
        public var time: Double
        /// The sum of the squares of their bytes.
        public var bytesSquared: Double
        /// The sum of bytes times time.
        public var bytesTime: Double

        /// A line.
        public init(weight: Double, bytes: Double, time: Double, bytesSquared: Double, bytesTime: Double) {
            self.weight = weight
            self.bytes = bytes
            self.time = time
            self.bytesSquared = bytesSquared
            self.bytesTime = bytesTime
        }
    }

    /// Quantiles of actual over predicted durations.
    public struct Quantiles: Sendable, Hashable {
        /// Half of all durations are below this times their prediction.
        public var median: Double
        /// 95 of 100 are.
        public var q95: Double
        /// 99 of 100 are.
        public var q99: Double

        /// Quantiles; by default those that learning starts from.
        public init(median: Double = 1, q95: Double = 1.3, q99: Double = 1.6) {
            self.median = median
            self.q95 = q95
            self.q99 = q99
        }
    }

    /// What is known of a model; without arguments, nothing.
    public struct Model: Sendable, Hashable {
        /// How its kernels stray from their profile as a whole; nil before its first completion.
        public var interference: InterferenceState.Model?
        /// How much longer its batches take than predicted, in the median, as a factor on its work.
        public var pace: Double
        /// How long its batches take, for each size of row; the one that was learned from last comes last.
        public var solo: [SoloCurve]
        /// Where its profile is wrong at single sizes.
        public var corrections: [Correction]
        /// How its copies compare to other models', for each device; empty where no device copies.
        public var copies: [CopyFactors]

        /// A model.
        public init(
            interference: InterferenceState.Model? = nil, pace: Double = 1, solo: [SoloCurve] = [],
            corrections: [Correction] = [],
            copies: [CopyFactors] = []
        ) {
            self.interference = interference
            self.pace = pace
            self.solo = solo
            self.corrections = corrections
            self.copies = copies
        }
    }

    /// How long a model's batches take with one size of row.
    public struct SoloCurve: Sendable, Hashable {
        /// The size of row, as ``WorkShape/bucket``.
        public var bucket: UInt8
        /// For 1, 2, 4, … rows.
        public var cells: [SoloCell]

        /// A curve.
        public init(bucket: UInt8, cells: [SoloCell]) {
            self.bucket = bucket
            self.cells = cells
        }
    }

    /// How long a model's batches of one size take.
    public struct SoloCell: Sendable, Hashable {
        /// The mean of their times, nanoseconds; 0 without any.
        public var mean: Double
        /// Batches that it was learned from.
        public var samples: Int

        /// A cell; without arguments, nothing learned.
        public init(mean: Double = 0, samples: Int = 0) {
            self.mean = mean
            self.samples = samples
        }
    }

    /// How a profile's time at one size is corrected.
    public struct Correction: Sendable, Hashable {
        /// The size of row, as ``WorkShape/bucket``.
        public var bucket: UInt8
        /// The binary logarithm of the rows.
        public var exponent: UInt8
        /// What the profile's time is multiplied by.
        public var factor: Double
        /// The mean of actual over predicted time, less 1, since the factor last moved.
        public var residual: Double
        /// Completions in that mean.
        public var samples: Int
        /// Whether its time is a measurement, of the profile or of completions, rather than scaled from another size.
        public var isBelieved: Bool

        /// A correction; at first none.
        public init(
            bucket: UInt8, exponent: UInt8, factor: Double = 1, residual: Double = 0, samples: Int = 0, isBelieved: Bool
        ) {
            self.bucket = bucket
            self.exponent = exponent
            self.factor = factor
            self.residual = residual
            self.samples = samples
            self.isBelieved = isBelieved
        }
    }

    /// How a model's copies on one device compare to the device's lines.
    public struct CopyFactors: Sendable, Hashable {
        /// From the host.
        public var copyIn: Double
        /// Back to it.
        public var copyOut: Double

        /// Factors; by default like everybody's.
        public init(copyIn: Double = 1, copyOut: Double = 1) {
            self.copyIn = copyIn
            self.copyOut = copyOut
        }
    }
}
