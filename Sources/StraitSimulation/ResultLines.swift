// SPDX-License-Identifier: Apache-2.0

package import StraitCore
internal import VirtualAccelerator

extension RunResult {
    /// One JSON object for each class, each on a line of its own, keys in a fixed order; times in milliseconds, shares
    /// between 0 and 1, null where there is nothing to tell. The same run gives the same bytes.
    ///
    /// The last keys, of a class and of each of its models, are about batches, which count as high if any of their
    /// requests is: `coverage_p95` and `coverage_p99` are the shares that ended within their bounds as of their staging,
    /// `width` is the mean of q95/q50. `killed` is the part of `waste` that went into batches that were killed.
    package var jsonLines: String { classes.map { line($0) + "\n" }.joined() }

    private func line(_ result: ClassResult) -> String {
        var line = JSONLine()
        line.add("scenario", scenario.name)
        line.add("policy", setup.name)
        line.add("seed", integer: seed)
        line.add("class", result.requestClass.name)
        line.add("arrivals", integer: result.arrivals)
        line.add("met", integer: result.met)
        line.add("late", integer: result.late)
        line.add("shed", integer: result.shed)
        line.add("violation", share: result.violation)
        line.add("p50_ms", result.latency.p50)
        line.add("p95_ms", result.latency.p95)
        line.add("p99_ms", result.latency.p99)
        line.add("jain", share: result.jain)
        line.add("worst_model_violation", share: result.worstModel?.violation)
        line.add("load", share: scenario.offeredLoad)
        line.add("arrival_process", scenario.arrivalsName)
        line.add("physics", scenario.physics.rawValue)
        line.add("change", scenario.changeName)
        line.add("devices", integer: scenario.devices)
        line.add("lanes", integer: setup.lanes)
        line.add("high_share", share: scenario.highShare)
        line.add("seconds", share: scenario.duration.seconds)
        line.add("worst_model", result.worstModel?.name)
        line.add("lateness_p50_ms", result.lateness.p50)
        line.add("lateness_p95_ms", result.lateness.p95)
        line.add("lateness_p99_ms", result.lateness.p99)
        line.add("waste", share: result.waste)
        line.add("longest_starvation_ms", result.models.map(\.longestStarvation).max())
        line.add("mean_batch", share: meanBatch)
        line.add("prediction_error", share: predictionError)
        line.add("prediction_bias", share: predictionBias)
        line.add("models", raw: "[" + result.models.map(object).joined(separator: ",") + "]")
        line.add(result.prediction.coverage)
        line.add("killed", share: result.killed)
        return line.text
    }

    private func object(_ model: ModelResult) -> String {
        var line = JSONLine()
        line.add("model", model.name)
        line.add("arrivals", integer: model.arrivals)
        line.add("met", integer: model.met)
        line.add("late", integer: model.late)
        line.add("shed", integer: model.shed)
        line.add("violation", share: model.violation)
        line.add("longest_starvation_ms", model.longestStarvation)
        line.add(model.prediction.coverage)
        return line.text
    }
}

extension RequestClass {
    /// What results call it.
    package var name: String { self == .high ? "high" : "low" }
}

/// An object on one line.
struct JSONLine {
    private var members = ""

    var text: String { "{" + members + "}" }

    mutating func add(_ key: String, raw value: String) {
        members += (members.isEmpty ? "" : ",") + "\"\(key)\":" + value
    }

    mutating func add(_ key: String, integer value: some BinaryInteger) { add(key, raw: "\(value)") }

    mutating func add(_ key: String, _ value: String?) { add(key, raw: value.map(quoted) ?? "null") }

    mutating func add(_ key: String, _ value: Duration?) {
        // Tenths of a microsecond, so that figures stay short.
        add(key, raw: value.map { "\(($0.milliseconds * 1e4).rounded() / 1e4)" } ?? "null")
    }

    mutating func add(_ key: String, share value: Double?) {
        guard let value, value.isFinite else { return add(key, raw: "null") }
        add(key, raw: "\((value * 1e6).rounded() / 1e6)")
    }

    /// The shares of batches that ended within their bounds, and the mean of q95/q50.
    mutating func add(_ coverage: Coverage) {
        add("coverage_p95", share: coverage.p95)
        add("coverage_p99", share: coverage.p99)
        add("width", share: coverage.width)
    }

    private func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
