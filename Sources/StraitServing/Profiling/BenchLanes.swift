// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitPlatform
internal import StraitTensor
internal import Synchronization

/// Drives a device's lanes for a bench: so many batches one after another, or loops until they are told to end. A lane takes
/// its next batch itself, as it does in a busy server.
final class BenchLanes: LaneDriver {
    /// One batch that a lane has run.
    struct Run: Sendable {
        /// When it ended, in nanoseconds of the monotonic clock.
        let endedAt: Int64
        let times: MeasuredTimes

        /// When it began.
        var beganAt: Int64 { endedAt - times.total.nanoseconds }
    }

    fileprivate struct Lane {
        /// Batches still to be begun; nil for as many as there is time for.
        var left: Int? = 0
        var isBusy = false
        var runs: [Run] = []
        var failure: DeviceError?
        /// Bytes of the results of the last batch.
        var bytesOut = 0
    }

    /// The way to a device that copies: it takes one batch at a time, until that batch's inputs are there.
    private struct CopyStage {
        /// The lane of the batch that is on its way.
        var lane: Int?
        var waiting: [DeviceBatch] = []
    }

    private let lanes: Mutex<[Lane]>
    private let copyStage = Mutex(CopyStage())
    private let device: any Device
    /// Signalled whenever a lane has come to its end, and once by each loop that has run a batch.
    private let wakeup = Wakeup()

    init(_ device: any Device) {
        self.device = device
        lanes = Mutex(Array(repeating: Lane(), count: device.laneCount))
    }

    /// Runs a batch so many times on a lane, and waits for that.
    func run(_ batch: DeviceBatch, times: Int) throws -> (runs: [Run], bytesOut: Int) {
        let index = batch.lane.index
        start(batch, times: times)
        while lanes.withLock({ $0[index].isBusy }) { wakeup.wait() }
        return try lanes.withLock { lanes in
            if let failure = lanes[index].failure { throw failure }
            return (lanes[index].runs, lanes[index].bytesOut)
        }
    }

    /// Begins to run a batch over and over on its lane.
    func startLoop(_ batch: DeviceBatch) { start(batch, times: nil) }

    private func start(_ batch: DeviceBatch, times: Int?) {
        lanes.withLock { lanes in
            precondition(!lanes[batch.lane.index].isBusy, "a lane holds one batch")
            lanes[batch.lane.index] = Lane(left: times.map { $0 - 1 }, isBusy: true)
        }
        hand(batch)
    }

    /// Gives a batch to the device, as soon as that takes one.
    private func hand(_ batch: DeviceBatch) {
        guard device.copying != nil else { return device.run(batch, on: batch.lane) }
        let isFree = copyStage.withLock { stage in
            guard stage.lane == nil else {
                stage.waiting.append(batch)
                return false
            }
            stage.lane = batch.lane.index
            return true
        }
        if isFree { device.run(batch, on: batch.lane) }
    }

    /// The batch on a lane is no longer on its way, whether it came there or not.
    private func leaveCopyStage(_ lane: Int) {
        let next = copyStage.withLock { stage -> DeviceBatch? in
            guard stage.lane == lane else { return nil }
            let next = stage.waiting.isEmpty ? nil : stage.waiting.removeFirst()
            stage.lane = next?.lane.index
            return next
        }
        if let next { device.run(next, on: next.lane) }
    }

    /// The least number of batches that any of the lanes has run so far; nil where one has failed.
    func leastRuns(on indices: Range<Int>) -> Int? {
        lanes.withLock { lanes in
            guard lanes[indices].allSatisfy({ $0.failure == nil }) else { return nil }
            return lanes[indices].map(\.runs.count).min() ?? 0
        }
    }

    /// The least number of batches that any of the lanes has begun and ended since a moment.
    func leastRuns(on indices: Range<Int>, since start: Int64) -> Int {
        lanes.withLock { lanes in
            lanes[indices].map { lane in lane.runs.count { $0.beganAt >= start } }.min() ?? 0
        }
    }

    /// Ends loops, waits for their last batches, and gives what they ran.
    func endLoops(on indices: Range<Int>) throws -> [[Run]] {
        lanes.withLock { lanes in for index in indices { lanes[index].left = 0 } }
        while lanes.withLock({ lanes in lanes[indices].contains(where: \.isBusy) }) { wakeup.wait() }
        return try lanes.withLock { lanes in
            for index in indices { if let failure = lanes[index].failure { throw failure } }
            return lanes[indices].map(\.runs)
        }
    }

    func laneFinished(_ batch: DeviceBatch, _ result: Result<BatchResult, DeviceError>) -> DeviceBatch? {
        let now = MonotonicClock.nanoseconds()
        let (next, tells) = lanes.withLock { lanes -> (DeviceBatch?, Bool) in
            let index = batch.lane.index
            lanes[index].note(result, at: now)
            if lanes[index].failure != nil || lanes[index].left == 0 {
                lanes[index].isBusy = false
                return (nil, true)
            }
            lanes[index].left = lanes[index].left.map { $0 - 1 }
            return (batch, false)
        }
        // What fails on its way is not reported as copied.
        if device.copying != nil { leaveCopyStage(batch.lane.index) }
        if tells { wakeup.signal() }
        guard let next, device.copying != nil else { return next }
        // Such a device is given its batches by `run` alone.
        hand(next)
        return nil
    }

    func copiedIn(_ batch: DeviceBatch) { leaveCopyStage(batch.lane.index) }

    func kernelsDone(_ batch: DeviceBatch) {}

    func deviceLost(_ device: any Device, _ reason: DeviceError) {
        copyStage.withLock { $0 = CopyStage() }
        lanes.withLock { lanes in
            for index in lanes.indices where lanes[index].isBusy {
                lanes[index].isBusy = false
                lanes[index].failure = reason
            }
        }
        wakeup.signal()
    }
}

extension BenchLanes.Lane {
    fileprivate mutating func note(_ result: Result<BatchResult, DeviceError>, at now: Int64) {
        do throws(DeviceError) {
            let result = try result.get()
            // What failed as a whole has no time of its own.
            guard !result.wasSplit else { throw DeviceError(.runFailed, "it cannot run these rows in one batch") }
            runs.append(BenchLanes.Run(endedAt: now, times: result.times))
            guard runs.count == 1 else { return }
            for outputs in result.outputs {
                bytesOut += try outputs.get().reduce(0) { $0 + $1.range.count }
            }
        } catch {
            failure = error
        }
    }
}
