// SPDX-License-Identifier: Apache-2.0

/// What the requests of one queue have in common.
package struct QueueKey: Sendable, Hashable {
    /// The model, in one version.
    package var model: ModelID
    /// The exact shape of a row.
    package var shape: ShapeID
    /// The class.
    package var requestClass: RequestClass
}

/// All queues: found by key, listed while something waits in them, and used again for another key once empty.
package struct QueueTable: Sendable {
    private var queues: [WaitingQueue] = []
    private var indexByKey: [QueueKey: Int] = [:]
    /// Queues in which nothing waits, or nothing did when they were listed; each is listed once.
    private var idle: [Int] = []
    private var isListedIdle: [Bool] = []

    /// The queues in which something waits, in no particular but a reproducible order.
    package private(set) var active: [Int] = []
    /// For each queue its place in `active`, or −1.
    private var activePosition: [Int] = []

    /// The estimated device time of all that waits, by class.
    package private(set) var queuedTime = [Duration](repeating: .zero, count: RequestClass.allCases.count)
    /// Requests that wait, by class.
    package private(set) var waiting = [Int](repeating: 0, count: RequestClass.allCases.count)

    /// Empty queues are kept for their keys up to this many; shapes of the past would otherwise pile up for ever.
    private static let idleQueuesKept = 1024

    package subscript(queue: Int) -> WaitingQueue {
        @inline(__always) _read { yield queues[queue] }
    }

    /// The requests that wait in both classes.
    package var waitingInAll: Int { waiting[0] + waiting[1] }

    /// The queue for a key, if there is one now.
    package func find(_ key: QueueKey) -> Int? { indexByKey[key] }

    /// Adds a request to the queue of its kind.
    ///
    /// - Returns: the queue, and the request's position in it.
    mutating func insert(_ entry: QueueEntry, key: QueueKey, work: WorkShape) -> (queue: Int, position: Int) {
        let queue = indexByKey[key] ?? make(key, work: work)
        if activePosition[queue] < 0 {
            activePosition[queue] = active.count
            active.append(queue)
        }
        waiting[key.requestClass.rawValue] += 1
        return (queue, queues[queue].insert(entry))
    }

    /// Takes the first request of a queue.
    mutating func removeFirst(of queue: Int) -> QueueEntry {
        let entry = queues[queue].removeFirst()
        noteRemoval(from: queue)
        return entry
    }

    /// Takes a request out of the middle of a queue.
    ///
    /// - Returns: the position it had.
    mutating func remove(from queue: Int, key: Instant, sequence: UInt64) -> Int {
        let position = queues[queue].remove(key: key, sequence: sequence)
        noteRemoval(from: queue)
        return position
    }

    /// Notes what the work waiting in a queue is now estimated to take.
    mutating func setQueuedTime(_ time: Duration, of queue: Int) {
        queuedTime[queues[queue].key.requestClass.rawValue] += time - queues[queue].queuedTime
        queues[queue].queuedTime = time
    }

    private mutating func noteRemoval(from queue: Int) {
        waiting[queues[queue].key.requestClass.rawValue] -= 1
        guard queues[queue].isEmpty else { return }
        // The last of the active queues takes the place of the one that leaves.
        let position = activePosition[queue]
        let last = active[active.count - 1]
        active[position] = last
        activePosition[last] = position
        active.removeLast()
        activePosition[queue] = -1
        guard !isListedIdle[queue] else { return }
        isListedIdle[queue] = true
        idle.append(queue)
    }

    private mutating func make(_ key: QueueKey, work: WorkShape) -> Int {
        if queues.count >= Self.idleQueuesKept, let queue = takeIdle() {
            indexByKey[queues[queue].key] = nil
            setQueuedTime(.zero, of: queue)
            queues[queue].reuse(for: key, work: work)
            indexByKey[key] = queue
            return queue
        }
        queues.append(WaitingQueue(key: key, work: work))
        activePosition.append(-1)
        isListedIdle.append(false)
        indexByKey[key] = queues.count - 1
        return queues.count - 1
    }

    /// An idle queue, if any is left. One that became active again since it was noted is passed over.
    private mutating func takeIdle() -> Int? {
        while let queue = idle.popLast() {
            isListedIdle[queue] = false
            if activePosition[queue] < 0 { return queue }
        }
        return nil
    }
}
