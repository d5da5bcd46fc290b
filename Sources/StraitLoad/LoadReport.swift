// SPDX-License-Identifier: Apache-2.0

/// What a load came to: one row for each class and model, totals, and how far the generator itself can be trusted.
package struct LoadReport: Sendable {
    /// The requests of one class, one model, or both together.
    package struct Row: Sendable {
        /// The class; nil for both.
        package let requestClass: LoadClass?
        /// The model; nil for all.
        package let model: String?
        /// The deadline that its requests carried; nil for none, or for rows over several models.
        package let deadline: Duration?
        /// Requests scheduled in the measured part; the sum of the four outcomes.
        package let sent: Int
        /// Answered within the deadline.
        package let inTime: Int
        /// Answered after it.
        package let late: Int
        /// Refused.
        package let refused: Int
        /// Failed.
        package let failed: Int
        /// From the scheduled arrival to the end of the answer, of those answered.
        package let latency: Percentiles
        /// From the actual send to the end of the answer, of those answered.
        package let serverLatency: Percentiles
        /// From the scheduled arrival to the actual send.
        package let clientLag: Percentiles

        /// The share answered in time, 0…1; nil where nothing was sent.
        package var inTimeShare: Double? { sent > 0 ? Double(inTime) / Double(sent) : nil }
    }

    /// Percentiles in milliseconds; nil where there are no values.
    package struct Percentiles: Sendable, Equatable {
        /// The median.
        package let p50: Double?
        /// The 95th percentile.
        package let p95: Double?
        /// The 99th percentile.
        package let p99: Double?
        /// The largest value.
        package let maximum: Double?

        /// Of nanoseconds in any order.
        ///
        /// - Complexity: O(n log n).
        package init(ofNanoseconds values: [Int64]) {
            let sorted = values.sorted()
            func at(_ share: Double) -> Double? { percentile(share, ofSorted: sorted).map { Double($0) / 1e6 } }
            p50 = at(0.5)
            p95 = at(0.95)
            p99 = at(0.99)
            maximum = at(1)
        }
    }

    /// For each class, high first, and each model that the plan sends requests of that class to.
    package let rows: [Row]
    /// For each class, over all models.
    package let classTotals: [Row]
    /// Over everything.
    package let total: Row
    /// When requests were sent.
    package let pace: LoadPlan.Pace
    /// The length of the measured part in seconds.
    package let offeredSeconds: Double
    /// Answers a second within the measured part, late ones included.
    package let answeredPerSecond: Double
    /// Requests of the whole load, warm-up included.
    package let requestsStarted: Int
    /// The most connections open at one time.
    package let connections: Int
    /// Requests that had to wait for a free connection.
    package let waitedForConnection: Int
    /// Processor time of the generator's event loops over the measured part, in seconds.
    package let clientCPUSeconds: Double
    /// What failed requests came back with, most frequent first.
    package let failures: [(message: String, count: Int)]
    /// Reasons to distrust the numbers; empty when the client kept up.
    package let warnings: [String]

    /// The lag above which the client is called slow when no deadline gives the scale.
    package static let slowLag = Duration.milliseconds(2)
    /// The share of the smallest deadline that the client's own lag may use up.
    package static let slowLagShare = 0.1

    /// The report of a measurement taken under a plan.
    ///
    /// - Throws: ``LoadError`` of code `inconsistent` if a request has no outcome, or two.
    package init(plan: LoadPlan, measured: Measurement) throws(LoadError) {
        func row(
            _ requestClass: LoadClass?, _ model: String?, _ deadline: Duration?, _ tally: Tally
        ) -> Row {
            Row(
                requestClass: requestClass, model: model, deadline: deadline, sent: tally.sent, inTime: tally.inTime,
                late: tally.late, refused: tally.refused, failed: tally.failed,
                latency: Percentiles(ofNanoseconds: tally.latencies),
                serverLatency: Percentiles(ofNanoseconds: tally.serverLatencies),
                clientLag: Percentiles(ofNanoseconds: tally.lags))
        }
        var rows: [Row] = []
        var classTotals: [Row] = []
        var everything = Tally()
        for requestClass in LoadClass.allCases where plan.sends(requestClass) {
            var ofClass = Tally()
            for (index, target) in plan.targets.enumerated() {
                let tally = measured.tallies[Measurement.index(target: index, requestClass: requestClass)]
                guard tally.isBalanced else {
                    throw LoadError(
                        .inconsistent,
                        "\(target.model), \(requestClass.name): \(tally.sent) sent, but \(tally.inTime) in time, "
                            + "\(tally.late) late, \(tally.refused) refused, \(tally.failed) failed. "
                            + "This is a fault of the load generator: please report it.")
                }
                rows.append(row(requestClass, target.model, target.deadline(of: requestClass), tally))
                ofClass.merge(tally)
            }
            classTotals.append(row(requestClass, nil, nil, ofClass))
            everything.merge(ofClass)
        }
        self.rows = rows
        self.classTotals = classTotals
        total = row(nil, nil, nil, everything)
        pace = plan.pace
        offeredSeconds = plan.duration.inSeconds
        answeredPerSecond = Double(measured.answeredInWindow) / plan.duration.inSeconds
        requestsStarted = measured.requestsStarted
        connections = measured.connections
        waitedForConnection = measured.waitedForConnection
        clientCPUSeconds = measured.cpuSeconds
        failures = measured.failures.map { (message: $0.key, count: $0.value) }
            .sorted { ($1.count, $0.message) < ($0.count, $1.message) }
        warnings = Self.warnings(plan: plan, total: total, waited: measured.waitedForConnection)
    }

    private static func warnings(plan: LoadPlan, total: Row, waited: Int) -> [String] {
        var warnings: [String] = []
        if total.sent == 0 {
            warnings.append("Nothing was sent in the measured part: give a longer --duration or a higher rate.")
        }
        let lag = total.clientLag.p99 ?? 0
        let allowed = plan.smallestDeadline.map { $0.inMilliseconds * slowLagShare }
        if let allowed, lag > allowed {
            warnings.append(
                "The client was slow: 1 % of its requests left more than \(decimal(lag, 2)) ms after their instant, "
                    + "over 10 % of the smallest deadline. Latencies and misses include that; use more --threads, "
                    + "other --cores or a lower rate.")
        } else if lag > slowLag.inMilliseconds {
            warnings.append(
                "The client was slow: 1 % of its requests left more than \(decimal(lag, 2)) ms after their instant "
                    + "(expected at most \(decimal(slowLag.inMilliseconds, 0)) ms). Latencies include that.")
        }
        if waited > 0 {
            warnings.append(
                "\(waited) requests waited for a free connection (at most \(plan.maximumConnections)): "
                    + "raise --connections to see the server alone.")
        }
        return warnings
    }
}
