// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import VirtualAccelerator

/// What will become of batches if nothing else is staged: found out by letting a copy of the devices run on. Their luck
/// depends on the work alone, so the copy meets the same, noise included. That a device will be lost it does not tell.
struct Truth: Foresight {
    private var accelerator: VirtualAccelerator
    private let now: Int64
    /// For each request slot where its request came from.
    private let arrivals: [Origin]

    /// What the devices have to know of a batch's first request. Batches of the oracle's are of one class.
    struct Origin: Sendable {
        /// Its place among all arrivals of the run.
        var arrival: Int
        /// Whether it is high.
        var isHigh: Bool
    }

    /// The devices as they are.
    init(_ accelerator: VirtualAccelerator, arrivals: [Origin], at now: Instant) {
        self.accelerator = accelerator.withoutOutages
        self.arrivals = arrivals
        self.now = now.nanoseconds
    }

    /// No batch has this number.
    private static let candidateJob = -1

    /// - Complexity: O(events until all have ended).
    func appendFinishes(of batches: [BatchID], beside candidate: ForeseenBatch?, to finishes: inout [Double]) {
        var future = accelerator
        let first = finishes.count
        // What has ended at this very instant, of which the scheduler is told next, is not on the devices any more.
        for _ in batches { finishes.append(0) }
        if let candidate {
            finishes.append(0)
            future.submit(job(Self.candidateJob, candidate), at: now)
        }
        var left = future.liveJobs
        var events: [AcceleratorEvent] = []
        while left > 0, let next = future.nextEvent {
            future.advance(to: next, into: &events)
            for event in events {
                guard case .finished = event.kind else { continue }
                left -= 1
                let place =
                    event.job == Self.candidateJob
                    ? batches.count : batches.firstIndex { Int($0.slot) == event.job }
                if let place { finishes[first + place] = Double(event.time - now) }
            }
            events.removeAll(keepingCapacity: true)
        }
    }

    mutating func stage(_ batch: BatchID, _ staged: ForeseenBatch) {
        accelerator.submit(job(Int(batch.slot), staged), at: now)
    }

    private func job(_ id: Int, _ batch: ForeseenBatch) -> Job {
        let origin = arrivals[Int(batch.first.slot)]
        return Job(
            id: id, device: batch.device.index, model: batch.model.index, rows: batch.rows,
            noiseKey: UInt64(origin.arrival), isHigh: origin.isHigh)
    }
}
