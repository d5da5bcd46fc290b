// SPDX-License-Identifier: Apache-2.0

/// A device that runs the kernels of one batch at a time. With more than one lane the inputs of the next batch are copied
/// in while one runs, so that its kernels start as those of the other end.
struct OneAtATime {
    /// The device that can take a batch first.
    let device: DeviceID
    /// A free lane of it.
    let lane: LaneID
    /// When the kernels that run there are expected to be done.
    let freeAt: Instant

    /// The device whose kernels end first among those with at most one batch on lanes; nil if there is none.
    ///
    /// - Parameter kernelsEnd: when the kernels of a batch on a lane are expected to be done.
    /// - Complexity: O(lanes).
    init?(_ state: SchedulerState, at now: Instant, kernelsEnd: (BatchRecord) -> Instant) {
        var best: (device: DeviceID, lane: LaneID, freeAt: Instant)?
        for index in state.devices.all.indices where state.devices.all[index].isEligible {
            let device = state.devices.all[index]
            guard let lane = device.freeLane, device.lanes.count - device.freeLanes <= 1 else { continue }
            var freeAt = now
            for case let batch? in device.lanes { freeAt = max(now, kernelsEnd(state.batches[live: batch])) }
            if freeAt < best?.freeAt ?? .never { best = (DeviceID(index: index), lane, freeAt) }
        }
        guard let best else { return nil }
        (device, lane, freeAt) = best
    }

    /// When a batch has to leave so that its inputs are there as the device is free; now at the earliest.
    func departure(_ work: WorkShape, rows: Int, _ state: SchedulerState, at now: Instant) -> Instant {
        guard freeAt > now else { return now }
        return max(now, freeAt - Duration(clamping: state.copyInTime(work.model, rows: rows, on: device)))
    }
}

/// The batch sizes that are prepared: powers of two, and the largest.
struct BatchSizes: Sequence, IteratorProtocol {
    private var size: Int? = 1
    private let limit: Int

    init(upTo limit: Int) { self.limit = limit }

    mutating func next() -> Int? {
        guard let size else { return nil }
        self.size = size < limit ? Swift.min(size * 2, limit) : nil
        return size
    }
}
