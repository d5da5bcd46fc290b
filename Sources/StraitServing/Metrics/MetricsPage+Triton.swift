// SPDX-License-Identifier: Apache-2.0

internal import StraitTelemetry

// The same numbers by Triton's names, so that boards that were made for it show something. Triton's units, too.

extension MetricsPage {
    private static let microsecond: UInt64 = 1000

    /// Triton's families of inference requests. Those of its GPUs, its cache and its memory pools are not told.
    mutating func writeTriton() {
        var totals = metrics.meter.models.rows.map(\.gone)
        var pending = [Int](repeating: 0, count: totals.count)
        for model in metrics.models {
            totals[model.row].add(model.totals)
            pending[model.row] += model.waiting
        }
        let rows = rows
        family("nv_inference_request_success", "Requests answered with results.", rows) { page, row in
            page.count(row, [.met, .late])
        }
        text.family("nv_inference_request_failure", .foreignCounter, "Requests without results, by whose fault.")
        for row in rows {
            for (reason, ends) in Self.failures {
                text.sample(labels(row) + [("reason", reason)], count(row, ends))
            }
        }
        family("nv_inference_count", "Rows inferred.", rows) { _, row in totals[row].inferences }
        family("nv_inference_exec_count", "Batches executed.", rows) { _, row in totals[row].executions }
        family("nv_inference_request_duration_us", "From arrival to answer, microseconds in all.", rows) { _, row in
            totals[row].request / Self.microsecond
        }
        family("nv_inference_queue_duration_us", "Waiting, microseconds in all.", rows) { _, row in
            totals[row].queue / Self.microsecond
        }
        family("nv_inference_compute_input_duration_us", "Gathering inputs, microseconds in all.", rows) { _, row in
            totals[row].computeInput / Self.microsecond
        }
        family("nv_inference_compute_infer_duration_us", "Running models, microseconds in all.", rows) { _, row in
            totals[row].computeInfer / Self.microsecond
        }
        family("nv_inference_compute_output_duration_us", "Giving out results, microseconds in all.", rows) { _, row in
            totals[row].computeOutput / Self.microsecond
        }
        text.family("nv_inference_pending_request_count", .gauge, "Requests that wait.")
        for row in rows { text.sample(labels(row), UInt64(max(0, pending[row]))) }
    }

    /// Triton's reasons.
    private static let failures: [(String, [RequestEnd])] = [
        (
            "REJECTED",
            [
                .hopelessOnArrival, .hopelessInQueue, .queueFull, .modelQueueFull, .modelUnloaded, .modelUnavailable,
                .draining, .noMemory, .tenantLimit,
            ]
        ),
        ("CANCELED", [.cancelled]), ("BACKEND", [.failed]), ("OTHER", [.malformed, .unknownModel, .tooLarge, .denied]),
    ]

    private mutating func family(
        _ name: String, _ help: String, _ rows: [Int], _ value: (MetricsPage, Int) -> UInt64
    ) {
        text.family(name, .foreignCounter, help)
        for row in rows {
            let value = value(self, row)
            text.sample(labels(row), value)
        }
    }

    /// Requests of a row that have ended in one of several ways.
    private func count(_ row: Int, _ ends: [RequestEnd]) -> UInt64 {
        ends.reduce(0) { sum, end in
            CountedClass.allCases.reduce(sum) { $0 &+ metrics.meter.ends[row, EngineMeter.column(end, $1)] }
        }
    }
}
