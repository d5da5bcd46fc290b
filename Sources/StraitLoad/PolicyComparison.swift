// SPDX-License-Identifier: Apache-2.0

internal import StraitProtocol

/// The same load under several policies, side by side.
package struct PolicyComparison: Sendable {
    /// What a model's deadlines rest on.
    package struct Basis: Sendable {
        /// The model.
        package let model: String
        /// Its median latency alone, in milliseconds.
        package let soloP50: Double
        /// The 99th percentile of its latency alone, in milliseconds.
        package let soloP99: Double
        /// The deadline of its high requests, in milliseconds.
        package let highDeadline: Double
        /// The deadline of its low requests, in milliseconds.
        package let lowDeadline: Double

        /// A model's basis.
        package init(model: String, soloP50: Double, soloP99: Double, highDeadline: Double, lowDeadline: Double) {
            self.model = model
            self.soloP50 = soloP50
            self.soloP99 = soloP99
            self.highDeadline = highDeadline
            self.lowDeadline = lowDeadline
        }
    }

    /// The share of high requests that must be in time for the second policy to have kept its word.
    package static let highGoal = 0.99

    /// The models, in the order they were driven.
    package let basis: [Basis]
    /// Requests a second that the server sustains.
    package let capacity: Double
    /// Requests a second that were offered.
    package let rate: Double
    /// Each policy with its report: the yardstick first.
    package let runs: [(policy: String, report: LoadReport)]

    /// A comparison of at least one run.
    package init(basis: [Basis], capacity: Double, rate: Double, runs: [(policy: String, report: LoadReport)]) {
        self.basis = basis
        self.capacity = capacity
        self.rate = rate
        self.runs = runs
    }

    /// The deadlines and what they rest on, one line a model.
    package var basisText: String {
        var table = TextTable(["model", "alone p50 ms", "p99 ms", "deadline high ms", "low ms"], leftColumns: 1)
        for entry in basis {
            table.append(
                [entry.model]
                    + [entry.soloP50, entry.soloP99, entry.highDeadline, entry.lowDeadline].map { decimal($0, 1) })
        }
        return table.text
    }

    /// One table of every policy, class and model, with totals.
    package var table: String {
        var table = TextTable(
            ["policy", "class", "model", "sent", "in time", "%", "late", "refused", "failed", "p50 ms", "p99 ms"],
            leftColumns: 3)
        for run in runs {
            for total in run.report.classTotals {
                for row in run.report.rows where row.requestClass == total.requestClass {
                    table.append(cells(run.policy, row))
                }
                table.append(cells(run.policy, total))
            }
            table.append(cells(run.policy, run.report.total))
        }
        return table.text
    }

    private func cells(_ policy: String, _ row: LoadReport.Row) -> [String] {
        [
            policy, row.requestClass?.name ?? "both", row.model ?? "all", "\(row.sent)", "\(row.inTime)",
            percentage(row.inTimeShare), "\(row.late)", "\(row.refused)", "\(row.failed)",
            decimal(row.latency.p50, 1), decimal(row.latency.p99, 1),
        ]
    }

    /// Whether the last policy kept the high class in time, and lost nothing against the first: in one sentence.
    package var verdict: String {
        guard let first = runs.first, let last = runs.last, runs.count > 1 else { return "Nothing to compare." }
        let high = last.report.classTotals.first { $0.requestClass == .high }?.inTimeShare
        let yardstickHigh = first.report.classTotals.first { $0.requestClass == .high }?.inTimeShare
        let highIsMet = (high ?? 1) >= Self.highGoal
        let sum = last.report.total.inTime
        let yardstick = first.report.total.inTime
        let totalIsMet = sum >= yardstick
        return """
            \(last.policy) kept \(percentage(high)) % of the high class in time (\(first.policy): \
            \(percentage(yardstickHigh)) %; the goal of \(decimal(Self.highGoal * 100, 0)) % is \
            \(highIsMet ? "met" : "MISSED")) and answered \(sum) requests of both classes in time against \
            \(yardstick) under \(first.policy) (\(totalIsMet ? "not fewer: met" : "fewer: MISSED")).
            """
    }

    /// Everything as one JSON object: capacity, basis, and for each policy its rows.
    package var json: String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("capacity_per_second", number: capacity)
        writer.member("offered_per_second", number: rate)
        writer.key("models")
        writer.beginArray()
        for entry in basis {
            writer.beginObject()
            writer.member("model", entry.model)
            writer.member("solo_p50_ms", number: entry.soloP50)
            writer.member("solo_p99_ms", number: entry.soloP99)
            writer.member("deadline_high_ms", number: entry.highDeadline)
            writer.member("deadline_low_ms", number: entry.lowDeadline)
            writer.endObject()
        }
        writer.endArray()
        writer.key("rows")
        writer.beginArray()
        for run in runs {
            for row in run.report.rows + run.report.classTotals + [run.report.total] {
                row.write(to: &writer, offeredSeconds: run.report.offeredSeconds, policy: run.policy)
            }
        }
        writer.endArray()
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self) + "\n"
    }
}
