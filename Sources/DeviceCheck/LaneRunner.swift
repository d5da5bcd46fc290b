// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitPlatform
internal import Synchronization

/// Runs batches on a device's lanes without a scheduler: one and its result, or the same again and again.
final class LaneRunner: LaneDriver {
    /// What a lane is doing.
    private struct Lane {
        var batch: DeviceBatch?
        /// Runs that are still to be done; nil for as many as come.
        var left: Int?
        var times: [MeasuredTimes] = []
        var result: Result<BatchResult, DeviceError>?
        var isStopping = false
    }

    private let device: any Device
    private let lanes: Mutex<[Lane]>
    private let ended: [Wakeup]

    /// Takes a device that was not started over.
    init(_ device: any Device) {
        self.device = device
        lanes = Mutex([Lane](repeating: Lane(), count: device.laneCount))
        ended = (0..<device.laneCount).map { _ in Wakeup() }
        device.start(driver: self)
    }

    func stop() { device.stop() }

    /// Runs a batch and waits for its result.
    ///
    /// - Throws: what the device reports.
    func once(_ batch: DeviceBatch) throws -> BatchResult {
        _ = try times(of: batch, runs: 1)
        guard case .success(let result) = lanes.withLock({ $0[batch.lane.index].result }) else {
            throw CheckFailure("a batch left no result")
        }
        return result
    }

    /// Runs a batch so many times.
    ///
    /// - Throws: what the device reports.
    func times(of batch: DeviceBatch, runs: Int) throws -> [MeasuredTimes] {
        begin(batch, runs: runs)
        return try finish(batch.lane)
    }

    /// Runs a batch again and again until ``finish(_:)``, or so many times.
    func begin(_ batch: DeviceBatch, runs: Int? = nil) {
        lanes.withLock { $0[batch.lane.index] = Lane(batch: batch, left: runs.map { $0 - 1 }) }
        device.run(batch, on: batch.lane)
    }

    /// Lets a lane end what it runs, and waits for that.
    ///
    /// - Returns: the times of all its runs, in order.
    /// - Throws: what the device reports.
    @discardableResult
    func finish(_ lane: LaneID) throws -> [MeasuredTimes] {
        lanes.withLock { lanes in
            if lanes[lane.index].left == nil { lanes[lane.index].isStopping = true }
        }
        ended[lane.index].wait()
        let lane = lanes.withLock { $0[lane.index] }
        if case .failure(let error) = lane.result { throw error }
        return lane.times
    }

    func copiedIn(_ batch: DeviceBatch) {}
    func kernelsDone(_ batch: DeviceBatch) {}
    func deviceLost(_ device: any Device, _ reason: DeviceError) {}

    func laneFinished(_ batch: DeviceBatch, _ result: Result<BatchResult, DeviceError>) -> DeviceBatch? {
        let index = batch.lane.index
        let next = lanes.withLock { lanes -> DeviceBatch? in
            lanes[index].result = result
            guard case .success(let success) = result else { return nil }
            lanes[index].times.append(success.times)
            guard let batch = lanes[index].batch, !lanes[index].isStopping, lanes[index].left != 0 else { return nil }
            lanes[index].left = lanes[index].left.map { $0 - 1 }
            return batch
        }
        guard let next else {
            ended[index].signal()
            return nil
        }
        // A device that copies takes its batches by `run` alone.
        guard device.copying == nil else {
            device.run(next, on: next.lane)
            return nil
        }
        return next
    }
}

/// Times of many runs in a few numbers, in milliseconds.
struct TimeSummary {
    let count: Int
    let median, p95, smallest: Double

    init(_ durations: [Duration]) {
        let sorted = durations.map { Double($0.nanoseconds) / 1e6 }.sorted()
        count = sorted.count
        func quantile(_ share: Double) -> Double {
            sorted.isEmpty ? .nan : sorted[min(sorted.count - 1, Int(share * Double(sorted.count)))]
        }
        (median, p95, smallest) = (quantile(0.5), quantile(0.95), sorted.first ?? .nan)
    }
}

extension LaneRunner {
    /// Runs a batch for about so long, ten times at least.
    ///
    /// - Throws: what the device reports.
    func times(of batch: DeviceBatch, seconds: Double) throws -> [MeasuredTimes] {
        let start = MonotonicClock.nanoseconds()
        _ = try times(of: batch, runs: 2)
        let each = Double(MonotonicClock.nanoseconds() - start) / 2e9
        let runs = Int(min(2000, max(10, seconds / max(each, 1e-6))))
        return try times(of: batch, runs: runs)
    }
}
