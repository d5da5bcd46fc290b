// SPDX-License-Identifier: Apache-2.0

/// A request that was given up, and why.
package struct ShedDecision: Sendable {
    package let request: RequestID
    package let model: ModelID
    package let requestClass: RequestClass
    /// Its place in the order of arrivals.
    let arrival: UInt64
    package let reason: ShedReason
    /// When it was due.
    package let deadline: Instant
    /// When it was expected to be done; never where no device was expected to take it.
    package let predictedFinish: Instant
    /// What it failed.
    package let test: ShedTest
}

/// The test that a request failed, with its quantities.
package enum ShedTest: Sendable, Hashable {
    /// On arrival: what is ahead of it and it itself, by ``ArrivalTest/optimism``, end after its deadline.
    case arrival(ArrivalTest)
    /// While it waited: an instant passed, its deadline less its own time, by which it had to start.
    case lastStart(Instant, own: Duration)
    /// While it waited: its deadline passed, under a policy without estimates.
    case expired
    /// While it waited: it was unlikely to be in time, and others behind it were not. With the prediction of the batch
    /// that would have had it, where that is known.
    case passedOver(BoundedFinish?)
    /// On arrival: as many requests waited as may, of its class or of all.
    case room(waiting: Int, limit: Int)
    /// On arrival: as many requests waited for its model as may.
    case modelRoom(waiting: Int, limit: Int)
    /// It waited to be a probe, and the last device hung or was removed.
    case hang
    /// Its model was unloaded while it waited.
    case unloaded
}
