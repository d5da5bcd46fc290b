// SPDX-License-Identifier: Apache-2.0

/// A batch that could be staged now, with what speaks for and against it.
package struct Candidate: Sendable, Hashable {
    /// The queue that leads, and the one that fills up.
    package let queue: Int
    package let filler: Int?
    /// Where it would run.
    package let device: DeviceID
    /// Its class: high if any of its requests is.
    package let requestClass: RequestClass
    /// Requests at the head that it passes over.
    package var skipped = 0
    /// Requests from the leading queue and from the filling one.
    package var count = 0
    package var fillerCount = 0
    /// Its rows in all.
    package var rows = 0
    /// What it needs of the shared resources.
    package var demand = Demand(compute: 0, bandwidth: 0, cache: 0)
    /// The work of its kernels, the times of its copies, and its predicted finish, in nanoseconds from now.
    package var work = 0.0
    package var copyIn = 0.0
    package var copyOut = 0.0
    package var finish = 0.0
    /// When all that runs beside it is done too.
    package var allDone = 0.0
    /// What is gained by dispatching it now rather than one opportunity later.
    package var gain = 0.0
    /// What it costs the batches beside it.
    package var harm = 0.0
    /// What it costs high requests that wait or are expected.
    package var reservation = 0.0
    /// Gain − harm − reservation.
    package var value = 0.0
    /// By what candidates are compared: the value for the device time.
    package var rank = 0.0

    init(queue: Int, filler: Int?, device: DeviceID, requestClass: RequestClass) {
        self.queue = queue
        self.filler = filler
        self.device = device
        self.requestClass = requestClass
    }

    /// Takes requests for up to so many rows: from the leading queue first.
    ///
    /// - Returns: false when not even one request fits.
    mutating func fill(_ limit: Int, _ state: SchedulerState) -> Bool {
        let taken = state.queues[queue].prefix(rows: limit, from: skipped)
        count = taken.count
        rows = taken.rows
        fillerCount = 0
        if let filler, skipped + count == state.queues[queue].count, rows < limit {
            let added = state.queues[filler].prefix(rows: limit - rows)
            fillerCount = added.count
            rows += added.rows
        }
        return count > 0
    }

    /// The queue of low requests that it takes from, if any.
    var lowQueue: Int? { requestClass == .low ? queue : fillerCount > 0 ? filler : nil }

    var prediction: Predictor.Candidate {
        Predictor.Candidate(copyIn: copyIn, work: work, demand: demand, copyOut: copyOut)
    }

    func dispatch(lane: LaneID) -> Dispatch {
        Dispatch(
            queue: queue, count: count, skipped: skipped, filler: fillerCount > 0 ? filler : nil,
            fillerCount: fillerCount, device: device, lane: lane)
    }
}
