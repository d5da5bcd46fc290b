// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitTensor

/// How long batches take alone.
enum SoloPart: CheckPart {
    static let name = "solo"
    static let title = "how long batches take alone"

    static func run(_ context: CheckContext, _ tables: CheckTables) throws {
        tables.begin(
            "solo",
            [
                "model", "rows", "runs", "kernels_ms_p50", "kernels_ms_p95", "copy_in_ms_p50", "copy_in_ms_p95",
                "copy_out_ms_p50", "copy_out_ms_p95", "bytes_in", "bytes_out",
            ])
        let device = try context.device(lanes: 1)
        defer { device.stop() }
        let models = try CheckedModel.all(context, on: device)
        let runner = LaneRunner(device)
        for model in models {
            var words: [String] = []
            for rows in model.sizes {
                let batch = try model.batch(rows: rows, seed: context.settings.seed, pool: context.pool)
                let times = try runner.times(of: batch, seconds: context.settings.secondsPerPoint)
                let outputs = try runner.once(batch).outputs[0].get()
                let kernels = TimeSummary(times.map(\.kernels))
                let (copyIn, copyOut) = (TimeSummary(times.map(\.copyIn)), TimeSummary(times.map(\.copyOut)))
                tables.add(
                    [model.name, "\(rows)", "\(kernels.count)"]
                        + [kernels, copyIn, copyOut].flatMap { [thousandths($0.median), thousandths($0.p95)] }
                        + [
                            "\(batch.parts[0].inputs.reduce(0) { $0 + $1.range.count })",
                            "\(outputs.reduce(0) { $0 + $1.range.count })",
                        ])
                words.append("\(rows): \(thousandths(kernels.median))")
            }
            context.say("  \(model.name): ms of kernels by rows: \(words.joined(separator: ", "))")
        }
    }
}
