// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// What the engine knows of the health of one device: whether it serves, why not, and when it is to be probed.
///
/// A value under the engine's lock, without a clock.
struct DeviceHealth: Sendable {
    /// Why a device was taken out of service.
    enum Reason: Sendable, Hashable {
        /// One of its batches ran far beyond its bound.
        case hung
        /// Its batches failed one after the other, which may also be the fault of what clients send.
        case failing
        /// It said itself that it can run nothing any more.
        case lost(String)

        /// For people.
        var words: String {
            switch self {
            case .hung: "a batch hangs on it"
            case .failing: "its batches fail one after the other"
            case .lost(let message): message
            }
        }
    }

    /// Batches that were handed to it and not reported, those included that were taken back.
    var batches = 0
    /// Why it does not serve; nil while it does.
    private(set) var reason: Reason?
    /// When it was taken out of service last.
    private(set) var removedAt = Instant.zero
    /// When it is probed next, while it does not serve.
    private(set) var probeAt = Instant.never
    /// What the last probe found to be wrong; nil before the first.
    private(set) var complaint: String?
    /// How often it was taken out of service in all.
    private(set) var removals = 0
    /// Whether it is being probed.
    private(set) var isProbing = false
    /// Whether it was lost again while it was being probed.
    private var lostMeanwhile = false
    private var delay = shortestDelay
    private var returnedAt: Instant?
    /// How many of its last batches have failed, one after the other, and how many must have for it to be suspected.
    private var failures = 0
    private var threshold = failuresInARow

    /// How soon a device is probed that was taken out of service: most of what goes away by itself has by then.
    static let shortestDelay = Duration.milliseconds(100)
    /// How long it is left alone at most between two probes, which double their distance.
    static let longestDelay = Duration.seconds(10)
    /// A device that served for so long has recovered; one that fails sooner is probed later each time.
    static let steadyTime = Duration.seconds(60)
    /// Batches that fail in a row before a device is suspected and probed. Twice as many each time that nothing is found
    /// wrong: what clients send may fail any model, and must not keep devices from serving others.
    static let failuresInARow = 3
    private static let mostFailuresInARow = 192

    /// Whether batches are put on it.
    var isServing: Bool { reason == nil }

    /// Takes note of a batch that went well.
    mutating func noteSuccess() { failures = 0 }

    /// Takes note of a batch that failed.
    ///
    /// - Returns: whether the device is suspected by now.
    mutating func noteFailure() -> Bool {
        failures += 1
        return failures >= threshold
    }

    /// It is taken out of service.
    mutating func noteRemoval(_ reason: Reason, at now: Instant) {
        lostMeanwhile = isProbing
        guard self.reason == nil else { return }
        self.reason = reason
        complaint = nil
        removals += 1
        removedAt = now
        failures = 0
        if let returnedAt, now - returnedAt < Self.steadyTime {
            delay = min(delay * 2, Self.longestDelay)
        } else {
            delay = Self.shortestDelay
            threshold = Self.failuresInARow
        }
        // What is only suspected is looked at without delay.
        probeAt = reason == .failing ? now : now + delay
    }

    /// All that was on it is reported, so that a probe may bring it back.
    mutating func noteQuiet(at now: Instant) { if reason != nil { probeAt = min(probeAt, now) } }

    /// A probe begins, if it is time for one.
    mutating func beginProbe(at now: Instant) -> Bool {
        guard reason != nil, !isProbing, probeAt <= now else { return false }
        isProbing = true
        lostMeanwhile = false
        return true
    }

    /// A probe has ended.
    ///
    /// - Parameter complaint: what was found wrong; nil if nothing was.
    /// - Returns: whether it may serve again, which it may not before all that was on it is reported; else it is probed
    ///   again later.
    mutating func endProbe(_ complaint: String?, at now: Instant) -> Bool {
        isProbing = false
        guard complaint == nil, batches == 0, !lostMeanwhile else {
            self.complaint = complaint
            delay = min(delay * 2, Self.longestDelay)
            probeAt = now + delay
            return false
        }
        if reason == .failing, self.complaint == nil { threshold = min(threshold * 2, Self.mostFailuresInARow) }
        reason = nil
        self.complaint = nil
        probeAt = .never
        returnedAt = now
        return true
    }
}

/// A device and its health, for people.
package struct DeviceStatus: Sendable, Hashable {
    /// What it is and where it runs.
    package let name: String
    /// Batches that it can run at the same time.
    package let lanes: Int
    /// Why it does not serve; nil while it does.
    package let reason: String?
    /// How often it was taken out of service.
    package let removals: Int
}
