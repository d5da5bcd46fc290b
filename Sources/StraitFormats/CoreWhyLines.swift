// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

// The lines that answer `why`: one line a decision (docs/core-protocol.md).

extension JSONText {
    mutating func beginWhy(_ kind: StaticString, at now: Instant) {
        raw("{\"why\":\"")
        raw(kind)
        raw("\",\"at_ms\":")
        milliseconds(now.nanoseconds)
    }

    mutating func endWhy() { raw("}\n") }

    private mutating func whyKey(_ key: String) {
        raw(",")
        string(key)
        raw(":")
    }

    mutating func whyField(_ key: String, _ value: String) {
        whyKey(key)
        string(value)
    }

    mutating func whyField(_ key: String, _ value: Int) {
        whyKey(key)
        integer(value)
    }

    /// A finite number; `null` for any other.
    mutating func whyField(_ key: String, _ value: Double) {
        whyKey(key)
        if value.isFinite { number(value) } else { raw("null") }
    }

    mutating func whyField(_ key: String, _ value: Int64?) {
        whyKey(key)
        if let value { integer(UInt64(value.magnitude)) } else { raw("null") }
    }

    mutating func whyField(_ key: String, _ value: Instant) {
        whyKey(key)
        instant(value)
    }

    mutating func whyField(_ key: String, _ value: Duration) {
        whyKey(key)
        milliseconds(value.nanoseconds)
    }

    mutating func whyField(_ key: String, _ value: RequestClass) { whyField(key, "\(value)") }

    mutating func whyField(_ key: String, _ value: ShedReason) {
        whyKey(key)
        reason(value)
    }

    mutating func whyField(_ key: String, _ name: RequestName?) {
        whyKey(key)
        if let name { request(name) } else { raw("null") }
    }

    mutating func whyField(_ key: String, _ names: [RequestName?]) {
        whyKey(key)
        raw("[")
        for (index, name) in names.enumerated() {
            if index > 0 { raw(",") }
            if let name { request(name) } else { raw("null") }
        }
        raw("]")
    }

    mutating func whyBounds(_ finish: BoundedFinish, prefix: String = "") {
        whyField(prefix + "predicted_finish_at_ms", finish.expected)
        whyField(prefix + "bound95_at_ms", finish.bound95)
        whyField(prefix + "bound99_at_ms", finish.bound99)
    }

    // -- options --------------------------------------------------------------------------------------------------

    mutating func beginOptions() { raw(",\"options\":[") }
    mutating func endOptions() { raw("]") }

    mutating func beginOption(isChosen: Bool, isFirst: Bool) {
        if !isFirst { raw(",") }
        raw(isChosen ? "{\"chosen\":true" : "{\"chosen\":false")
    }

    mutating func endOption() { raw("}") }

    /// The terms of an option's worth, an empty object for one that the gate kept out.
    mutating func whyTerms(_ terms: [Weighing.Term]) {
        raw(",\"terms\":{")
        for (index, term) in terms.enumerated() {
            if index > 0 { raw(",") }
            string(term.name)
            raw(":")
            if term.value.isFinite { number(term.value) } else { raw("null") }
        }
        raw("}")
    }
}
