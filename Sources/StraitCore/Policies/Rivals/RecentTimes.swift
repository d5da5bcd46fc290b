// SPDX-License-Identifier: Apache-2.0

/// Estimates by model and batch size: the longest of the last ten measurements, as in Clockwork (OSDI'20).
struct RecentTimes: Sendable {
    /// What a batch takes.
    struct Estimate {
        /// Until its kernels are done.
        var untilKernelsDone: Duration
        /// Until its results are there.
        var total: Duration
    }

    private struct Window {
        var untilKernelsDone: [Duration] = []
        var totals: [Duration] = []
        var next = 0

        mutating func add(_ kernels: Duration, _ total: Duration) {
            guard totals.count == RecentTimes.length else {
                untilKernelsDone.append(kernels)
                totals.append(total)
                return
            }
            untilKernelsDone[next] = kernels
            totals[next] = total
            next = (next + 1) % RecentTimes.length
        }
    }

    private struct Key: Hashable {
        var model: Int
        var bucket: Int
        var exponent: Int
    }

    private var windows: [Key: Window] = [:]
    /// How many measurements count, as in the source.
    private static let length = 10

    /// What a batch is expected to take: what was known of it beforehand until one of its size was measured.
    ///
    /// - Complexity: O(1).
    func estimate(_ work: WorkShape, rows: Int, on device: DeviceID, _ state: SchedulerState) -> Estimate {
        if let window = windows[Self.key(work, rows)], let kernels = window.untilKernelsDone.max(),
            let total = window.totals.max()
        {
            return Estimate(untilKernelsDone: kernels, total: total)
        }
        let total = state.estimator.leastTime(work, rows: rows)
        let copyOut = Duration(clamping: state.copyOutTime(work.model, rows: rows, on: device))
        return Estimate(untilKernelsDone: total - copyOut, total: total)
    }

    /// Takes note of a batch that is done. One sent to find out how long its model takes replaces what was known.
    ///
    /// - Parameter longest: what a measurement counts as at most.
    mutating func note(_ batch: BatchRecord, _ times: MeasuredTimes, atMost longest: Duration) {
        let key = Self.key(batch.work, batch.rows)
        if batch.isProbe { windows[key] = nil }
        windows[key, default: Window()].add(min(times.copyIn + times.kernels, longest), min(times.total, longest))
    }

    /// Forgets a model.
    ///
    /// - Complexity: O(sizes measured).
    mutating func forget(_ model: ModelID) { windows = windows.filter { $0.key.model != model.index } }

    /// A size that is not a power of two counts as the next larger one.
    private static func key(_ work: WorkShape, _ rows: Int) -> Key {
        let exponent = rows > 1 ? Int.bitWidth - (rows - 1).leadingZeroBitCount : 0
        return Key(model: work.model.index, bucket: Int(work.bucket), exponent: exponent)
    }
}
