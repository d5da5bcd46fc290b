// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import VirtualAccelerator

extension ScenarioFile {
    static let mostModels = 256
    private static let modelKeys = [
        "name", "base_ms", "per_row_ms", "maximum_rows", "reference_rows", "bytes_in_per_row", "bytes_out_per_row",
        "pinned", "demand", "cache_sensitivity", "phases", "weight", "high_share",
    ]

    private static let bytes = 0...1_000_000_000_000
    private static let weights = 0.0...1_000_000
    /// Kernels of one row take at least a microsecond, or no number of requests would fill the device.
    private static let shortestRow: Int64 = 1_000
    /// The largest batch takes at most ten seconds, so that a run ends soon after its last request.
    private static let longestBatch = Duration.seconds(10)

    static func models(_ nodes: [YAMLNode], of fields: YAMLFields) throws(SimulationError) -> [SimulatedModel] {
        var models: [SimulatedModel] = []
        var names: Set<String> = []
        for (index, node) in nodes.enumerated() {
            let fields = try fields.fields(of: node, at: "models", index, known: modelKeys)
            let model = try model(fields, index: index)
            guard names.insert(model.kernels.name).inserted else {
                throw fields.failure("name", "expected a name of its own, found that of another model")
            }
            models.append(model)
        }
        return models
    }

    private static func model(_ fields: YAMLFields, index: Int) throws(SimulationError) -> SimulatedModel {
        guard let demand = try fields.fields("demand", known: demandKeys) else {
            throw fields.failure("demand", "missing; expected keys out of \(demandKeys.joined(separator: ", "))")
        }
        let maximumRows = try fields.whole("maximum_rows", in: 1...4096)
        let kernels = KernelModel(
            name: try fields.text("name"), baseTime: try time("base_ms", of: fields),
            timePerRow: try time("per_row_ms", of: fields), maximumRows: maximumRows,
            bytesInPerRow: try fields.whole("bytes_in_per_row", in: bytes),
            bytesOutPerRow: try fields.whole("bytes_out_per_row", in: bytes, or: 4_000),
            isPinned: try fields.bool("pinned", or: true),
            demand: try self.demand(demand),
            cacheSensitivity: try fields.number("cache_sensitivity", in: share),
            seed: try fields.whole("phases", in: 0...UInt64.max, or: UInt64(index + 1)))
        guard kernels.soloTime(rows: 1) >= shortestRow else {
            throw fields.failure("base_ms", "expected base_ms + per_row_ms of at least 0.001")
        }
        guard kernels.soloTime(rows: maximumRows) <= longestBatch.nanoseconds else {
            throw fields.failure("per_row_ms", "expected base_ms + per_row_ms × maximum_rows of at most 10000")
        }
        var model = SimulatedModel(
            kernels,
            referenceRows: try fields.whole("reference_rows", in: 1...maximumRows, or: min(8, maximumRows)))
        model.weight = try fields.number("weight", in: weights, or: model.weight)
        if fields.has("high_share") { model.highShare = try fields.number("high_share", in: share) }
        return model
    }

    static let demandKeys = ["compute", "bandwidth", "cache"]

    static func demand(_ fields: YAMLFields) throws(SimulationError) -> ResourceDemand {
        ResourceDemand(
            compute: try fields.number("compute", in: share), bandwidth: try fields.number("bandwidth", in: share),
            cache: try fields.number("cache", in: share))
    }
}
