// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

extension Timing {
    /// The metrics of the W3C's header `Server-Timing`, in milliseconds. `predicted` is when the answer was predicted to
    /// be ready. gRPC sends the same text as trailing metadata.
    package var serverTiming: String {
        var text = "queue;dur="
        Self.append(queue, to: &text)
        text += ", copy;dur="
        Self.append(copy, to: &text)
        text += ", compute;dur="
        Self.append(compute, to: &text)
        text += ", predicted;dur="
        Self.append(predicted, to: &text)
        return text
    }

    /// Appends milliseconds with three decimals.
    private static func append(_ duration: Duration, to text: inout String) {
        let microseconds = max(0, duration.nanoseconds) / 1000
        text += String(microseconds / 1000)
        text += "."
        let fraction = microseconds % 1000
        if fraction < 100 { text += fraction < 10 ? "00" : "0" }
        text += String(fraction)
    }
}
