// SPDX-License-Identifier: Apache-2.0

/// How far a model has come.
package enum ModelStage: Sendable, Hashable {
    /// Requests may name it.
    case served
    /// It was removed, and batches of it still run.
    case leaving
    /// Nothing of it is left: its number is free.
    case gone
}

/// A model with what the shedding rules remember of it.
package struct ModelRecord: Sendable {
    /// What was added.
    package var description: ModelDescription
    /// How far it has come.
    package var stage = ModelStage.served
    /// Its requests that wait.
    package var waiting = 0
    /// The work that one row of its last request was; nil before the first.
    package var latestWork: WorkShape?
    /// When it last completed something, or was added.
    package var lastCompletion: Instant
    /// Whether it has shed since then.
    package var hasShedSince = false
    /// Whether a probe of it is under way. Until that has ended, the next one would find out the same.
    package var isProbing = false
    /// Whether that last completion was a probe, so that its estimate is known to be right and its requests are shed
    /// for good reason.
    package var isProven = false
}
