// SPDX-License-Identifier: Apache-2.0

/// One place in a queue.
package struct QueueEntry: Sendable, Hashable {
    /// What the queue is ordered by: the deadline, or the arrival for a policy that knows no deadlines.
    package var key: Instant
    /// The order of arrival over all queues; breaks ties.
    package var sequence: UInt64
    /// The request that waits.
    package var request: RequestID
    /// Its rows.
    package var rows: Int32

    func precedes(_ other: QueueEntry) -> Bool {
        key == other.key ? sequence < other.sequence : key < other.key
    }
}

/// Requests that may share a batch, in order of their keys, ties by arrival.
///
/// A sorted array with a moving head. Most requests of one queue carry the same relative deadline and so are appended;
/// what is taken is nearly always at the head; and the batch former, the shedding rules and the arrival test all read
/// in order, which a heap cannot give them.
package struct WaitingQueue: Sendable {
    /// What its requests have in common.
    package private(set) var key: QueueKey
    /// The work that one row of its requests is.
    package private(set) var work: WorkShape
    /// Rows that wait in all.
    package private(set) var rows = 0
    /// The estimated device time of all that waits; kept by the ``QueueTable``.
    package internal(set) var queuedTime = Duration.zero

    private var entries: [QueueEntry] = []
    private var head = 0

    /// Storage before the head is reclaimed when it is at least this long and half of all.
    private static let compactionLength = 64

    init(key: QueueKey, work: WorkShape) {
        self.key = key
        self.work = work
    }

    /// Starts over for other requests and keeps its memory.
    mutating func reuse(for key: QueueKey, work: WorkShape) {
        precondition(isEmpty && rows == 0, "a queue is used again only when nothing waits in it")
        self.key = key
        self.work = work
        entries.removeAll(keepingCapacity: true)
        head = 0
    }

    /// Requests that wait.
    package var count: Int { entries.count - head }
    /// Whether none waits.
    package var isEmpty: Bool { head == entries.count }
    /// The first in order; nil when none waits.
    package var first: QueueEntry? { isEmpty ? nil : entries[head] }
    /// The entry at a position, counted from the head.
    package subscript(position: Int) -> QueueEntry { entries[head + position] }

    /// Adds an entry in its place.
    ///
    /// - Returns: its position, 0 being the head.
    /// - Complexity: O(1) when it belongs at the end, else O(log n) comparisons and a move of what follows.
    mutating func insert(_ entry: QueueEntry) -> Int {
        rows += Int(entry.rows)
        guard let last = entries.last, !isEmpty, entry.precedes(last) else {
            entries.append(entry)
            return count - 1
        }
        let position = entries[head...].partitionPoint { !entry.precedes($0) }
        entries.insert(entry, at: position)
        return position - head
    }

    /// Takes the first entry.
    mutating func removeFirst() -> QueueEntry {
        precondition(!isEmpty, "an empty queue has no first entry")
        let entry = entries[head]
        head += 1
        rows -= Int(entry.rows)
        if isEmpty {
            entries.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= Self.compactionLength, head * 2 >= entries.count {
            entries.removeSubrange(..<head)
            head = 0
        }
        return entry
    }

    /// Takes an entry out, wherever it stands.
    ///
    /// - Returns: the position it had.
    /// - Complexity: O(log n) comparisons and a move of what follows.
    mutating func remove(key: Instant, sequence: UInt64) -> Int {
        let index = entries[head...].partitionPoint { $0.key < key || ($0.key == key && $0.sequence < sequence) }
        precondition(
            index < entries.count && entries[index].sequence == sequence, "a waiting request stands in its queue")
        if index == head {
            _ = removeFirst()
            return 0
        }
        rows -= Int(entries[index].rows)
        entries.remove(at: index)
        return index - head
    }

    /// Whether an entry stands in it. For checks.
    ///
    /// - Complexity: O(log n).
    package func holds(_ entry: QueueEntry) -> Bool {
        let index = entries[head...].partitionPoint { $0.precedes(entry) }
        return index < entries.count && entries[index] == entry
    }

    /// How many entries have keys of at most `limit`.
    ///
    /// - Complexity: O(log n).
    package func count(upTo limit: Instant) -> Int {
        entries[head...].partitionPoint { $0.key <= limit } - head
    }
}

extension ArraySlice {
    /// The first index whose element fails `isBefore`, in a slice where all that satisfy it stand first.
    fileprivate func partitionPoint(_ isBefore: (Element) -> Bool) -> Index {
        var low = startIndex
        var high = endIndex
        while low < high {
            let middle = low + (high - low) / 2
            if isBefore(self[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
