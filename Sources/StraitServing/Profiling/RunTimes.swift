// SPDX-License-Identifier: Apache-2.0

package import StraitCore

/// The times of repeated runs, and how well their median is known.
package struct RunTimes: Sendable, Hashable {
    /// Nanoseconds, ascending.
    private let sorted: [Int64]

    /// Takes the times of at least one run.
    package init(_ times: [StraitCore.Duration]) {
        precondition(!times.isEmpty, "nothing was run")
        sorted = times.map(\.nanoseconds).sorted()
    }

    /// How many runs there were.
    package var count: Int { sorted.count }

    /// The time that half of the runs stayed below.
    package var median: StraitCore.Duration { quantile(0.5) }
    /// The time that 95 of 100 runs stayed below.
    package var p95: StraitCore.Duration { quantile(0.95) }
    /// The mean time.
    package var mean: StraitCore.Duration {
        StraitCore.Duration(nanoseconds: 1) * (sorted.reduce(0.0) { $0 + Double($1) } / Double(count))
    }

    /// The 95 % interval of the median, by ranks: it needs no assumption on how times are spread, but takes runs to be
    /// independent, which neighbours on a busy machine are not. All of what was seen for fewer than six runs.
    ///
    /// - Complexity: O(1).
    package var medianInterval: ClosedRange<StraitCore.Duration> {
        let half = Self.normalQuantile * Double(count).squareRoot() / 2
        let low = sorted[max(0, Int((Double(count) / 2 - half).rounded(.down)) - 1)]
        let high = sorted[min(count - 1, Int((Double(count) / 2 + half).rounded(.up)))]
        return StraitCore.Duration(nanoseconds: low)...StraitCore.Duration(nanoseconds: high)
    }

    /// Half that interval as a share of the median; infinite where there is none.
    package var medianError: Double {
        let median = Double(median.nanoseconds)
        guard median > 0 else { return .infinity }
        let interval = medianInterval
        return Double((interval.upperBound - interval.lowerBound).nanoseconds) / 2 / median
    }

    /// Of the normal distribution, for 95 % between both sides.
    private static let normalQuantile = 1.96

    /// Between the two nearest ranks.
    private func quantile(_ share: Double) -> StraitCore.Duration {
        let place = share * Double(count - 1)
        let lower = Int(place)
        let upper = min(lower + 1, count - 1)
        let rest = place - Double(lower)
        let value: Double = Double(sorted[lower]) * (1 - rest) + Double(sorted[upper]) * rest
        return StraitCore.Duration(nanoseconds: 1) * value
    }
}

/// When a time has been measured often enough.
package struct StoppingRule: Sendable, Hashable {
    /// Runs that are made at least, unless a single one takes all the time there is.
    package var leastRuns: Int
    /// How far the median may still be off, as a share of it.
    package var tolerance: Double
    /// Time that is spent at least: a machine's hiccups come in waves, and a few quick runs would all fall into one.
    package var leastSpan: StraitCore.Duration
    /// Time after which it is enough, whatever is known by then.
    package var longestSpan: StraitCore.Duration

    /// A rule.
    package init(
        leastRuns: Int, tolerance: Double, leastSpan: StraitCore.Duration, longestSpan: StraitCore.Duration
    ) {
        self.leastRuns = leastRuns
        self.tolerance = tolerance
        self.leastSpan = leastSpan
        self.longestSpan = longestSpan
    }

    /// The most runs of one size: the quickest models would fill memory with times that nobody needs.
    package static let mostRuns = 20_000

    /// How many runs to make next; 0 where it is enough.
    ///
    /// - Parameters:
    ///   - times: of all runs so far.
    ///   - spent: since the first of them began.
    /// - Complexity: O(n log n) for n runs. Runs are asked for in growing numbers, so that all questions together cost
    ///   little more than the last.
    package func runsToMake(after times: [StraitCore.Duration], spent: StraitCore.Duration) -> Int {
        guard let first = times.first else { return 1 }
        // As long as the last ones took is how long the next will.
        let each = max(StraitCore.Duration(nanoseconds: 1), times.last ?? first)
        let room = Double((longestSpan - spent).nanoseconds) / Double(each.nanoseconds)
        guard room >= 1, times.count < Self.mostRuns else { return 0 }
        let isKnown =
            times.count >= leastRuns && spent >= leastSpan && RunTimes(times).medianError <= tolerance
        guard !isKnown else { return 0 }
        let wanted = times.count < leastRuns ? leastRuns - times.count : max(leastRuns, times.count / 2)
        return min(wanted, Int(min(room, Double(Self.mostRuns - times.count))))
    }
}
