// SPDX-License-Identifier: Apache-2.0

/// What `strait profile` measured of a model on a kind of device: how long its batches take alone, and what they need
/// of what co-runners share (design §5).
public struct ModelProfile: Sendable, Hashable {
    /// Curves for the sizes of row that were measured, by ``WorkShape/bucket``; any other is scaled from the nearest.
    public var curves: [Curve]
    /// Bytes copied to the device for each row.
    public var bytesInPerRow: Int
    /// Bytes copied back for each row.
    public var bytesOutPerRow: Int

    /// A profile.
    public init(curves: [Curve], bytesInPerRow: Int = 0, bytesOutPerRow: Int = 0) {
        self.curves = curves
        self.bytesInPerRow = bytesInPerRow
        self.bytesOutPerRow = bytesOutPerRow
    }

    /// What was measured for one size of row.
    public struct Curve: Sendable, Hashable {
        /// The size of row, as ``WorkShape/bucket``.
        public var bucket: UInt8
        /// The batch sizes that were measured, ascending by rows.
        public var points: [Point]

        /// A curve.
        public init(bucket: UInt8, points: [Point]) {
            self.bucket = bucket
            self.points = points
        }
    }

    /// What was measured for one batch size.
    public struct Point: Sendable, Hashable {
        /// Rows in the batch.
        public var rows: Int
        /// How long its kernels take alone.
        public var kernelTime: Duration
        /// What it needs of the device's shared resources; nil where that was not measured.
        public var demand: Demand?

        /// A point.
        public init(rows: Int, kernelTime: Duration, demand: Demand? = nil) {
            self.rows = rows
            self.kernelTime = kernelTime
            self.demand = demand
        }
    }
}

/// What a batch needs of what a device's co-runners share, each as a share of all there is, 0…1.
public struct Demand: Sendable, Hashable {
    /// Compute units.
    public var compute: Double
    /// Memory bandwidth.
    public var bandwidth: Double
    /// Cache.
    public var cache: Double

    /// A demand.
    public init(compute: Double, bandwidth: Double, cache: Double) {
        self.compute = compute
        self.bandwidth = bandwidth
        self.cache = cache
    }
}
