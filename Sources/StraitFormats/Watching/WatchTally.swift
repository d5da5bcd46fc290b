// SPDX-License-Identifier: Apache-2.0

package import StraitCore

/// Counts records by model and class, and keeps what happened since the last frame: which batches ended with which
/// requests, and what got nothing.
package struct WatchTally: Sendable {
    /// What is counted of one model in one class, in the order in which frames tell it.
    enum Count: Int, CaseIterable {
        case arrived, met, late, failed, cancelled
        case hopelessOnArrival, hopelessInQueue, queueFull, modelQueueFull, modelUnloaded

        init(_ ending: Recording.Ending) {
            self =
                switch ending {
                case .met: .met
                case .late: .late
                case .failed: .failed
                case .cancelled: .cancelled
                case .shed(.hopelessOnArrival): .hopelessOnArrival
                case .shed(.hopelessInQueue): .hopelessInQueue
                case .shed(.queueFull): .queueFull
                case .shed(.modelQueueFull): .modelQueueFull
                case .shed(.modelUnloaded): .modelUnloaded
                }
        }
    }

    /// A request that has ended.
    struct Ended: Sendable {
        var arrival: Recording.Arrival
        /// Its place among the arrivals of the recording.
        var place: Int
        var ending: Count
        var at: Instant
    }

    /// A batch with those of its requests that got their answer by its end.
    struct EndedBatch: Sendable {
        var batch: Recording.Batch
        var requests: [Ended] = []
    }

    /// The models' names, by their places.
    private(set) var models: [String] = []
    /// Counts since the beginning: for each model, for each class, ``Count/allCases``.
    private(set) var counts: [Int] = []
    /// Whether any of a stream's counts changed since the last frame; a stream is a model in a class.
    private(set) var hasChanged: [Bool] = []
    /// Whether a model joined since the last frame.
    private(set) var hasJoined = false
    /// Batches that ended since the last frame.
    private(set) var batches: [EndedBatch] = []
    /// Requests that ended without a batch since the last frame: shed, cancelled, or failed.
    private(set) var others: [Ended] = []
    /// Whether devices serve.
    private(set) var serves: [Bool] = []
    /// Whether anything was recorded since the last frame.
    private(set) var isFresh = true

    private var open: [Int: Recording.Arrival] = [:]
    private var nextArrival: Int
    /// What is added to records' instants.
    private let shift: Duration
    /// The first batch that ended at the latest instant at which one did: its requests may still come.
    private var firstOpenBatch = 0

    /// Requests and batches kept between two frames, at most: what comes beyond is counted only.
    private static let mostKept = 20_000

    /// A tally of nothing.
    ///
    /// - Parameters:
    ///   - arrivals: how many were recorded before; their answers are not counted.
    ///   - shift: what is added to the records' instants.
    package init(_ head: Recording.Head, arrivals: Int = 0, shift: Duration = .zero) {
        nextArrival = arrivals
        self.shift = shift
        serves = Array(repeating: true, count: head.devices.count)
        for model in head.models { join(model.name) }
        hasJoined = false
    }

    private mutating func join(_ name: String) {
        models.append(name)
        let streams = RequestClass.allCases.count
        counts += Array(repeating: 0, count: streams * Count.allCases.count)
        hasChanged += Array(repeating: false, count: streams)
        hasJoined = true
    }

    /// Requests that have come and not ended, of those that were counted.
    package var openRequests: Int { open.count }

    /// The sum of a count over the models of a class.
    func total(_ count: Count, _ requestClass: RequestClass) -> Int {
        var sum = 0
        for model in models.indices { sum += counts[index(model, requestClass) + count.rawValue] }
        return sum
    }

    private func stream(_ model: Int, _ requestClass: RequestClass) -> Int {
        model * RequestClass.allCases.count + requestClass.rawValue
    }

    private func index(_ model: Int, _ requestClass: RequestClass) -> Int {
        stream(model, requestClass) * Count.allCases.count
    }

    private mutating func note(_ count: Count, _ arrival: Recording.Arrival) {
        counts[index(arrival.model, arrival.requestClass) + count.rawValue] += 1
        hasChanged[stream(arrival.model, arrival.requestClass)] = true
    }

    /// Takes up a record.
    package mutating func take(_ record: Recording.Record) {
        isFresh = true
        switch record {
        case .arrival(var arrival):
            arrival.at = arrival.at + shift
            arrival.deadline = arrival.deadline + shift
            note(.arrived, arrival)
            open[nextArrival] = arrival
            nextArrival += 1
        case .batch(let batch): take(batch)
        case .answer(let answer): take(answer)
        case .model(let model, _): join(model.name)
        case .device(let change): if serves.indices.contains(change.device) { serves[change.device] = change.serves }
        }
    }

    private mutating func take(_ recorded: Recording.Batch) {
        guard batches.count < Self.mostKept else { return }
        let batch = recorded.shifted(by: shift)
        if let last = batches.last, last.batch.endedAt != batch.endedAt { firstOpenBatch = batches.count }
        batches.append(EndedBatch(batch: batch))
    }

    private mutating func take(_ answer: Recording.Answer) {
        guard let arrival = open.removeValue(forKey: answer.arrival) else { return }
        let count = Count(answer.ending)
        note(count, arrival)
        let ended = Ended(arrival: arrival, place: answer.arrival, ending: count, at: answer.at + shift)
        if let index = batch(of: ended) {
            batches[index].requests.append(ended)
        } else if others.count < Self.mostKept, count.rawValue > Count.late.rawValue {
            others.append(ended)
        }
    }

    /// The batch by whose end a request got its answer: it ended at that instant, and has not all its requests yet.
    private func batch(of ended: Ended) -> Int? {
        guard [.met, .late, .failed].contains(ended.ending) else { return nil }
        return (firstOpenBatch..<max(firstOpenBatch, batches.count)).first { index in
            let (batch, requests) = (batches[index].batch, batches[index].requests)
            guard batch.endedAt == ended.at, batch.model == ended.arrival.model else { return false }
            switch ended.ending {
            case .met: return requests.count { $0.ending == .met } < batch.met
            case .late: return requests.count { $0.ending == .late } < batch.late
            default: return batch.end != .killed && requests.count < batch.rows
            }
        }
    }

    /// Forgets what happened since the last frame, which has been told.
    mutating func noteFrame() {
        for index in hasChanged.indices { hasChanged[index] = false }
        hasJoined = false
        isFresh = false
        batches.removeAll(keepingCapacity: true)
        others.removeAll(keepingCapacity: true)
        firstOpenBatch = 0
    }
}

extension Recording.Batch {
    /// The same with other instants.
    package func shifted(by shift: Duration) -> Recording.Batch {
        guard shift != .zero else { return self }
        var batch = self
        batch.stagedAt = stagedAt + shift
        batch.copiedInAt = copiedInAt.map { $0 + shift }
        batch.kernelsDoneAt = kernelsDoneAt.map { $0 + shift }
        batch.endedAt = endedAt + shift
        batch.predictedFinish = predictedFinish + shift
        batch.medianBound = medianBound + shift
        batch.bound95 = bound95 + shift
        return batch
    }
}
