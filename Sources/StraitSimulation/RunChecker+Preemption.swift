// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// What a run knows of a batch that may be stopped.
struct BatchOnLane: Sendable {
    /// Whether it is stopped.
    enum Stop: Sendable, Hashable {
        case none
        case paused
        case dying
    }

    var stop = Stop.none
    var members: [RequestID] = []
}

extension RunChecker {
    mutating func noteStaged(_ slot: UInt32, _ members: ArraySlice<RequestID>) {
        while batches.count <= Int(slot) { batches.append(BatchOnLane()) }
        batches[Int(slot)].stop = .none
        batches[Int(slot)].members.removeAll(keepingCapacity: true)
        batches[Int(slot)].members.append(contentsOf: members)
    }

    /// What is broken by pausing, resuming or killing a batch; nil if nothing is.
    mutating func stopped(_ action: Action) -> String? {
        switch action {
        case .pause(let batch):
            guard batches[Int(batch.slot)].stop == .none else { return "batch \(batch.slot) is paused twice" }
            batches[Int(batch.slot)].stop = .paused
        case .resume(let batch):
            guard batches[Int(batch.slot)].stop == .paused else { return "batch \(batch.slot) goes on unpaused" }
            batches[Int(batch.slot)].stop = .none
        case .kill(let batch):
            guard batches[Int(batch.slot)].stop != .dying else { return "batch \(batch.slot) is killed twice" }
            batches[Int(batch.slot)].stop = .dying
        case .stage, .answer, .setTimer: break
        }
        return nil
    }

    /// Takes note that a device is gone, and that the requests of its batches wait again.
    mutating func lost(_ device: Int, with slots: [UInt32]) {
        isAway[device] = true
        for lane in lanes[device].indices { leaveLane(device: device, lane: lane) }
        for slot in slots {
            for id in batches[Int(slot)].members where live(id) != nil {
                requests[Int(id.slot)]?.isRunning = false
                requests[Int(id.slot)]?.losses += 1
            }
        }
    }

    mutating func returned(_ device: Int) { isAway[device] = false }

    /// Takes note that a batch is gone and its requests wait again.
    mutating func killed(_ slot: UInt32) -> String? {
        guard batches[Int(slot)].stop == .dying else { return "batch \(slot) was killed, but nobody asked for it" }
        for id in batches[Int(slot)].members where live(id) != nil { requests[Int(id.slot)]?.isRunning = false }
        return nil
    }
}
