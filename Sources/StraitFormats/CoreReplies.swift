// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

// What `strait core` writes: one line an action, and one that ends the step.

extension JSONText {
    mutating func beginStage(batch: Int64, device: String, lane: Int, model: String, rows: Int) {
        raw("{\"action\":\"stage\",\"batch\":")
        integer(UInt64(batch.magnitude))
        raw(",\"device\":")
        string(device)
        raw(",\"lane\":")
        integer(lane)
        raw(",\"model\":")
        string(model)
        raw(",\"rows\":")
        integer(rows)
        raw(",\"requests\":[")
    }

    mutating func member(_ name: RequestName, isFirst: Bool) {
        if !isFirst { raw(",") }
        request(name)
    }

    mutating func endStage(predictedFinish: Instant) {
        raw("],\"predicted_finish_at_ms\":")
        instant(predictedFinish)
        raw("}\n")
    }

    mutating func answer(_ name: RequestName, _ outcome: Outcome) {
        raw("{\"action\":\"answer\",\"request\":")
        request(name)
        switch outcome {
        case .met: raw(",\"outcome\":\"met\"}\n")
        case .late: raw(",\"outcome\":\"late\"}\n")
        case .failed: raw(",\"outcome\":\"failed\"}\n")
        case .cancelled: raw(",\"outcome\":\"cancelled\"}\n")
        case .shed(let reason, let predictedFinish):
            raw(",\"outcome\":\"shed\",\"reason\":")
            self.reason(reason)
            raw(",\"predicted_finish_at_ms\":")
            instant(predictedFinish)
            raw("}\n")
        }
    }

    /// - Parameter action: what to do with a batch that is on a device.
    mutating func preempt(_ action: StaticString, batch: Int64) {
        raw("{\"action\":\"")
        raw(action)
        raw("\",\"batch\":")
        integer(UInt64(batch.magnitude))
        raw("}\n")
    }

    mutating func timer(_ instant: Instant) {
        raw("{\"action\":\"timer\",\"at_ms\":")
        milliseconds(instant.nanoseconds)
        raw("}\n")
    }

    mutating func done(line: Int) {
        raw("{\"done\":")
        integer(line)
        raw("}\n")
    }

    mutating func error(_ message: String, line: Int) {
        raw("{\"error\":")
        string(message)
        raw(",\"line\":")
        integer(line)
        raw("}\n")
    }

    mutating func reason(_ reason: ShedReason) {
        raw("\"")
        raw(reason.word)
        raw("\"")
    }

    mutating func request(_ name: RequestName) {
        switch name {
        case .number(let number): integer(UInt64(number.magnitude))
        case .text(let text): string(text)
        }
    }

    /// An instant; null where there is none, which is what a prediction without any device is.
    mutating func instant(_ instant: Instant) {
        if instant == .never { raw("null") } else { milliseconds(instant.nanoseconds) }
    }
}

extension ShedReason {
    fileprivate var word: StaticString {
        switch self {
        case .hopelessOnArrival: "hopeless-on-arrival"
        case .hopelessInQueue: "hopeless-in-queue"
        case .queueFull: "queue-full"
        case .modelQueueFull: "model-queue-full"
        case .modelUnloaded: "model-unloaded"
        }
    }
}
