// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices

/// What a stream's priority is worth: a small model beside a large one that never pauses.
enum PrioritiesPart: CheckPart {
    static let name = "priorities"
    static let title = "what stream priorities are worth"

    static func run(_ context: CheckContext, _ tables: CheckTables) throws {
        tables.begin(
            "priorities", ["model", "class", "beside", "beside_rows", "runs", "kernels_ms_p50", "kernels_ms_p95"])
        let device = try context.device { $0.usesPriorities = true }
        defer { device.stop() }
        guard device.laneCount > 1 else { throw CheckSkipped(description: "one lane only") }
        let models = try CheckedModel.all(context, on: device)
        let runner = LaneRunner(device)
        // The slowest at its largest batch is the neighbour.
        var slowest: (model: CheckedModel, time: Double)?
        for model in models {
            let batch = try model.batch(rows: model.sizes.last ?? 1, seed: 1, pool: context.pool)
            let time = TimeSummary(try runner.times(of: batch, runs: 5).map(\.kernels)).median
            if time > slowest?.time ?? 0 { slowest = (model, time) }
        }
        guard let neighbour = slowest?.model else { throw CheckSkipped(description: "no models") }
        let rows = neighbour.sizes.last ?? 1
        let beside = try neighbour.batch(rows: rows, seed: 2, lane: 1, as: .low, pool: context.pool)
        for model in models where model.name != neighbour.name {
            for requestClass in [RequestClass.low, .high] {
                let batch = try model.batch(rows: 1, seed: 1, as: requestClass, pool: context.pool)
                runner.begin(beside)
                let times: [MeasuredTimes]
                do {
                    times = try runner.times(of: batch, seconds: context.settings.secondsPerPoint)
                } catch {
                    try runner.finish(beside.lane)
                    throw error
                }
                try runner.finish(beside.lane)
                let kernels = TimeSummary(times.map(\.kernels))
                tables.add([
                    model.name, requestClass == .high ? "high" : "low", neighbour.name, "\(rows)", "\(kernels.count)",
                    thousandths(kernels.median), thousandths(kernels.p95),
                ])
            }
        }
    }
}
