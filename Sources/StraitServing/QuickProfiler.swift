// SPDX-License-Identifier: Apache-2.0

package import StraitCore
package import StraitDevices
internal import StraitPlatform
package import StraitProtocol
package import StraitTensor

/// Measures in about a second how long a model's batches take, for a server that has no better profile (design §5): alone,
/// on inputs of ones, in batches of 1, 2, 4, … rows. What they demand of shared resources it does not measure.
///
/// It is there so that the first requests meet a prediction and not a guess; what it gets wrong is corrected while serving.
package struct QuickProfiler: Sendable {
    private let pool: SlabPool
    private let clock: any EngineClock

    /// What may be spent on a model. A run that takes longer by itself is the only one.
    private static let budget = Duration.seconds(1)
    /// Timed runs of one size, after one to warm up; the shortest counts, because others on the machine only ever make a
    /// run longer.
    private static let runs = 3
    /// What dimensions that vary are taken to be, besides the batch. The first that the model can run is measured at all
    /// batch sizes, the others at one row as far as time allows, because a sentence of 16 words and one of 256 differ by
    /// more than their length. 48 is for pictures of lines of text, which are that high.
    static let sizes = [64, 256, 16, 512, 48, 1]

    /// A profiler.
    ///
    /// - Parameters:
    ///   - pool: where inputs are put.
    ///   - clock: by which it keeps to its time.
    package init(pool: SlabPool, clock: any EngineClock = SystemClock()) {
        self.pool = pool
        self.clock = clock
    }

    /// A profile, with what to tell people about it.
    package struct Measurement: Sendable {
        /// The times; demands are left open.
        package let profile: ModelProfile
        /// Such as `3.2 ms for 1 row, 21.8 ms for 8`.
        package let words: String
    }

    /// Measures a model on a device whose lanes were not started yet.
    ///
    /// - Throws: why it could not be run: a model may have inputs that ones do not fit. It can be served all the same.
    package func measure(
        _ specification: ModelSpecification, _ loaded: LoadedModel, on device: any Device
    ) throws -> Measurement {
        let end = clock.now() + Self.budget
        let varies = SyntheticInputs.vary(specification, loaded)
        var curves: [ModelProfile.Curve] = []
        var bytesPerRow = 0
        var failure: (any Error)?
        for size in varies ? Self.sizes : Array(Self.sizes.prefix(1)) {
            if !curves.isEmpty, clock.now() >= end { break }
            let rows = curves.isEmpty ? Self.batches(upTo: specification.maxBatchSize) : [1]
            let trial = Trial(specification: specification, loaded: loaded, device: device, size: size, end: end)
            do {
                let curve = try measure(trial, rows)
                if curves.isEmpty { bytesPerRow = curve.bytesPerRow }
                if !curves.contains(where: { $0.bucket == curve.curve.bucket }) { curves.append(curve.curve) }
            } catch {
                failure = failure ?? error
            }
        }
        guard let main = curves.first else { throw failure ?? SyntheticInputs.Refusal(description: "no time for it") }
        let profile = ModelProfile(curves: curves, bytesInPerRow: bytesPerRow)
        return Measurement(profile: profile, words: Self.words(main, sizes: curves.count))
    }

    /// What is measured of one size.
    private struct Trial {
        let specification: ModelSpecification
        let loaded: LoadedModel
        let device: any Device
        let size: Int
        let end: Instant
    }

    /// 1, 2, 4, … and the largest batch itself.
    static func batches(upTo largest: Int) -> [Int] {
        var rows = [1]
        while let last = rows.last, last < largest { rows.append(min(last * 2, largest)) }
        return rows
    }

    private func measure(
        _ trial: Trial, _ batches: [Int]
    ) throws -> (curve: ModelProfile.Curve, bytesPerRow: Int) {
        var points: [ModelProfile.Point] = []
        var bytesPerRow = 0
        var bucket: UInt8 = 0
        for rows in batches {
            // A size that would not be finished is not begun: one run to warm up, one that counts.
            if let last = points.last {
                let expected = last.kernelTime * (Double(rows) / Double(last.rows))
                guard clock.now() + expected * 2 <= trial.end else { break }
            }
            let inputs = try SyntheticInputs(
                trial.specification, trial.loaded, rows: rows, size: trial.size, pool: pool)
            do {
                points.append(ModelProfile.Point(rows: rows, kernelTime: try time(trial, inputs)))
            } catch {
                // One row alone is known, then: better than nothing.
                guard !points.isEmpty else { throw error }
                break
            }
            if rows == 1 {
                let work = WorkShape(model: ModelID(index: 0), elementsPerRow: inputs.elementsPerRow)
                (bucket, bytesPerRow) = (work.bucket, inputs.tensors.reduce(0) { $0 + $1.range.count })
            }
        }
        return (ModelProfile.Curve(bucket: bucket, points: points), bytesPerRow)
    }

    /// The time of a batch's kernels: the shortest of some runs, or of the only one there was time for.
    private func time(_ trial: Trial, _ inputs: SyntheticInputs) throws -> StraitCore.Duration {
        let warmUp = try run(trial, inputs)
        var times: [StraitCore.Duration] = []
        while times.count < Self.runs, clock.now() < trial.end { times.append(try run(trial, inputs)) }
        return max(times.min() ?? warmUp, Self.shortest)
    }

    /// A profile has no times of nothing.
    private static let shortest = StraitCore.Duration(nanoseconds: 1)

    private func run(_ trial: Trial, _ inputs: SyntheticInputs) throws -> StraitCore.Duration {
        let nobody = RequestID(slot: 0, generation: 0)
        let batch = DeviceBatch(
            batch: BatchID(slot: 0, generation: 0), lane: LaneID(index: 0), modelID: ModelID(index: 0),
            model: trial.loaded, isBatchable: trial.specification.isBatchable,
            parts: [DeviceBatch.Part(request: nobody, rows: inputs.rows, inputs: inputs.tensors)])
        return try trial.device.rehearse(batch).kernels
    }

    private static func words(_ curve: ModelProfile.Curve, sizes: Int) -> String {
        func milliseconds(_ point: ModelProfile.Point) -> String {
            let hundredths = (point.kernelTime.nanoseconds + 5000) / 10_000
            return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) ms"
        }
        guard let first = curve.points.first, let last = curve.points.last else { return "nothing" }
        var text = "\(milliseconds(first)) for 1 row"
        if last.rows > 1 { text += ", \(milliseconds(last)) for \(last.rows)" }
        return sizes > 1 ? text + ", \(sizes) sizes of row" : text
    }
}
