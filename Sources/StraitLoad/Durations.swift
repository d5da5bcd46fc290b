// SPDX-License-Identifier: Apache-2.0

extension Duration {
    /// Whole nanoseconds; durations here are bounded by ``LoadPlan/maximumDuration``, so nothing overflows.
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }

    /// As a fraction of seconds.
    package var inSeconds: Double { Double(nanoseconds) / 1e9 }

    /// As a fraction of milliseconds.
    package var inMilliseconds: Double { Double(nanoseconds) / 1e6 }

    /// From a fraction of milliseconds; what exceeds ``LoadPlan/maximumDuration`` by far is cut to twice that.
    package static func fractionalMilliseconds(_ value: Double) -> Duration {
        .nanoseconds(Int64(min(value * 1e6, 2 * LoadPlan.maximumDuration.inSeconds * 1e9)))
    }

    /// Reads `10s`, `500ms`, `2m` or a plain number of seconds.
    ///
    /// - Throws: ``LoadError`` of code `badPlan`.
    package init(text: String) throws(LoadError) {
        // `ms` before `s` and `m`, whose suffixes it shares.
        let units: [(suffix: String, milliseconds: Double)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("", 1000)]
        for unit in units where text.hasSuffix(unit.suffix) {
            guard let value = Double(text.dropLast(unit.suffix.count)), value >= 0, value.isFinite else { break }
            self = .fractionalMilliseconds(value * unit.milliseconds)
            return
        }
        throw LoadError(.badPlan, "\"\(text)\" is not a duration: expected such as 10s, 500ms or 2m.")
    }
}
