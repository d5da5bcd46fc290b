// SPDX-License-Identifier: Apache-2.0

internal import StraitProtocol

extension LoadReport {
    /// The report for a program: an array with one object for each class and model, in a fixed order of keys.
    ///
    /// Times are milliseconds, null where nothing was answered.
    package var json: String {
        var writer = JSONWriter()
        writer.beginArray()
        for row in rows { row.write(to: &writer, offeredSeconds: offeredSeconds, policy: nil) }
        writer.endArray()
        return String(decoding: writer.bytes, as: UTF8.self) + "\n"
    }
}

extension LoadReport.Row {
    /// Writes the row as one object, with the policy first if there is one to tell.
    func write(to writer: inout JSONWriter, offeredSeconds: Double, policy: String?) {
        writer.beginObject()
        if let policy { writer.member("policy", policy) }
        writer.member("class", requestClass?.name ?? "both")
        writer.member("model", model ?? "all")
        writer.member("sent", sent)
        writer.member("in_time", inTime)
        writer.member("late", late)
        writer.member("refused", refused)
        writer.member("failed", failed)
        writer.member("p50_ms", number: latency.p50)
        writer.member("p95_ms", number: latency.p95)
        writer.member("p99_ms", number: latency.p99)
        writer.member("client_lag_p99_ms", number: clientLag.p99)
        writer.member("max_ms", number: latency.maximum)
        writer.member("from_send_p50_ms", number: serverLatency.p50)
        writer.member("from_send_p95_ms", number: serverLatency.p95)
        writer.member("from_send_p99_ms", number: serverLatency.p99)
        writer.member("deadline_ms", number: deadline?.inMilliseconds)
        writer.member("offered_seconds", number: offeredSeconds)
        writer.endObject()
    }
}

extension JSONWriter {
    /// Writes a member with a number; null for none.
    mutating func member(_ name: String, number value: Double?) {
        key(name)
        // The writer has null for what is not a number.
        number(value ?? .nan)
    }
}
