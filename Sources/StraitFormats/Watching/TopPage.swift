// SPDX-License-Identifier: Apache-2.0

/// What `strait top` shows: a server's state (the answer to `GET /v2/strait/state`) as lines of text.
package struct TopPage: Sendable {
    /// A line, and whether it is the head of a table.
    package struct Line: Sendable, Hashable {
        /// The text, without a line end.
        package var text: String
        /// Whether it names columns.
        package var isHead = false
    }

    private let state: JSONNode

    /// A page for a state as it was read.
    package init(_ state: JSONNode) { self.state = state }

    /// The lines, none longer than `width` characters, and no more than `height` of them.
    ///
    /// - Complexity: O(text).
    package func lines(width: Int, height: Int = .max) -> [Line] {
        var lines = [Line(text: TextColumns.cut(title, width))]
        lines += table(classes, width)
        lines.append(Line(text: TextColumns.cut(predictions, width)))
        if state["predictions"]?["alert"]?.bool == true {
            let words = "ALERT: predictions do not hold their bounds, so one batch runs at a time"
            lines.append(Line(text: TextColumns.cut(words, width)))
        }
        let devices = table(self.devices, width)
        lines.append(Line(text: ""))
        lines += shortened(devices, to: max(Self.leastRows, height / 2 - 2), "lanes")
        if let reasons = outOfService { lines.append(Line(text: TextColumns.cut(reasons, width))) }
        lines.append(Line(text: ""))
        lines += shortened(table(models, width), to: max(Self.leastRows, height - lines.count), "models")
        return Array(lines.prefix(height))
    }

    /// Rows that a table keeps even where there is no room.
    private static let leastRows = 2

    private func table(_ columns: [TextColumns.Column], _ width: Int) -> [Line] {
        TextColumns(columns).lines(width: width).enumerated().map { Line(text: $0.element, isHead: $0.offset == 0) }
    }

    private func shortened(_ lines: [Line], to height: Int, _ things: String) -> [Line] {
        guard lines.count > height else { return lines }
        return lines.prefix(height - 1) + [Line(text: "and \(lines.count - height + 1) more \(things)")]
    }

    // -- words ----------------------------------------------------------------------------------------------------

    private var title: String {
        let server = state["server"]
        let name = "\(server?["name"]?.text ?? "?") \(server?["version"]?.text ?? "?")"
        let memory = state["tensor_memory"]
        let tensors =
            "tensors \(number(memory?["bytes"]?.double.map { $0 / 1_048_576 }, 0)) of "
            + "\(number(memory?["budget"]?.double.map { $0 / 1_048_576 }, 0)) MiB"
        let at = server?["at"]?.text?.split(separator: "T").last?.prefix(8)
        let parts: [String?] = [
            name, "policy \(server?["policy"]?.text ?? "?")", "\(at ?? "?") UTC",
            "last \(number(state["window_s"]?.double, 1)) s", tensors,
            server?["ready"]?.bool == false ? "DRAINING" : nil,
        ]
        return parts.compactMap(\.self).joined(separator: "   ")
    }

    private var predictions: String {
        let classes = state["predictions"]?["classes"]?.elements ?? []
        let parts = classes.map { one in
            let count = one["predictions"]?.double ?? 0
            guard count > 0 else { return "\(one["class"]?.text ?? "?") none yet" }
            return "\(one["class"]?.text ?? "?") \(percent(one["within95"]?.double)) of \(number(count, 0))"
        }
        let alert =
            state["predictions"]?["alert"]?.bool == true ? "   ALERT: bounds do not hold, one batch at a time" : ""
        return "predictions within their 95 % bound: \(parts.joined(separator: ", "))\(alert)"
    }

    private var outOfService: String? {
        let away = (state["devices"]?.elements ?? []).filter { $0["serving"]?.bool == false }
        guard !away.isEmpty else { return nil }
        return "OUT OF SERVICE: "
            + away.map { "\($0["device"]?.text ?? "?"): \($0["reason"]?.text ?? "?")" }.joined(separator: "; ")
    }

    // -- tables ---------------------------------------------------------------------------------------------------

    private var classes: [TextColumns.Column] {
        let rows = state["classes"]?.elements ?? []
        func column(
            _ title: String, _ expendable: Int = 0, _ cell: (JSONNode) -> String
        ) -> TextColumns.Column { TextColumns.Column(title: title, expendable: expendable, cells: rows.map(cell)) }
        return [
            TextColumns.Column(title: "class", isText: true, cells: rows.map { $0["class"]?.text ?? "?" }),
            column("in time") { percent($0["in_time_share"]?.double) },
            column("arrive/s") { number($0["arrived_per_s"]?.double, 1) },
            column("waiting") { number($0["waiting"]?.double, 0) },
            column("oldest") { milliseconds($0["oldest_ms"]?.double) },
            column("work", 2) { milliseconds($0["queued_ms"]?.double) },
            column("running", 1) { number($0["running"]?.double, 0) },
            column("late") { number($0["late"]?.double, 0) }, column("shed") { number($0["shed"]?.double, 0) },
            column("failed", 3) { number($0["failed"]?.double, 0) },
            column("in all", 4) { number($0["totals"]?["arrived"]?.double, 0) },
        ]
    }

    private var devices: [TextColumns.Column] {
        var (names, lanes, busy, runs, done, bound): ([String], [String], [String], [String], [String], [String]) =
            ([], [], [], [], [], [])
        for device in state["devices"]?.elements ?? [] {
            for (index, lane) in (device["lanes"]?.elements ?? []).enumerated() {
                names.append(index == 0 ? device["device"]?.text ?? "?" : "")
                lanes.append(number(lane["lane"]?.double, 0))
                busy.append(percent(lane["busy"]?.double, 0))
                let batch = lane["batch"]
                runs.append(
                    batch.map { batch in
                        let rows = number(batch["rows"]?.double, 0)
                        return "\(batch["model"]?.text ?? "?") \(batch["class"]?.text ?? "") ×\(rows)"
                    } ?? (device["serving"]?.bool == false ? "out of service" : "–"))
                done.append(batch.map { milliseconds($0["predicted_in_ms"]?.double) } ?? "")
                bound.append(batch.map { milliseconds($0["bound95_in_ms"]?.double) } ?? "")
            }
        }
        return [
            TextColumns.Column(title: "device", isText: true, cells: names), .init(title: "lane", cells: lanes),
            .init(title: "busy", cells: busy), .init(title: "runs", isText: true, cells: runs),
            .init(title: "done in", cells: done), .init(title: "95 % by", expendable: 1, cells: bound),
        ]
    }

    private var models: [TextColumns.Column] {
        let rows = state["models"]?.elements ?? []
        func column(
            _ title: String, _ expendable: Int = 0, _ cell: (JSONNode) -> String
        ) -> TextColumns.Column { TextColumns.Column(title: title, expendable: expendable, cells: rows.map(cell)) }
        let names = rows.map { row in
            let version = row["version"]?.double ?? 1
            return (row["model"]?.text ?? "?") + (version == 1 ? "" : " v\(number(version, 0))")
        }
        return [
            TextColumns.Column(title: "model", isText: true, cells: names),
            column("arrive/s") { number($0["arrived_per_s"]?.double, 1) },
            column("in time") { percent($0["in_time_share"]?.double) },
            column("late") { number($0["late"]?.double, 0) }, column("shed") { number($0["shed"]?.double, 0) },
            column("p50") { milliseconds($0["p50_ms"]?.double) }, column("p99") { milliseconds($0["p99_ms"]?.double) },
            column("rows/batch", 1) { number($0["rows_per_batch"]?.double, 1) },
            column("waiting", 2) { number($0["waiting"]?.double, 0) },
            TextColumns.Column(title: "shed for", isText: true, expendable: 3, cells: rows.map(reasons)),
        ]
    }

    /// Why requests of a model were shed, the reasons that there were.
    private func reasons(_ model: JSONNode) -> String {
        (model["shed_by_reason"]?.members ?? []).compactMap { member in
            guard let count = member.value.double, count > 0 else { return nil }
            return "\(member.key) \(number(count, 0))"
        }.joined(separator: ", ")
    }

    // -- numbers --------------------------------------------------------------------------------------------------

    private func number(_ value: Double?, _ digits: Int) -> String {
        guard let value, value.isFinite, value.magnitude < 1e12 else { return "–" }
        let scale = digits == 0 ? 1.0 : digits == 1 ? 10 : 100
        let scaled = Int64((value * scale).rounded())
        guard digits > 0 else { return "\(scaled)" }
        let rest = "\(scaled.magnitude % UInt64(scale))"
        let sign = scaled < 0 ? "-" : ""
        return "\(sign)\(scaled.magnitude / UInt64(scale))."
            + String(repeating: "0", count: digits - rest.count) + rest
    }

    private func percent(_ share: Double?, _ digits: Int = 1) -> String {
        share.map { "\(number($0 * 100, digits)) %" } ?? "–"
    }

    private func milliseconds(_ value: Double?) -> String {
        guard let value else { return "–" }
        switch abs(value) {
        case ..<100: return "\(number(value, 1)) ms"
        case ..<10_000: return "\(number(value, 0)) ms"
        default: return "\(number(value / 1000, 1)) s"
        }
    }
}
