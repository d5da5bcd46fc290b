// SPDX-License-Identifier: Apache-2.0

/// Watches whether the bounds hold, and narrows what the scheduler dares while they do not (design §5): one batch at a
/// time on each device, and wider bounds.
///
/// That helps where predictions fail because batches run together. It costs half of what a device can do, so it is
/// for trouble that lasts (a host that was held up for a moment spoils hundreds of completions of a fast server at once), and
/// if bounds fail as often with one batch at a time, it is given up, and not tried again for a while.
package struct Watchdog: Sendable, Hashable {
    /// Completions, and how many of them were within their 95 % bound.
    private struct Share: Sendable, Hashable {
        var within = 0
        var all = 0

        mutating func note(_ isWithin: Bool) {
            within += isWithin ? 1 : 0
            all += 1
        }
    }

    private enum State: Sendable, Hashable {
        /// Bounds hold, as far as is known.
        case calm
        /// One batch runs at a time, until then at least.
        case alert(until: Instant)
        /// One batch at a time was no remedy: not again before that.
        case resting(until: Instant)
    }

    /// The last completions in slices of time, the oldest at `oldest`, and what they add up to.
    private var slices = [Share](
        repeating: Share(within: Self.leastSlice, all: Self.leastSlice), count: Self.sliceCount)
    private var oldest = 0
    private var sum = Share(within: Self.leastSlice * Self.sliceCount, all: Self.leastSlice * Self.sliceCount)
    /// The slice that is being filled, since when.
    private var open = Share()
    private var openedAt = Instant(nanoseconds: .min)

    private var state = State.calm
    /// What came since the alert began.
    private var sinceAlert = Share()
    /// When the last alert ended.
    private var endedAt = Instant(nanoseconds: .min)
    private var stay = Self.shortestStay
    private var rest = Self.shortestRest

    /// A window is ten slices of at least 20 completions and at least 100 ms: the last 200 completions, or a second where
    /// there are more.
    private static let sliceCount = 10
    private static let leastSlice = 20
    private static let sliceTime = Duration.milliseconds(100)
    /// Bursts alone take the coverage of 200 completions below 85 % now and then, and running one batch at a time in a
    /// burst is a collapse of its own making; at 75 % something is really wrong.
    private static let alarm = 0.75
    private static let allClear = 0.93
    private static let shortestStay = Duration.seconds(2)
    private static let longestStay = Duration.seconds(60)
    private static let shortestRest = Duration.seconds(30)
    private static let longestRest = Duration.seconds(600)

    /// While alert, the upper quantiles are taken to be this much larger.
    package static let widening = 1.5

    package init() {}

    /// Whether the scheduler should run one batch at a time.
    package var isAlert: Bool {
        if case .alert = state { true } else { false }
    }

    /// The share of the last completions that were within their bound.
    package var coverage: Double { Double(sum.within + open.within) / Double(sum.all + open.all) }

    /// Takes note of a completion.
    package mutating func note(withinBound: Bool, at now: Instant) {
        open.note(withinBound)
        if openedAt.nanoseconds == .min { openedAt = now }
        if isAlert { sinceAlert.note(withinBound) }
        // Judged at the end of a slice: one completion is no news.
        guard open.all >= Self.leastSlice, now - openedAt >= Self.sliceTime else { return }
        closeSlice(at: now)
        judge(at: now)
    }

    private mutating func closeSlice(at now: Instant) {
        sum.within += open.within - slices[oldest].within
        sum.all += open.all - slices[oldest].all
        slices[oldest] = open
        oldest = (oldest + 1) % Self.sliceCount
        open = Share()
        openedAt = now
    }

    private mutating func judge(at now: Instant) {
        switch state {
        case .calm:
            guard coverage < Self.alarm else { return }
            // A relapse soon after an alert that helped: batches still do not run together as predicted.
            let isRelapse = endedAt.nanoseconds != .min && now - endedAt < stay
            stay = isRelapse ? min(stay * 2, Self.longestStay) : Self.shortestStay
            state = .alert(until: now + stay)
            sinceAlert = Share()
        case .alert(let until):
            guard now >= until, sinceAlert.all >= Self.leastSlice * Self.sliceCount else { return }
            endedAt = now
            if Double(sinceAlert.within) >= Self.allClear * Double(sinceAlert.all) {
                state = .calm
                rest = Self.shortestRest
            } else {
                state = .resting(until: now + rest)
                rest = min(rest * 2, Self.longestRest)
            }
        case .resting(let until):
            if now >= until { state = .calm }
        }
    }
}

extension StraitOptions {
    /// Whether bounds do not hold, so that one batch runs at a time.
    func runsOneAtATime(_ state: SchedulerState) -> Bool { usesWatchdog && state.watchdog.isAlert }
}
