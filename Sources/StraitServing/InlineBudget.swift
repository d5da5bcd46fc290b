// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices

/// Decides whether the thread that brings a request runs its batch itself: inline, instead of waking the lane's thread
/// and being woken by it, which takes longer than a small model does. What comes meanwhile waits as for a busy lane, and is
/// the next batch.
///
/// A network thread that computes reads no requests meanwhile. So only batches that are expected to be short are run so,
/// and all of them together may take but a share of one thread's time. What they took is charged, not what was expected:
/// after one that took long none is run inline until the others' time has made up for it.
struct InlineBudget: Sendable {
    /// The longest batch, as expected, that may be run inline.
    let limit: Duration
    /// Time that may be spent; below zero after a batch that took longer than there was.
    private var credit = Duration.zero
    private var creditedUntil: Instant
    /// What runs inline now: one batch for each thread that brings requests at most.
    private var running: [(batch: BatchID, since: Instant, charged: Duration)] = []

    /// Whether anything runs inline.
    var isBusy: Bool { !running.isEmpty }

    /// The part of the time that may be spent on inline batches. Beyond, network threads and lanes that work at the same
    /// time get more done than network threads that do both, however cheaply.
    static let share = 1.0 / 3

    /// A budget that begins to grow at an instant.
    ///
    /// - Parameter limit: zero for none.
    init(limit: Duration, at now: Instant) {
        self.limit = limit
        creditedUntil = now
    }

    /// Whether a batch is run inline, which it then is. Each is told to ``ended(_:took:at:)``.
    ///
    /// - Complexity: O(1).
    mutating func takes(_ batch: BatchID, expected: Duration, at now: Instant) -> Bool {
        guard limit > .zero else { return false }
        // What is saved up in quiet times is one batch: more would be spent in a burst, when lanes are wanted.
        credit = min(limit, credit + (now - creditedUntil) * Self.share)
        creditedUntil = now
        guard expected <= limit, expected <= credit else { return false }
        credit = credit - expected
        running.append((batch, now, expected))
        return true
    }

    /// A batch has ended.
    ///
    /// - Parameter took: as its device says; nil where it cannot.
    /// - Returns: whether it was one that ran inline.
    /// - Complexity: O(batches that run inline).
    mutating func ended(_ batch: BatchID, took: Duration?, at now: Instant) -> Bool {
        guard let index = running.firstIndex(where: { $0.batch == batch }) else { return false }
        let run = running.remove(at: index)
        let longest = now - run.since
        credit = credit + run.charged - max(.zero, min(took ?? longest, longest))
        return true
    }
}

extension Engine.State {
    /// Takes out the batch that a request has started, for the thread that brought it to run: if there is one, and only
    /// one, it is known to be short, and its device lets others run it.
    mutating func takeInline(_ effects: inout Engine.Effects, _ devices: [any Device]) -> DeviceBatch? {
        guard effects.starts.count == 1, devices[effects.starts[0].device.index].runsInline,
            mayRunInline(effects.starts[0])
        else { return nil }
        return effects.starts.removeLast()
    }

    /// Takes out the next batch of a lane whose batch has ended, for the thread that ran that to go on with. A thread that
    /// is not the lane's goes on only with what is short, too.
    mutating func takeNext(of batch: DeviceBatch, isInline: Bool, _ effects: inout Engine.Effects) -> DeviceBatch? {
        guard let index = effects.starts.firstIndex(where: { $0.device == batch.device && $0.lane == batch.lane }),
            !isInline || mayRunInline(effects.starts[index])
        else { return nil }
        return effects.starts.remove(at: index)
    }

    private mutating func mayRunInline(_ batch: DeviceBatch) -> Bool {
        guard let record = scheduler.state.batches[batch.batch],
            // A guess is not good enough.
            scheduler.state.estimator.isMeasured(record.work)
        else { return false }
        return inline.takes(batch.batch, expected: record.predictedFinish - record.stagedAt, at: record.stagedAt)
    }
}
