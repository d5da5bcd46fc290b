// SPDX-License-Identifier: Apache-2.0

/// Knows when batches will truly end, as long as nothing else is staged: what a simulator can tell, and nobody else. The
/// policy `oracle` is Strait's with this in place of predictions, so the gap between them is what predictions cost.
package protocol Foresight: Sendable {
    /// When batches on devices will end, in nanoseconds from now, appended in their order.
    ///
    /// - Parameter candidate: a batch that would be staged now; its end is the last.
    func appendFinishes(of batches: [BatchID], beside candidate: ForeseenBatch?, to finishes: inout [Double])

    /// Takes note that a batch is staged now.
    mutating func stage(_ batch: BatchID, _ staged: ForeseenBatch)
}

/// A batch, as far as its end follows from it.
package struct ForeseenBatch: Sendable, Hashable {
    /// Where it runs.
    package var device: DeviceID
    /// The model.
    package var model: ModelID
    /// Its rows.
    package var rows: Int
    /// Its first request, which its luck depends on.
    package var first: RequestID

    /// A batch of rows of a model, with its first request.
    package init(device: DeviceID, model: ModelID, rows: Int, first: RequestID) {
        self.device = device
        self.model = model
        self.rows = rows
        self.first = first
    }
}

extension Scheduler {
    /// Gives it foresight for the next step, or takes it away: what is foreseen holds at one instant only.
    package mutating func foresee(_ foresight: (any Foresight)?) { state.foresight = foresight }
}
