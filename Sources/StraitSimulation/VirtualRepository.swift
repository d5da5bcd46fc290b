// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import VirtualAccelerator

/// A scenario's models as a repository that a server can serve on virtual devices, and the scenario's requests as what a
/// load generator is told: so that server and simulator can be compared on the same.
package struct VirtualRepository: Sendable {
    private let scenario: Scenario

    /// - Throws: `badPlan` for a scenario whose requests a load generator cannot make.
    package init(_ scenario: Scenario) throws(SimulationError) {
        func require(_ holds: Bool, _ reason: String) throws(SimulationError) {
            if !holds { throw SimulationError(.badPlan, "Scenario \(scenario.name) cannot be served: \(reason).") }
        }
        try require(scenario.arrivals == .poisson && scenario.trace == nil, "its requests do not come as Poisson's do")
        try require(scenario.closedLoop.isEmpty, "it has clients that wait for their answers")
        try require(scenario.models.allSatisfy { $0.highShare == nil }, "its models have shares of high requests each")
        try require(scenario.models.allSatisfy { $0.kernels.times.isEmpty }, "its models' times are measured ones")
        self.scenario = scenario
    }

    /// For each model its name and its config.pbtxt. On the wire a row is one number, and so is its answer.
    package var configurations: [(name: String, text: String)] {
        scenario.models.map { model in
            let kernels = model.kernels
            let costs = [
                ("base_ms", Self.milliseconds(kernels.baseTime)), ("row_ms", Self.milliseconds(kernels.timePerRow)),
                ("input_bytes", "\(kernels.bytesInPerRow)"), ("output_bytes", "\(kernels.bytesOutPerRow)"),
                ("compute", "\(kernels.demand.compute)"), ("bandwidth", "\(kernels.demand.bandwidth)"),
                ("cache", "\(kernels.demand.cache)"), ("cache_sensitivity", "\(kernels.cacheSensitivity)"),
                ("pinned", "\(kernels.isPinned)"), ("phases", "\(kernels.seed)"),
            ]
            let parameters = costs.map { name, value in
                "  { key: \"strait.virtual_\(name)\" value { string_value: \"\(value)\" } }"
            }
            return (
                kernels.name,
                """
                # Of the simulator's scenario \(scenario.name); it has no model.onnx.
                max_batch_size: \(kernels.maximumRows)
                input [ { name: "input" data_type: TYPE_FP32 dims: [ 1 ] } ]
                output [ { name: "output" data_type: TYPE_FP32 dims: [ 1 ] } ]
                parameters [
                \(parameters.joined(separator: ",\n"))
                ]

                """
            )
        }
    }

    /// The scenario's requests in one line of JSON: how many a second, which share is high, and for each model its share
    /// and its deadlines, of ranges the middle.
    package var load: String {
        let rates = scenario.arrivalRates(weights: scenario.models.map(\.weight))
        let total = rates.reduce(0, +)
        let models = scenario.models.indices.map { index in
            func deadline(_ range: ClosedRange<Double>) -> String {
                let middle = (range.lowerBound + range.upperBound) / 2
                return Self.milliseconds(scenario.deadline(of: index, factor: middle).nanoseconds)
            }
            return "{\"name\":\"\(scenario.models[index].kernels.name)\",\"share\":\(rates[index] / total),"
                + "\"high_ms\":\(deadline(scenario.deadlineFactor.high)),"
                + "\"low_ms\":\(deadline(scenario.deadlineFactor.low))}"
        }
        return "{\"scenario\":\"\(scenario.name)\",\"load\":\(scenario.load),\"requests_per_second\":\(total),"
            + "\"high_share\":\(scenario.highShare),\"models\":[\(models.joined(separator: ","))]}"
    }

    /// Exactly, as far as a Double goes.
    private static func milliseconds(_ nanoseconds: Int64) -> String { "\(Double(nanoseconds) / 1e6)" }
}
