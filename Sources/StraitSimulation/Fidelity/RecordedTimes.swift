// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats

/// How long the batches of a recording took, beside what the profiles say, and how fast the machine was meanwhile.
struct RecordedTimes: Sendable {
    /// A batch that ran to its end.
    private struct Run: Sendable {
        let model: Int
        let rows: Int
        /// The middle of its kernels.
        let at: Instant
        /// How long its kernels took, in nanoseconds.
        let kernels: Double
    }

    /// Kernel times by the profiles, in nanoseconds, by model and rows − 1.
    let profiled: [[Double]]
    /// Nanoseconds of a batch on its lane before and after its kernels.
    private(set) var overhead: Int64 = 0
    private var runs: [Run] = []

    /// How long the machine's speed is taken to stay the same: some twenty batches of a model server.
    private static let window = Duration.milliseconds(500)
    /// Rounds after which times and speeds agree with each other.
    private static let rounds = 10
    /// Batches of a size from which on their mean is believed; of fewer, the profile in proportion.
    private static let enough = 5

    init(_ recording: Recording, profiled: [[Double]]) {
        self.profiled = profiled
        var overheads: [Int64] = []
        for batch in recording.batches where batch.end == .finished {
            guard let start = batch.copiedInAt, let end = batch.kernelsDoneAt, end > start else { continue }
            runs.append(
                Run(
                    model: batch.model, rows: batch.rows, at: start + (end - start) * 0.5,
                    kernels: Double((end - start).nanoseconds)))
            overheads.append((start - batch.stagedAt).nanoseconds + (batch.endedAt - end).nanoseconds)
        }
        overhead = overheads.sorted().dropFirst(overheads.count / 2).first ?? 0
    }

    private func profiled(_ run: Run) -> Double { profiled[run.model][run.rows - 1] }

    /// How far batches of one size differ from each other: factors on the profiled times, with a median of 1 for each
    /// model. What a profile is off on the whole is not in them.
    var spread: [Double] {
        var factors: [Double] = []
        for model in profiled.indices {
            let ratios = runs.filter { $0.model == model }.map { $0.kernels / profiled($0) }.sorted()
            guard let median = ratios.dropFirst(ratios.count / 2).first else { continue }
            factors += ratios.map { $0 / median }
        }
        return factors
    }

    /// What was measured, all of it.
    struct Measured: Sendable {
        /// Kernel times at the machine's usual speed, in nanoseconds, by model and rows − 1.
        var times: [[Double]]
        /// The machine's speed from each instant on, relative to its usual one.
        var speeds: [(from: Instant, factor: Double)]
        /// What is left: factors of mean 1.
        var factors: [Double]
    }

    /// Times by model and rows, the machine's speed over time, and what is left to chance.
    ///
    /// - Parameter followingSpeed: whether the machine's speed is followed; else it is the same all the time.
    func measured(followingSpeed: Bool) -> Measured {
        guard let first = runs.map(\.at).min() else { return Measured(times: profiled, speeds: [], factors: []) }
        func place(_ run: Run) -> Int { Int((run.at - first).nanoseconds / Self.window.nanoseconds) }
        let windows = 1 + (runs.map(place).max() ?? 0)
        var speeds = [Double](repeating: 1, count: windows)
        var times = profiled
        // Times depend on the speed they are measured at, and the speed on the times.
        for _ in 0..<Self.rounds {
            times = levels(speeds: runs.map { speeds[place($0)] })
            guard followingSpeed else { break }
            var (expected, taken) = ([Double](repeating: 0, count: windows), [Double](repeating: 0, count: windows))
            for run in runs {
                expected[place(run)] += times[run.model][run.rows - 1]
                taken[place(run)] += run.kernels
            }
            for index in speeds.indices {
                // Where nothing ran, as before.
                speeds[index] = taken[index] > 0 ? expected[index] / taken[index] : index > 0 ? speeds[index - 1] : 1
            }
        }
        let left = runs.map { $0.kernels * speeds[place($0)] / times[$0.model][$0.rows - 1] }
        let mean = left.reduce(0, +) / Double(left.count)
        return Measured(
            times: times,
            speeds: !followingSpeed
                ? [] : speeds.enumerated().map { (first + Self.window * Double($0.offset), $0.element) },
            factors: left.map { $0 / mean })
    }

    /// Mean times at speed 1, each run brought to it by the speed at which it ran.
    private func levels(speeds: [Double]) -> [[Double]] {
        var sums = profiled.map { $0.map { _ in (taken: 0.0, count: 0) } }
        var ratios = profiled.map { _ in (taken: 0.0, profiled: 0.0) }
        for (run, speed) in zip(runs, speeds) {
            sums[run.model][run.rows - 1].taken += run.kernels * speed
            sums[run.model][run.rows - 1].count += 1
            ratios[run.model].taken += run.kernels * speed
            ratios[run.model].profiled += profiled(run)
        }
        let taken = ratios.reduce(0) { $0 + $1.taken }
        let overall = taken / max(1, ratios.reduce(0) { $0 + $1.profiled })
        return profiled.indices.map { model in
            let ratio = ratios[model].profiled > 0 ? ratios[model].taken / ratios[model].profiled : overall
            return profiled[model].indices.map { index in
                let sum = sums[model][index]
                return sum.count >= Self.enough ? sum.taken / Double(sum.count) : profiled[model][index] * ratio
            }
        }
    }
}
