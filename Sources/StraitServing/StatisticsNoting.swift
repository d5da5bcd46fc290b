// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitProtocol

extension ModelStatistics {
    /// Takes note of a batch that ran: its parts as each of its requests saw them.
    mutating func note(_ batch: DeviceBatch, _ times: MeasuredTimes) {
        let requests = UInt64(batch.parts.count)
        let rows = batch.rows
        executionCount &+= 1
        inferenceCount &+= UInt64(rows)
        computeInput.add(times.copyIn, count: requests)
        computeInfer.add(times.kernels, count: requests)
        computeOutput.add(times.copyOut, count: requests)
        let index = batches.firstIndex { $0.size >= rows } ?? batches.count
        if index == batches.count || batches[index].size != rows { batches.insert(Batch(size: rows), at: index) }
        batches[index].computeInput.add(times.copyIn)
        batches[index].computeInfer.add(times.kernels)
        batches[index].computeOutput.add(times.copyOut)
    }

    /// Takes note of a request's end.
    mutating func note(_ reply: Reply, arrived: Instant, now: Instant, calendarMilliseconds: UInt64) {
        lastInference = calendarMilliseconds
        switch reply {
        case .answered(let answer):
            success.add(now - arrived)
            queue.add(answer.timing.queue)
        case .refused:
            fail.add(now - arrived)
        }
    }
}

extension ModelStatistics.Duration {
    /// Adds `count` events of one duration each.
    mutating func add(_ duration: StraitCore.Duration, count: UInt64 = 1) {
        add(nanoseconds: UInt64(max(0, duration.nanoseconds)) &* count, count: count)
    }
}
