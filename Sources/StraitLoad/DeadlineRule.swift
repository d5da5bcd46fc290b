// SPDX-License-Identifier: Apache-2.0

/// How the demonstration sets deadlines from what it measured.
///
/// A deadline is a multiple of the model's own latency, so that each model is as pressed as the others, plus the
/// longest batch of any model, which may hold the device when a request arrives and is never preempted.
package enum DeadlineRule {
    /// High requests get this many times the 99th percentile of the model's latency alone.
    package static let highFactor = 5.0
    /// Low requests get this many times it.
    package static let lowFactor = 15.0

    /// The deadlines of each model, in milliseconds, from the 99th percentiles of their latencies alone.
    package static func deadlines(soloP99: [Double]) -> [(high: Double, low: Double)] {
        let longest = soloP99.max() ?? 0
        return soloP99.map { (high: highFactor * $0 + longest, low: lowFactor * $0 + longest) }
    }
}
