// SPDX-License-Identifier: Apache-2.0

package import StraitCore
internal import StraitSimulation

/// A figure of a run.
package struct Metric: Sendable {
    /// How it is had from a run.
    enum Rule: Sendable {
        /// From counts of requests alone, so that it can be had from any choice of a run's blocks of time.
        case counts(@Sendable (RequestCounts) -> Double?)
        /// From the whole run only.
        case record(@Sendable (RunRecord) -> Double?)
    }

    /// Its name; two metrics of one name are the same.
    package let name: String
    let rule: Rule

    /// A figure that only the whole run has.
    package init(_ name: String, _ value: @escaping @Sendable (RunRecord) -> Double?) {
        self.name = name
        rule = .record(value)
    }

    private init(counts name: String, _ value: @escaping @Sendable (RequestCounts) -> Double?) {
        self.name = name
        rule = .counts(value)
    }

    /// The share of a class's requests that were not answered in time, in percent.
    package static func violation(_ requestClass: RequestClass) -> Metric {
        Metric(counts: "V \(requestClass.name)") { $0.violation(requestClass) * 100 }
    }

    /// The same of the model that fares worst in each run, in percent.
    package static func worstModel(_ requestClass: RequestClass) -> Metric {
        Metric(counts: "worst \(requestClass.name)") { $0.violations(requestClass).max().map { $0 * 100 } }
    }

    /// How many percentage points the worst model is above its class.
    package static func excess(_ requestClass: RequestClass) -> Metric {
        Metric(counts: "excess \(requestClass.name)") { counts in
            counts.violations(requestClass).max().map { ($0 - counts.violation(requestClass)) * 100 }
        }
    }

    /// Jain's index over a class's models, 1 when all fare alike.
    package static func jain(_ requestClass: RequestClass) -> Metric {
        Metric(counts: "Jain \(requestClass.name)") { Equity.jain($0.violations(requestClass).map { 1 - $0 }) }
    }

    /// The share of one model's requests that were not answered in time, in percent; by its place among the models.
    package static func violation(_ requestClass: RequestClass, model: Int) -> Metric {
        Metric(counts: "V \(requestClass.name) \(model)") { counts in
            guard model < counts.models else { return nil }
            return counts.violation(requestClass, model: model).map { $0 * 100 }
        }
    }

    /// How many percentage points low requests fare worse than high ones.
    package static let gap = Metric(counts: "gap") { ($0.violation(.low) - $0.violation(.high)) * 100 }

    /// The longest time in milliseconds in which requests of a model were there or had been refused, and none was served.
    package static func starvation(_ requestClass: RequestClass) -> Metric {
        Metric("starvation \(requestClass.name)") { $0[requestClass].longestStarvation }
    }

    /// The error of the predicted times from a batch's staging to its end, in percent.
    package static func predictionError(_ requestClass: RequestClass) -> Metric {
        Metric("error \(requestClass.name)") { $0[requestClass].prediction.error.map { $0 * 100 } }
    }

    /// Rows in a batch.
    package static let meanBatch = Metric("rows a batch") { $0.meanBatch }

    /// Device time that went into late or killed requests of both classes, in percent.
    package static let waste = Metric("waste") { ($0.high.waste + $0.low.waste) * 100 }

    /// The share of batches that ended within their 95 % bounds, in percent.
    package static func coverage95(_ requestClass: RequestClass) -> Metric {
        Metric("coverage 95 \(requestClass.name)") { $0[requestClass].prediction.p95.map { $0 * 100 } }
    }

    /// The share of batches that ended within their 99 % bounds, in percent.
    package static func coverage99(_ requestClass: RequestClass) -> Metric {
        Metric("coverage 99 \(requestClass.name)") { $0[requestClass].prediction.p99.map { $0 * 100 } }
    }

    /// The mean of q95/q50.
    package static func width(_ requestClass: RequestClass) -> Metric {
        Metric("width \(requestClass.name)") { $0[requestClass].prediction.width }
    }
}

/// Requests by class and model: all of a run's, or those of some blocks of time.
struct RequestCounts: Sendable {
    /// How many models there are.
    let models: Int
    /// Arrivals and met ones, turn by turn, for each model in high and then in low.
    var counts: [Int]

    init(models: Int) {
        self.models = models
        counts = Array(repeating: 0, count: models * 4)
    }

    private func place(_ requestClass: RequestClass, _ model: Int) -> Int {
        (requestClass.rawValue * models + model) * 2
    }

    /// nil where no requests came.
    func violation(_ requestClass: RequestClass, model: Int) -> Double? {
        let place = place(requestClass, model)
        return counts[place] > 0 ? 1 - Double(counts[place + 1]) / Double(counts[place]) : nil
    }

    /// Of the models that had requests.
    func violations(_ requestClass: RequestClass) -> [Double] {
        (0..<models).compactMap { violation(requestClass, model: $0) }
    }

    /// 0 where no requests came.
    func violation(_ requestClass: RequestClass) -> Double {
        var arrivals = 0
        var met = 0
        for model in 0..<models {
            arrivals += counts[place(requestClass, model)]
            met += counts[place(requestClass, model) + 1]
        }
        return arrivals > 0 ? 1 - Double(met) / Double(arrivals) : 0
    }
}
