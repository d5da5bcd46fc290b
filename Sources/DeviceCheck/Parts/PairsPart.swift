// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitPlatform

/// How much slower a model's batches are beside another model's.
enum PairsPart: CheckPart {
    static let name = "pairs"
    static let title = "how much slower models are beside each other"

    static func run(_ context: CheckContext, _ tables: CheckTables) throws {
        tables.begin(
            "pairs",
            [
                "model", "rows", "beside", "beside_rows", "runs", "alone_ms_p50", "together_ms_p50", "slowdown",
                "beside_share",
            ])
        let device = try context.device { $0.usesPriorities = false }
        defer { device.stop() }
        guard device.laneCount > 1 else { throw CheckSkipped(description: "one lane only") }
        let models = try CheckedModel.all(context, on: device)
        let runner = LaneRunner(device)
        let seconds = context.settings.secondsPerPoint / 2
        for model in models {
            var words: [String] = []
            for other in models {
                let (rows, otherRows) = (middle(model.sizes), middle(other.sizes))
                let batch = try model.batch(rows: rows, seed: 1, pool: context.pool)
                let beside = try other.batch(rows: otherRows, seed: 2, lane: 1, pool: context.pool)
                // Alone just before, so that a clock that changes does not pass for a neighbour.
                let alone = TimeSummary(try runner.times(of: batch, seconds: seconds).map(\.kernels))
                let start = MonotonicClock.nanoseconds()
                runner.begin(beside)
                let together: TimeSummary
                do {
                    together = TimeSummary(try runner.times(of: batch, seconds: seconds).map(\.kernels))
                } catch {
                    try runner.finish(beside.lane)
                    throw error
                }
                let elapsed = MonotonicClock.nanoseconds() - start
                let busy = try runner.finish(beside.lane).reduce(0) { $0 + $1.kernels.nanoseconds }
                let slowdown = together.median / alone.median
                tables.add([
                    model.name, "\(rows)", other.name, "\(otherRows)", "\(together.count)", thousandths(alone.median),
                    thousandths(together.median), thousandths(slowdown),
                    thousandths(min(1, Double(busy) / Double(max(1, elapsed)))),
                ])
                words.append("\(other.name) \(thousandths(slowdown))")
            }
            context.say("  \(model.name) beside \(words.joined(separator: ", "))")
        }
    }

    private static func middle(_ sizes: [Int]) -> Int { sizes[sizes.count / 2] }
}
