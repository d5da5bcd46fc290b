// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// All that can be told of one request, gathered under the lock and put into words outside of it.
struct RequestStory: Sendable {
    /// The request.
    var request: RequestEntry
    /// Its last batch; nil before it is staged, and where that is forgotten.
    var batch: BatchEntry?
    /// The others in that batch, by number and what their clients call them.
    var companions: [Companion] = []
    /// Other batches that were on the same device at the same time.
    var neighbours: [BatchEntry] = []
    /// What was staged while it waited.
    var displacement = Displacement()
    /// What the scheduler weighed with it, the oldest first; empty where that is forgotten or not kept.
    var weighed: [Weighed] = []

    /// Another request in the same batch.
    struct Companion: Sendable {
        let number: UInt64
        let clientID: String
    }

    /// Batches that were staged while a request waited.
    struct Displacement: Sendable {
        /// How many, by class.
        var highBatches = 0
        var lowBatches = 0
        /// Their requests.
        var highRequests = 0
        var lowRequests = 0
        /// The last of them, the newest first.
        var last: [BatchEntry] = []
        /// Whether there were more, which are forgotten.
        var isPartial = false

        /// How many of them are named.
        static let named = 3

        mutating func add(_ batch: PackedBatch) {
            if batch.requestClass == .high {
                highBatches += 1
                highRequests += Int(batch.requests)
            } else {
                lowBatches += 1
                lowRequests += Int(batch.requests)
            }
        }
    }

    /// One decision of the scheduler in which a batch with the request was an option.
    struct Weighed: Sendable {
        /// When it was; of several waits in a row, the last.
        let at: Instant
        /// How often in a row it came to that.
        let times: Int
        /// How many options there were.
        let options: Int
        /// What was taken, with the batch that it became; nil for nothing.
        let chosen: (option: Weighing.Option, batch: BatchEntry?)?
        /// The option with the request that was taken, or tried last.
        let own: Weighing.Option

        /// Whether what was taken had the request.
        let isOwn: Bool
        /// Where it had: the best options of other models and classes, which were passed over, the best first.
        let passedOver: [Weighing.Option]

        /// How many of them are named.
        static let passedOverNamed = 3
    }
}

/// How far back requests are known.
struct HistoryReach: Sendable {
    /// The oldest and the newest number, and when the oldest arrived; nil before the first.
    var numbers: ClosedRange<UInt64>?
    var oldestArrived = Instant.zero
    /// The most requests that are kept.
    var capacity: Int
    /// High requests that were violated and are kept longer.
    var violations = 0
}
