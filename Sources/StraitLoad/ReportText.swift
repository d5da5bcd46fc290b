// SPDX-License-Identifier: Apache-2.0

extension LoadReport {
    /// The report for a person: a table, then what the load and the client did, then warnings.
    package var text: String {
        var table = TextTable(
            [
                "class", "model", "deadline", "sent", "in time", "%", "late", "refused", "failed", "p50 ms", "p95 ms",
                "p99 ms", "lag p99 ms",
            ], leftColumns: 2)
        for total in classTotals {
            for row in rows where row.requestClass == total.requestClass { table.append(row.cells) }
            if rows.count > classTotals.count { table.append(total.cells) }
        }
        if classTotals.count > 1 { table.append(total.cells) }
        var text = table.text + "\n" + summary
        for failure in failures { text += "Failed \(failure.count) ×: \(failure.message)\n" }
        for warning in warnings { text += "WARNING: \(warning)\n" }
        return text
    }

    private var summary: String {
        let seconds = decimal(offeredSeconds, 1)
        let offered =
            switch pace {
            case .openLoop(let rate):
                "Open loop: asked for \(decimal(rate, rate < 1 ? 3 : 1)) requests/s, sent \(total.sent) in \(seconds) s"
            case .closedLoop(let outstanding):
                "Closed loop: \(outstanding) outstanding, \(total.sent) sent in \(seconds) s"
            }
        let cpuShare = decimal(100 * clientCPUSeconds / offeredSeconds, 0)
        return """
            \(offered); \(decimal(answeredPerSecond, 1)) answers/s, \
            \(decimal(Double(total.inTime) / offeredSeconds, 1)) in time/s.
            Latency counts from the scheduled arrival; from the actual send it is p50 \
            \(decimal(total.serverLatency.p50, 2)), p99 \(decimal(total.serverLatency.p99, 2)) ms.
            Client: \(connections) connections, lag p99 \(decimal(total.clientLag.p99, 2)) ms, \(cpuShare) % of one core.

            """
    }
}

extension LoadReport.Row {
    fileprivate var cells: [String] {
        [
            requestClass?.name ?? "both", model ?? "all",
            deadline.map { decimal($0.inMilliseconds, 1) } ?? "–", "\(sent)", "\(inTime)", percentage(inTimeShare),
            "\(late)", "\(refused)", "\(failed)", decimal(latency.p50, 2), decimal(latency.p95, 2),
            decimal(latency.p99, 2), decimal(clientLag.p99, 2),
        ]
    }
}
