// SPDX-License-Identifier: Apache-2.0

/// High requests that were violated, the last so many of them, with all that is known of them: the other requests of their
/// time are forgotten before.
struct ViolationHistory: Sendable {
    /// A request with its batch.
    struct Kept: Sendable {
        var request: PackedRequest
        var number: UInt64
        var batch: PackedBatch?
        var batchNumber: UInt64
        /// Bytes of the message behind its client's id, if it failed.
        var messageBytes: UInt16
    }

    private var ring: NumberedRing<Kept>
    /// Their clients' ids, and what they were told.
    private var texts: TextLog

    init(capacity: Int) {
        ring = NumberedRing(capacity: capacity)
        texts = TextLog(keeping: capacity * (RequestHistory.longestClientID + TextLog.longest))
    }

    /// How many are kept.
    var count: Int { ring.count }

    /// Takes up one.
    mutating func append(
        _ request: PackedRequest, _ number: UInt64, clientID: String, message: String?, _ batch: PackedBatch?,
        _ batchNumber: UInt64
    ) {
        var request = request
        let oldest = ring[ring.oldest]?.request.clientID ?? 0
        let id = texts.append(clientID, forgettingBefore: oldest)
        request.clientID = id.place
        request.clientIDBytes = UInt8(clamping: id.count)
        let text = texts.append(message ?? "", forgettingBefore: oldest)
        request.first = request.fate == .failed ? text.place : request.first
        ring.append(
            Kept(
                request: request, number: number, batch: batch, batchNumber: batchNumber,
                messageBytes: UInt16(text.count)))
    }

    /// Notes the labels that they bear.
    func noteLabels(_ borne: inout [Bool]) {
        for kept in ring.all {
            borne[Int(kept.request.label)] = true
            if let batch = kept.batch { borne[Int(batch.label)] = true }
        }
    }

    /// One by its number; nil where it is not among them.
    ///
    /// - Complexity: O(violations).
    func find(_ number: UInt64, _ labels: ModelLabels) -> DecisionHistory.Found? {
        ring.all.first { $0.number == number }.map { told($0, labels) }
    }

    /// Those that came before a request.
    ///
    /// - Complexity: O(violations).
    func all(before number: UInt64, _ labels: ModelLabels) -> [DecisionHistory.Found] {
        ring.all.filter { $0.number < number }.map { told($0, labels) }
    }

    private func told(_ kept: Kept, _ labels: ModelLabels) -> DecisionHistory.Found {
        let request = kept.request
        let id = texts.text(at: request.clientID, Int(request.clientIDBytes)) ?? ""
        let message = request.fate == .failed ? texts.text(at: request.first, Int(kept.messageBytes)) : nil
        return DecisionHistory.Found(
            request: request.entry(
                kept.number, clientID: id, labels[request.label], batch: kept.batchNumber, message: message),
            batch: kept.batch.map { $0.entry(kept.batchNumber, labels[$0.label]) })
    }
}
