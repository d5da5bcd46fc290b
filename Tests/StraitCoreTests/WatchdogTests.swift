// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable import StraitCore

/// What makes the watchdog act, and what ends that.
struct WatchdogTests {
    /// A watchdog with a clock that its completions move.
    private struct Trial {
        var watchdog = Watchdog()
        var now = Instant.zero

        /// Completions, `every` so long, of which each `failing`-th is beyond its bound, every one with 1, none with 0.
        mutating func complete(_ count: Int, every gap: Duration, failing: Int = 0) {
            for number in 0..<count {
                now = now + gap
                watchdog.note(withinBound: failing == 0 || number % failing != 0, at: now)
            }
        }
    }

    @Test func `it acts when bounds fail for a second, and lets go when one batch at a time keeps them`() {
        var trial = Trial()
        trial.complete(200, every: .milliseconds(10), failing: 3)
        #expect(trial.watchdog.isAlert)
        #expect(trial.watchdog.coverage < 0.75)
        trial.complete(150, every: .milliseconds(10))
        #expect(trial.watchdog.isAlert, "two seconds are not over")
        trial.complete(100, every: .milliseconds(10))
        #expect(!trial.watchdog.isAlert)
    }

    @Test func `a host that is held up for a moment spoils many completions at once and is no reason`() {
        var trial = Trial()
        // 2500 a second, as four fast devices have; each second the host is held up, and 150 come late together.
        for _ in 0..<20 {
            trial.complete(2350, every: .microseconds(400))
            trial.now = trial.now + .milliseconds(20)
            trial.complete(150, every: .microseconds(10), failing: 1)
            #expect(!trial.watchdog.isAlert)
        }
        #expect(trial.watchdog.coverage > 0.85)
    }

    @Test func `where one batch at a time does not help it is given up, and tried again only later`() {
        var trial = Trial()
        var alerts = 0.0
        var rests: [Double] = []
        var since = 0.0
        var wasAlert = false
        // Bounds fail whatever is done, a hundred completions a second for twenty minutes.
        for _ in 0..<12_000 {
            trial.complete(10, every: .milliseconds(10), failing: 2)
            let isAlert = trial.watchdog.isAlert
            if isAlert { alerts += 0.1 }
            if isAlert != wasAlert {
                let seconds = Double(trial.now.nanoseconds) / 1e9
                if isAlert, since > 0 { rests.append(seconds - since) }
                since = seconds
                wasAlert = isAlert
            }
        }
        #expect(alerts < 1200 * 0.02, "one batch at a time for \(alerts) of 1200 s")
        #expect(rests.count >= 3)
        #expect(zip(rests, rests.dropFirst()).allSatisfy { $1 > 1.5 * $0 }, "pauses of \(rests) s")
    }

    @Test func `a relapse soon after an alert that helped makes the next one longer`() {
        var trial = Trial()
        var lasted: [Double] = []
        for _ in 0..<4 {
            let began = trial.now
            while !trial.watchdog.isAlert, trial.now - began < .seconds(10) {
                trial.complete(1, every: .milliseconds(5), failing: 1)
            }
            let alertAt = trial.now
            while trial.watchdog.isAlert { trial.complete(1, every: .milliseconds(5)) }
            lasted.append(Double((trial.now - alertAt).nanoseconds) / 1e9)
        }
        #expect(zip(lasted, lasted.dropFirst()).allSatisfy { $1 > 1.8 * $0 }, "alerts of \(lasted) s")
    }

    @Test func `a device with few completions is judged by as many as one with many`() {
        var trial = Trial()
        // Ten a second: 200 are twenty seconds.
        trial.complete(60, every: .milliseconds(100), failing: 1)
        #expect(trial.watchdog.isAlert, "60 of the last 200 are beyond their bounds")
    }
}
