// SPDX-License-Identifier: Apache-2.0

/// A batch that could be staged now, with what speaks for and against it.
package struct Candidate: Sendable, Hashable {
    /// The queue that leads, and the low one that fills up.
    package let queue: Int
    package let filler: Int?
    /// Where it would run.
    package var device: DeviceID
    /// Its class: high if any of its requests is.
    package let requestClass: RequestClass
    /// Requests from the leading queue and from the filling one.
    package var count = 0
    package var fillerCount = 0
    /// Hopeless low requests at the head of the queue of its low ones that it passes over.
    package var skipped = 0
    /// Its rows in all.
    package var rows = 0
    /// Whether the gate lets it join what runs on its device.
    package var isAdmitted = true
    /// What it needs of the shared resources.
    package var demand = Demand(compute: 0, bandwidth: 0, cache: 0)
    /// The work of its kernels, the times of its copies, and its predicted finish, in nanoseconds from now.
    package var work = 0.0
    package var copyIn = 0.0
    package var copyOut = 0.0
    package var finish = 0.0
    /// How much longer its high requests could wait, and any of those it would meet, in nanoseconds: to the deadline
    /// from the predicted finish with its margin.
    package var highSlack = Double.infinity
    package var slack = Double.infinity
    /// The chances that its requests lose by waiting for the next opportunity, weighted.
    package var regret = 0.0
    /// The chances that the requests of the batches beside it lose, weighted.
    package var harm = 0.0
    /// What candidates are compared by: regret − harm − slack in opportunities.
    package var rank = 0.0
    /// High requests that would be lost for lack of a lane if it were staged; nil where nobody asked.
    package var loss: Double?

    init(queue: Int, filler: Int?, device: DeviceID, requestClass: RequestClass) {
        self.queue = queue
        self.filler = filler
        self.device = device
        self.requestClass = requestClass
    }

    /// What its finish follows from.
    func prediction(of model: ModelID, _ state: SchedulerState) -> Predictor.Candidate {
        var prediction = Predictor.Candidate(copyIn: copyIn, work: work, demand: demand, copyOut: copyOut)
        if state.foresight != nil, let first = state.queues[queue].first {
            prediction.batch = ForeseenBatch(device: device, model: model, rows: rows, first: first.request)
        }
        return prediction
    }

    /// When it leaves its lane, nanoseconds from now.
    var laneFree: Double { finish - copyOut }

    /// Whether it cannot be made smaller: requests are not split.
    var isSingle: Bool { count + fillerCount == 1 }

    /// Whether it may join what runs and its high requests that can be in time are, or are as near to it as can be.
    var isFit: Bool { isAdmitted && (highSlack >= 0 || isSingle) }

    /// The share of its requests that are low; nil where none is.
    var lowShare: Double? {
        if requestClass == .low { return 1 }
        return fillerCount > 0 ? Double(fillerCount) / Double(count + fillerCount) : nil
    }

    func dispatch(lane: LaneID) -> Dispatch {
        let isFilled = fillerCount > 0
        return Dispatch(
            queue: queue, count: count, skipped: requestClass == .low ? skipped : 0, filler: isFilled ? filler : nil,
            fillerCount: fillerCount, fillerSkipped: isFilled ? skipped : 0, device: device, lane: lane)
    }
}
