// SPDX-License-Identifier: Apache-2.0

/// The profiles of all models, ready to be asked: times and demands interpolated over rows, scaled over shapes.
package struct ProfileTable: Sendable {
    private var profiles: [ModelProfile?] = []
    private var maximumBatches: [Int] = []

    package init() {}

    /// Takes note of a model, with its profile if it has one. Its curves are put in order and made monotone: a larger
    /// batch never takes less time.
    mutating func add(_ profile: ModelProfile?, maximumBatch: Int) {
        profiles.append(profile.flatMap(Self.tidy))
        maximumBatches.append(maximumBatch)
    }

    /// Takes note of another model in the place of one that was removed.
    mutating func replace(_ model: ModelID, by profile: ModelProfile?, maximumBatch: Int) {
        profiles[model.index] = profile.flatMap(Self.tidy)
        maximumBatches[model.index] = maximumBatch
    }

    /// The profile of a model; nil where it has none.
    package func profile(of model: ModelID) -> ModelProfile? { profiles[model.index] }

    /// Whether a model was profiled with rows of this very size, so that its times are measured and not scaled.
    package func hasCurve(for work: WorkShape) -> Bool { curve(for: work)?.bucket == work.bucket }

    /// How long the kernels of a batch take alone, as profiled; nil where nothing was.
    ///
    /// - Complexity: O(points of the curve).
    package func kernelTime(_ work: WorkShape, rows: Int) -> Duration? {
        guard let curve = curve(for: work) else { return nil }
        let scale = Self.scale(from: curve.bucket, to: work.bucket)
        let time = Self.interpolate(curve.points, rows: rows) { Double($0.kernelTime.nanoseconds) }
        return Duration(clamping: max(1, time * scale))
    }

    /// What a batch needs of the shared resources: as profiled, or the defaults of design §5 where that was not done.
    ///
    /// - Parameter lanes: of the device; a device that does not copy is taken to be as many cores.
    package func demand(_ work: WorkShape, rows: Int, on device: DeviceDescription) -> Demand {
        if let curve = curve(for: work), curve.points.allSatisfy({ $0.demand != nil }) {
            return Demand(
                compute: Self.interpolate(curve.points, rows: rows) { $0.demand?.compute ?? 0 },
                bandwidth: Self.interpolate(curve.points, rows: rows) { $0.demand?.bandwidth ?? 0 },
                cache: Self.interpolate(curve.points, rows: rows) { $0.demand?.cache ?? 0 })
        }
        guard device.copying != nil else {
            return Demand(compute: 1 / Double(device.lanes), bandwidth: 0, cache: 0)
        }
        let filled = min(1, Double(rows) / Double(maximumBatches[work.model.index]))
        return Demand(compute: 0.5 + 0.5 * filled, bandwidth: 0.4, cache: 0.3)
    }

    /// Whether a model's demands were measured.
    package func isDemandMeasured(_ model: ModelID) -> Bool {
        profiles[model.index]?.curves.contains { $0.points.contains { $0.demand != nil } } ?? false
    }

    /// Bytes that a batch copies to the device and back.
    package func bytes(_ model: ModelID, rows: Int) -> (copyIn: Int, copyOut: Int) {
        guard let profile = profiles[model.index] else { return (0, 0) }
        return (profile.bytesInPerRow * rows, profile.bytesOutPerRow * rows)
    }

    // -- curves ---------------------------------------------------------------------------------------------------

    private static func tidy(_ profile: ModelProfile) -> ModelProfile? {
        var profile = profile
        profile.curves = profile.curves.compactMap { curve in
            var curve = curve
            curve.points = curve.points.filter { $0.rows > 0 && $0.kernelTime > .zero }
            curve.points.sort { $0.rows < $1.rows }
            var longest = Duration.zero
            for index in curve.points.indices {
                longest = max(longest, curve.points[index].kernelTime)
                curve.points[index].kernelTime = longest
            }
            return curve.points.isEmpty ? nil : curve
        }
        return profile.curves.isEmpty ? nil : profile
    }

    /// The curve of the size of row that is nearest.
    private func curve(for work: WorkShape) -> ModelProfile.Curve? {
        profiles[work.model.index]?.curves.min {
            abs(Int($0.bucket) - Int(work.bucket)) < abs(Int($1.bucket) - Int(work.bucket))
        }
    }

    private static func scale(from bucket: UInt8, to other: UInt8) -> Double {
        Double(sign: .plus, exponent: Int(other) - Int(bucket), significand: 1)
    }

    /// Linear between points, in proportion below the first, along the last two beyond the last.
    private static func interpolate(
        _ points: [ModelProfile.Point], rows: Int, _ value: (ModelProfile.Point) -> Double
    ) -> Double {
        guard let upper = points.firstIndex(where: { $0.rows >= rows }) else {
            guard points.count > 1 else { return value(points[0]) * Double(rows) / Double(points[0].rows) }
            return line(points[points.count - 2], points[points.count - 1], rows, value)
        }
        if points[upper].rows == rows || upper == 0 { return value(points[upper]) }
        return line(points[upper - 1], points[upper], rows, value)
    }

    private static func line(
        _ left: ModelProfile.Point, _ right: ModelProfile.Point, _ rows: Int, _ value: (ModelProfile.Point) -> Double
    ) -> Double {
        let slope = (value(right) - value(left)) / Double(right.rows - left.rows)
        return max(0, value(left) + slope * Double(rows - left.rows))
    }
}
