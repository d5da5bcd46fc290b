// SPDX-License-Identifier: Apache-2.0

package import StraitCore

/// Makes records of what a driver of the scheduler does, in a buffer of bounded length that somebody empties.
///
/// A value, for drivers to keep beside their scheduler. What does not fit is left out and counted. Its memory is taken at
/// the beginning, but for tables as long as the most requests and batches there were at one time.
package struct RecordingTape: Sendable {
    /// What was recorded since the tape was last emptied.
    package private(set) var records: [Recording.Record] = []
    /// Records that were left out.
    package private(set) var dropped = 0

    private let capacity: Int
    /// What is subtracted from the driver's instants.
    private let epoch: Duration
    /// Arrivals and batches that end within are recorded.
    private let window: Range<Instant>
    private var arrivals = 0
    /// The place that the next model gets, and those of models that joined, by the scheduler's numbers.
    private var nextModel: Int
    private var places: [Int: Int] = [:]
    /// The place of the arrival of each request slot; −1 where it was left out.
    private var arrivalOfSlot: [Int] = []
    /// The last batch of each slot that was staged while the tape ran; nil for none.
    private var batchOfSlot: [(id: BatchID, batch: Recording.Batch)?] = []
    /// The record of the batch whose requests are being answered.
    private var ending: Int?

    /// An empty tape.
    ///
    /// - Parameters:
    ///   - capacity: the most records that it holds at a time.
    ///   - epoch: the instant that is recorded as 0.
    ///   - models: how many are in the head.
    ///   - window: requests that come within are recorded, with their answers, and batches that are on a device within.
    package init(
        capacity: Int, epoch: Instant = .zero, models: Int = 0,
        window: Range<Instant> = Instant(nanoseconds: .min) ..< .never
    ) {
        self.capacity = capacity
        self.epoch = epoch - .zero
        self.window = window
        nextModel = models
        records.reserveCapacity(min(capacity, Self.reserved))
    }

    /// Records that there is room for from the beginning: a second of a very busy server.
    private static let reserved = 1 << 16

    /// Takes the records out by exchanging them for an empty array, whose memory is used from now on.
    package mutating func exchange(_ empty: inout [Recording.Record]) {
        precondition(empty.isEmpty, "only an empty array takes the place of what was recorded")
        swap(&records, &empty)
        ending = nil
    }

    /// Whether a record has found room.
    private mutating func append(_ record: Recording.Record) -> Bool {
        guard records.count < capacity else {
            dropped += 1
            return false
        }
        records.append(record)
        return true
    }

    /// An instant of the driver as it is recorded.
    package func relative(_ instant: Instant) -> Instant { instant - epoch }

    // -- models and devices ---------------------------------------------------------------------------------------

    /// The place of a model among those of the head and those that joined.
    package func place(of model: ModelID) -> Int { places[model.index] ?? model.index }

    /// A model joins, perhaps under the number of one that is gone. There is always room for it: others refer to it.
    package mutating func joined(_ id: ModelID, _ model: Recording.Model, at now: Instant) {
        records.append(.model(model, at: relative(now)))
        places[id.index] = nextModel
        nextModel += 1
    }

    /// A device is taken out of service or comes back.
    package mutating func changed(_ device: DeviceID, serves: Bool, at now: Instant) {
        _ = append(
            .device(Recording.DeviceChange(at: relative(now), device: device.index, serves: serves)))
    }

    // -- requests -------------------------------------------------------------------------------------------------

    /// The scheduler is told of a request.
    ///
    /// - Parameter number: what the driver knows it by; 0 for nothing.
    package mutating func arrived(_ request: Request, number: UInt64 = 0, at now: Instant) {
        let slot = Int(request.id.slot)
        while arrivalOfSlot.count <= slot { arrivalOfSlot.append(-1) }
        arrivalOfSlot[slot] = -1
        guard window.contains(now) else { return }
        let isKept = append(
            .arrival(
                Recording.Arrival(
                    at: relative(now), model: place(of: request.work.model), request.requestClass, rows: request.rows,
                    deadline: max(.zero, relative(request.deadline)), bucket: request.work.bucket,
                    shape: request.shape.number, number: number)))
        guard isKept else { return }
        arrivalOfSlot[slot] = arrivals
        arrivals += 1
    }

    /// The scheduler answers a request.
    package mutating func answered(_ id: RequestID, _ outcome: Outcome, at now: Instant) {
        if let ending, case .batch(var batch) = records[ending] {
            if outcome == .met { batch.met += 1 }
            if outcome == .late { batch.late += 1 }
            records[ending] = .batch(batch)
        }
        // Those that came before the tape are not known.
        guard Int(id.slot) < arrivalOfSlot.count, arrivalOfSlot[Int(id.slot)] >= 0 else { return }
        let arrival = arrivalOfSlot[Int(id.slot)]
        arrivalOfSlot[Int(id.slot)] = -1
        _ = append(.answer(Recording.Answer(arrival: arrival, Recording.Ending(outcome), at: relative(now))))
    }

    // -- batches --------------------------------------------------------------------------------------------------

    /// The scheduler stages a batch.
    package mutating func staged(
        _ staged: StagedBatch, _ requestClass: RequestClass, _ calibration: Calibration, at now: Instant
    ) {
        func bound(_ quantile: Double) -> Instant {
            let isPredicted = staged.predictedFinish < .never
            return isPredicted ? relative(now + Calibration.bound(quantile, on: staged.predictedFinish - now)) : .never
        }
        let batch = Recording.Batch(
            device: staged.device.index, lane: staged.lane.index, model: place(of: staged.model), requestClass,
            rows: staged.rows, stagedAt: relative(now), predictedFinish: relative(staged.predictedFinish),
            medianBound: bound(calibration.median), bound95: bound(calibration.q95))
        while batchOfSlot.count <= Int(staged.batch.slot) { batchOfSlot.append(nil) }
        batchOfSlot[Int(staged.batch.slot)] = (staged.batch, batch)
    }

    /// A batch, unless it was staged before the tape began.
    private func known(_ id: BatchID) -> Recording.Batch? {
        guard Int(id.slot) < batchOfSlot.count, let entry = batchOfSlot[Int(id.slot)], entry.id == id else {
            return nil
        }
        return entry.batch
    }

    /// A batch that has not ended, as the driver's instants have it; nil for one that was staged before the tape began.
    package func running(_ id: BatchID) -> Recording.Batch? { known(id)?.shifted(by: epoch) }

    /// A batch's inputs are on its device.
    package mutating func copiedIn(_ batch: BatchID, at now: Instant) {
        guard known(batch) != nil else { return }
        let instant = relative(now)
        batchOfSlot[Int(batch.slot)]?.batch.copiedInAt = instant
    }

    /// A batch's kernels are done.
    package mutating func kernelsDone(_ batch: BatchID, at now: Instant) {
        guard known(batch) != nil else { return }
        let instant = relative(now)
        batchOfSlot[Int(batch.slot)]?.batch.kernelsDoneAt = instant
    }

    /// A batch has ended; the answers that follow from it come next.
    ///
    /// - Parameter times: what a device measured that tells of nothing but the end.
    package mutating func ended(
        _ id: BatchID, _ end: Recording.Batch.End, _ times: MeasuredTimes? = nil, at now: Instant
    ) {
        ending = nil
        guard var batch = known(id), now >= window.lowerBound, batch.stagedAt < relative(window.upperBound) else {
            return
        }
        batch.endedAt = relative(now)
        batch.end = end
        if let times {
            // A clock that is coarser than the device's must not put the parts before their batch.
            let kernelsDone = max(batch.stagedAt, batch.endedAt - max(.zero, times.copyOut))
            batch.copiedInAt = max(batch.stagedAt, kernelsDone - max(.zero, times.kernels))
            batch.kernelsDoneAt = kernelsDone
        }
        if append(.batch(batch)) { ending = records.count - 1 }
    }

    /// What follows does not follow from the end of a batch.
    package mutating func stepEnded() { ending = nil }
}
