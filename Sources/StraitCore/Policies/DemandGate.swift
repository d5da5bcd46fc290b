// SPDX-License-Identifier: Apache-2.0

/// Lets a batch join running ones only while the sum of their compute demands stays within a budget, so that
/// concurrency adapts to batch size. The largest single gain of the experiments that the design rests on (§6).
///
/// A head that only the gate holds back for a good part of its slack closes the gate to others of its class or below
/// until it has run; otherwise models with a large demand would starve behind small ones. (A low head that could close it
/// to high ones cost ten times the high misses in simulation.)
package struct DemandGate: Sendable {
    /// A head that the gate holds back.
    private struct Blocked: Sendable {
        var sequence: UInt64
        var since: Instant
    }

    private var blocked: [Blocked?] = []
    /// The queue whose head has closed the gate to others, and its class.
    private var closedFor: (queue: Int, requestClass: RequestClass)?
    private let options: StraitOptions

    package init(_ options: StraitOptions) { self.options = options }

    /// The budget for a batch.
    package func budget(_ requestClass: RequestClass, devices: Int) -> Double {
        let base = devices >= Self.manyDevices ? options.gateBudgetManyDevices : options.gateBudget
        return base + (requestClass == .high ? options.gateHighBonus : 0)
    }

    private static let manyDevices = 4

    /// Whether a batch of a demand may join what is on a device. An idle device takes anything.
    package func admits(_ compute: Double, beside resident: Double, budget: Double) -> Bool {
        !options.usesGate || resident == 0 || resident + compute <= budget
    }

    /// Whether a queue may pass: the gate is open, or closed for this very queue, or for one of a lesser class.
    package func isOpen(to queue: Int, _ requestClass: RequestClass) -> Bool {
        guard let closedFor else { return true }
        return closedFor.queue == queue || requestClass < closedFor.requestClass
    }

    /// Takes note that only the gate holds back the head of a queue.
    package mutating func noteBlocked(_ queue: Int, _ head: QueueEntry, _ requestClass: RequestClass, at now: Instant) {
        while blocked.count <= queue { blocked.append(nil) }
        guard let known = blocked[queue], known.sequence == head.sequence else {
            blocked[queue] = Blocked(sequence: head.sequence, since: now)
            return
        }
        let patience = requestClass == .high ? options.gatePatienceHigh : options.gatePatienceLow
        let slack = head.key - known.since
        let isFirst = closedFor.map { requestClass < $0.requestClass } ?? true
        if isFirst, now - known.since > slack * patience { closedFor = (queue, requestClass) }
    }

    /// Opens the gate again if the head that closed it has run or gone.
    package mutating func reopen(_ state: SchedulerState) {
        guard let queue = closedFor?.queue else { return }
        let head = state.queues[queue].first
        if head == nil || blocked[queue]?.sequence != head?.sequence {
            closedFor = nil
            blocked[queue] = nil
        }
    }
}

extension SchedulerState {
    /// The compute demand of all batches on a device whose kernels are not done.
    ///
    /// - Complexity: O(batches on the device).
    package func residentDemand(on device: DeviceID) -> Double {
        var sum = 0.0
        for batch in devices[device].resident where batches[live: batch].phase != .copyingOut {
            sum += batches[live: batch].run.demand.compute
        }
        return sum
    }
}
