// SPDX-License-Identifier: Apache-2.0

/// Sees to it that every backlogged low model gets a small share of device time whatever the values say. Without it a
/// single lane would never run a long low batch while short high work trickles in (design §6).
package struct LowFloor: Sendable {
    /// The share of device time, 0…1.
    private let share: Double
    /// For each model the device time that it is owed, nanoseconds.
    private var owed: [Double] = []
    /// For each model whether it waited when last looked at, and whether it waits now.
    private var waited: [Bool] = []
    private var waits: [Bool] = []
    private var accountedUntil: Instant?

    /// What is owed is forgotten beyond the share of so much time, or one batch if that is more: the floor is no savings
    /// account.
    private static let memory = 5e9

    init(share: Double) { self.share = share }

    /// Adds what the time since the last call owes to the models that have waited through it. A model for which nothing
    /// waits is owed nothing.
    ///
    /// - Complexity: O(models + queues in which something waits).
    mutating func account(_ state: SchedulerState, until now: Instant) {
        guard share > 0 else { return }
        while owed.count < state.models.count {
            owed.append(0)
            waited.append(false)
            waits.append(false)
        }
        let elapsed = accountedUntil.map { Double((now - $0).nanoseconds) } ?? 0
        accountedUntil = now
        for model in waits.indices { waits[model] = false }
        for queue in state.queues.active where state.queues[queue].key.requestClass == .low {
            guard let head = state.queues[queue].first else { continue }
            let work = state.queues[queue].work
            let model = work.model.index
            guard !waits[model] else { continue }  // another shape of it
            waits[model] = true
            guard waited[model] else { continue }
            let batch = state.expectedWork(work, rows: Int(head.rows), on: DeviceID(index: 0))
            let limit = max(share * Self.memory, batch * Self.slowest)
            owed[model] = min(owed[model] + share * elapsed * Double(state.devices.presentCount), limit)
        }
        for model in waits.indices where !waits[model] { owed[model] = 0 }
        swap(&waited, &waits)
    }

    /// How much longer than on the first device the same may take on another.
    private static let slowest = DeviceSpeeds.range.upperBound / DeviceSpeeds.range.lowerBound

    /// The queue of the model that is owed at least its next request's time, the one owed the most; nil if none is.
    func owed(_ state: SchedulerState, on device: DeviceID) -> Int? {
        guard share > 0 else { return nil }
        var best: (queue: Int, owed: Double)?
        for queue in state.queues.active where state.queues[queue].key.requestClass == .low {
            guard let head = state.queues[queue].first else { continue }
            let work = state.queues[queue].work
            let due = owed[work.model.index]
            guard due >= state.expectedWork(work, rows: Int(head.rows), on: device) else { continue }
            if due > best?.owed ?? 0 { best = (queue, due) }
        }
        return best?.queue
    }

    /// Owes a model nothing any more.
    mutating func forget(_ model: ModelID) {
        guard model.index < owed.count else { return }
        owed[model.index] = 0
        waited[model.index] = false
    }

    /// Takes off what a model was given.
    mutating func noteServed(_ model: ModelID, work: Double) {
        guard model.index < owed.count else { return }
        owed[model.index] = max(0, owed[model.index] - work)
    }
}
