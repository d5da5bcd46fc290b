// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitTelemetry

/// Writes an engine's numbers as families of metrics. docs/metrics.md tells what each means.
struct MetricsPage {
    let metrics: EngineMetrics
    var text: Exposition

    private var meter: EngineMeter { metrics.meter }
    private typealias Label = Exposition.Label

    /// Rows that have something to tell: row 0 only if something is in it.
    var rows: [Int] {
        meter.models.rows.indices.filter { row in
            row != ModelRows.other
                || RequestEnd.allCases.contains { end in
                    CountedClass.allCases.contains { meter.ends[row, EngineMeter.column(end, $0)] > 0 }
                }
        }
    }

    /// The labels of a row.
    func labels(_ row: Int) -> [Exposition.Label] {
        let model = meter.models.rows[row]
        return [("model", model.name), ("version", row == ModelRows.other ? "" : String(model.version))]
    }

    static func label(_ requestClass: RequestClass) -> Exposition.Label { ("class", "\(requestClass)") }

    /// All families.
    mutating func writeEngine() {
        writeRequests()
        writeQueues()
        writeBatches()
        writeDevices()
        writePredictions()
        writeScheduler()
    }

    private mutating func writeRequests() {
        text.family("strait_requests", .counter, "Requests that have ended, by how and why.")
        for row in rows {
            for countedClass in CountedClass.allCases {
                for end in RequestEnd.allCases {
                    let count = meter.ends[row, EngineMeter.column(end, countedClass)]
                    let isUsual = end.isUsual && countedClass != .unknown && row != ModelRows.other
                    guard isUsual || count > 0 else { continue }
                    text.sample(
                        labels(row) + [
                            ("class", countedClass.name), ("outcome", end.outcome), ("reason", end.reason),
                        ], count)
                }
            }
        }
        text.family("strait_requests_admitted", .counter, "Requests that were handed to the scheduler.")
        for (index, numbers) in metrics.classes.enumerated() {
            text.sample([Self.label(at: index)], UInt64(numbers.counters.arrived))
        }
        text.family("strait_requests_open", .gauge, "Requests that were handed to the scheduler and have not ended.")
        for (index, numbers) in metrics.classes.enumerated() {
            text.sample([Self.label(at: index)], UInt64(numbers.counters.arrived - numbers.counters.ended))
        }
        text.family(
            "strait_request_latency_seconds", .histogram, unit: "seconds",
            "From arrival to answer, of requests that were answered with results.")
        for row in rows {
            for requestClass in RequestClass.allCases {
                text.histogram(
                    labels(row) + [Self.label(requestClass)], meter.latency,
                    row: row * RequestClass.allCases.count + requestClass.rawValue, scale: .nanoseconds)
            }
        }
        write(
            meter.lateness, "strait_request_lateness_seconds", .nanoseconds, unit: "seconds",
            "How long past their deadlines late answers came.")
        write(
            meter.slack, "strait_request_slack_seconds", .nanoseconds, unit: "seconds",
            "How long before their deadlines answers came that were in time.")
    }

    private static func label(at index: Int) -> Exposition.Label { label(RequestClass.allCases[index]) }

    /// A histogram for each class.
    private mutating func write(
        _ histograms: Histograms, _ name: String, _ scale: Exposition.Scale, unit: String? = nil, _ help: String
    ) {
        text.family(name, .histogram, unit: unit, help)
        for requestClass in RequestClass.allCases {
            text.histogram([Self.label(requestClass)], histograms, row: requestClass.rawValue, scale: scale)
        }
    }

    private mutating func writeQueues() {
        text.family("strait_queue_requests", .gauge, "Requests that wait.")
        for (index, numbers) in metrics.classes.enumerated() {
            text.sample([Self.label(at: index)], UInt64(numbers.waiting))
        }
        text.family(
            "strait_queue_oldest_age_seconds", .gauge, unit: "seconds",
            "How long the request has waited that has waited for the longest; 0 where none waits.")
        for (index, numbers) in metrics.classes.enumerated() {
            text.sample([Self.label(at: index)], max(0, numbers.oldest.seconds))
        }
    }

    private mutating func writeBatches() {
        text.family("strait_batches", .counter, "Batches that were given back by their devices, by how.")
        for row in rows {
            for end in EngineMeter.BatchEnd.allCases {
                text.sample(labels(row) + [("outcome", "\(end)")], meter.batches[row, end.rawValue])
            }
        }
        text.family("strait_batch_rows", .histogram, "Rows of batches that were handed to devices.")
        for row in rows { text.histogram(labels(row), meter.batchRows, row: row, scale: .one) }
    }

    private mutating func writeDevices() {
        let devices = Array(zip(metrics.devices, meter.devices).enumerated())
        text.family("strait_device", .info, "Devices, by their numbers.")
        for (index, (device, _)) in devices {
            text.sample([("device", String(index)), ("name", device.name)], UInt64(1))
        }
        text.family("strait_device_in_service", .gauge, "Whether batches are put on a device (1) or not (0).")
        for (index, (device, _)) in devices {
            text.sample([("device", String(index))], UInt64(device.isServing ? 1 : 0))
        }
        text.family("strait_device_removals", .counter, "How often a device was taken out of service.")
        for (index, (device, _)) in devices { text.sample([("device", String(index))], UInt64(device.removals)) }
        text.family("strait_device_lanes", .gauge, "Batches that a device can run at the same time.")
        for (index, (device, _)) in devices { text.sample([("device", String(index))], UInt64(device.lanes)) }
        text.family("strait_device_busy_lanes", .gauge, "Lanes that batches hold.")
        for (index, (device, _)) in devices { text.sample([("device", String(index))], UInt64(device.busy)) }
        text.family(
            "strait_device_busy_lane_seconds", .counter, unit: "seconds",
            "The time that lanes were held, added up over a device's lanes.")
        for (index, (_, used)) in devices {
            let busy = used.busyNanoseconds(until: metrics.at)
            text.sample([("device", String(index))], Exposition.Scale.nanoseconds.value(busy))
        }
        text.family(
            "strait_device_kernel_seconds", .counter, unit: "seconds",
            "The time that models ran, as the device measured it, added up over lanes.")
        for (index, (_, used)) in devices {
            text.sample([("device", String(index))], Exposition.Scale.nanoseconds.value(used.kernels))
        }
        text.family(
            "strait_device_copy_seconds", .counter, unit: "seconds",
            "The time that copies took, gathering rows included, as the device measured it.")
        for (index, (_, used)) in devices {
            for (direction, sum) in [("in", used.copyIn), ("out", used.copyOut)] {
                text.sample(
                    [("device", String(index)), ("direction", direction)], Exposition.Scale.nanoseconds.value(sum))
            }
        }
    }

    private mutating func writePredictions() {
        write(
            meter.ratio, "strait_prediction_ratio", .millionths,
            "How long batches took, as a multiple of what was predicted when they were dispatched.")
        text.family(
            "strait_predictions_within", .counter,
            "Batches that took no longer than a bound of their prediction; divide by strait_prediction_ratio_count.")
        for requestClass in RequestClass.allCases {
            for bound in EngineMeter.Bound.allCases {
                text.sample(
                    [Self.label(requestClass), ("bound", "\(bound)")],
                    meter.within[requestClass.rawValue, bound.rawValue])
            }
        }
        text.family("strait_prediction_bound_ratio", .gauge, "The bounds now, as multiples of the predicted time.")
        for (index, numbers) in metrics.classes.enumerated() {
            let calibration = numbers.calibration
            for (bound, value) in [("p50", calibration.median), ("p95", calibration.q95), ("p99", calibration.q99)] {
                text.sample([Self.label(at: index), ("bound", bound)], value)
            }
        }
        text.family(
            "strait_prediction_recent_coverage_ratio", .gauge,
            "The share of the last batches (200, or a second's) that were within their p95 bound.")
        text.sample([], metrics.coverage)
        text.family(
            "strait_watchdog_alert", .gauge,
            "Whether one batch runs at a time because predictions do not hold (1) or not (0).")
        text.sample([], UInt64(metrics.isAlert ? 1 : 0))
    }

    private mutating func writeScheduler() {
        text.family(
            "strait_scheduler_step_seconds", .histogram, unit: "seconds",
            "What a step of the scheduler takes; one of seven is counted.")
        text.histogram([], meter.decisions, scale: .nanoseconds)
        text.family(
            "strait_draining", .gauge, "Whether the server refuses new requests because it ends (1) or not (0).")
        text.sample([], UInt64(metrics.isDraining ? 1 : 0))
        text.family("strait_models_loaded", .gauge, "Models that are loaded, in all versions.")
        text.sample([], UInt64(metrics.models.count))
    }
}
