// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

// A measurement as one line of JSON: in the profile file, and in the file that a profile grows in.

extension ProfileRecord {
    private enum Kind: String, CaseIterable { case solo, stressed, pair, reference }

    /// Slow-downs that are believed: beyond, something else than a co-runner was measured.
    private static let slowdowns = 0.001...1e6

    /// Reads a measurement.
    init(_ fields: inout JSONFields) throws(FormatError) {
        switch try fields.choice("kind", of: Kind.self) {
        case .solo: self = .solo(try Self.solo(&fields))
        case .stressed:
            let subject = try Subject(&fields)
            self = .stressed(
                Stressed(
                    subject, beside: try fields.choice("stressor", of: Stressor.self),
                    tookTurns: try fields.optionalBool("took_turns") ?? false,
                    slowdown: try fields.number("slowdown", in: Self.slowdowns),
                    loss: try fields.number("loss", in: Bounds.share),
                    bytesIn: try fields.whole("bytes_in", in: Bounds.bytes),
                    copyIn: Duration(nanoseconds: try fields.milliseconds("copy_in_ms", in: Bounds.span))))
            try fields.finish(
                known: Subject.keys + ["kind", "stressor", "took_turns", "slowdown", "loss", "bytes_in", "copy_in_ms"])
        case .pair:
            let first = try Subject(&fields)
            let node = try fields.node("other", "an object with model, version, elements_per_row and rows")
            var other = try JSONFields(node, at: fields.keyPath("other"))
            let second = try Subject(&other)
            try other.finish(known: Subject.keys)
            self = .pair(
                Pair(
                    first, second, firstSlowdown: try fields.number("slowdown", in: Self.slowdowns),
                    secondSlowdown: try fields.number("other_slowdown", in: Self.slowdowns)))
            try fields.finish(known: Subject.keys + ["kind", "other", "slowdown", "other_slowdown"])
        case .reference:
            self = .reference(
                Reference(
                    took: Duration(nanoseconds: try fields.milliseconds("took_ms", in: Bounds.positiveSpan)),
                    others: try fields.optionalNumber("others", in: Bounds.share)))
            try fields.finish(known: ["kind", "took_ms", "others"])
        }
    }

    private static func solo(_ fields: inout JSONFields) throws(FormatError) -> Solo {
        func time(_ key: String) throws(FormatError) -> Duration {
            Duration(nanoseconds: try fields.milliseconds(key, in: Bounds.span))
        }
        let subject = try Subject(&fields)
        var solo = Solo(
            subject, runs: try fields.whole("runs", in: 1...Int(Int32.max)),
            median: Duration(nanoseconds: try fields.milliseconds("median_ms", in: Bounds.positiveSpan)))
        solo.low = try time("low_ms")
        solo.high = try time("high_ms")
        solo.p95 = try time("p95_ms")
        solo.mean = try time("mean_ms")
        solo.bytesIn = try fields.whole("bytes_in", in: Bounds.bytes)
        solo.bytesOut = try fields.whole("bytes_out", in: Bounds.bytes)
        solo.copyIn = try time("copy_in_ms")
        solo.copyOut = try time("copy_out_ms")
        try fields.finish(
            known: Subject.keys + [
                "kind", "runs", "median_ms", "low_ms", "high_ms", "p95_ms", "mean_ms", "bytes_in", "bytes_out",
                "copy_in_ms", "copy_out_ms",
            ])
        return solo
    }

    /// What keeps it from being read back, or nil.
    func flaw() -> String? {
        switch self {
        case .solo(let solo):
            let spans = [solo.low, solo.high, solo.p95, solo.mean, solo.copyIn, solo.copyOut]
            guard (1...Int(Int32.max)).contains(solo.runs), Bounds.positiveSpan.contains(solo.median.nanoseconds),
                spans.allSatisfy({ Bounds.span.contains($0.nanoseconds) }), Bounds.bytes.contains(solo.bytesIn),
                Bounds.bytes.contains(solo.bytesOut)
            else { return "times alone of \(solo.subject.model) are out of range" }
            return solo.subject.flaw()
        case .stressed(let stressed):
            guard Self.slowdowns.contains(stressed.slowdown), Bounds.share.contains(stressed.loss),
                Bounds.bytes.contains(stressed.bytesIn), Bounds.span.contains(stressed.copyIn.nanoseconds)
            else { return "what a stressor did to \(stressed.subject.model) is out of range" }
            return stressed.subject.flaw()
        case .pair(let pair):
            guard Self.slowdowns.contains(pair.firstSlowdown), Self.slowdowns.contains(pair.secondSlowdown) else {
                return "a slow-down of \(pair.first.model) and \(pair.second.model) is out of range"
            }
            return pair.first.flaw() ?? pair.second.flaw()
        case .reference(let reference):
            let isGood =
                Bounds.positiveSpan.contains(reference.took.nanoseconds)
                && reference.others.map(Bounds.share.contains) ?? true
            return isGood ? nil : "a reference is out of range"
        }
    }

    /// Writes it as one object.
    func write(to text: inout JSONText) {
        switch self {
        case .solo(let solo):
            text.raw("{\"kind\": \"solo\", ")
            solo.subject.write(to: &text)
            text.raw(", \"runs\": ")
            text.integer(solo.runs)
            text.milliseconds("median_ms", solo.median)
            text.milliseconds("low_ms", solo.low)
            text.milliseconds("high_ms", solo.high)
            text.milliseconds("p95_ms", solo.p95)
            text.milliseconds("mean_ms", solo.mean)
            text.raw(", \"bytes_in\": ")
            text.integer(solo.bytesIn)
            text.raw(", \"bytes_out\": ")
            text.integer(solo.bytesOut)
            text.milliseconds("copy_in_ms", solo.copyIn)
            text.milliseconds("copy_out_ms", solo.copyOut)
        case .stressed(let stressed):
            text.raw("{\"kind\": \"stressed\", ")
            stressed.subject.write(to: &text)
            text.raw(", \"stressor\": ")
            text.string(stressed.stressor.rawValue)
            if stressed.tookTurns { text.raw(", \"took_turns\": true") }
            text.raw(", \"slowdown\": ")
            text.number(stressed.slowdown)
            text.raw(", \"loss\": ")
            text.number(stressed.loss)
            text.raw(", \"bytes_in\": ")
            text.integer(stressed.bytesIn)
            text.milliseconds("copy_in_ms", stressed.copyIn)
        case .pair(let pair):
            text.raw("{\"kind\": \"pair\", ")
            pair.first.write(to: &text)
            text.raw(", \"other\": {")
            pair.second.write(to: &text)
            text.raw("}, \"slowdown\": ")
            text.number(pair.firstSlowdown)
            text.raw(", \"other_slowdown\": ")
            text.number(pair.secondSlowdown)
        case .reference(let reference):
            text.raw("{\"kind\": \"reference\"")
            text.milliseconds("took_ms", reference.took)
            if let others = reference.others {
                text.raw(", \"others\": ")
                text.number(others)
            }
        }
        text.raw("}")
    }
}

extension JSONText {
    /// A key with a time behind others.
    fileprivate mutating func milliseconds(_ key: StaticString, _ time: Duration) {
        raw(", \"")
        raw(key)
        raw("\": ")
        milliseconds(time.nanoseconds)
    }
}

extension ProfileRecord.Subject {
    fileprivate static let keys = ["model", "version", "elements_per_row", "rows"]

    fileprivate init(_ fields: inout JSONFields) throws(FormatError) {
        self.init(
            model: try fields.name("model"), version: try fields.whole("version", in: ModelKey.versions),
            elementsPerRow: try fields.whole("elements_per_row", in: Bounds.elements),
            rows: try fields.whole("rows", in: Bounds.rows))
    }

    fileprivate func flaw() -> String? {
        guard (1...Bounds.name).contains(model.utf8.count), ModelKey.versions.contains(version),
            Bounds.elements.contains(elementsPerRow), Bounds.rows.contains(rows)
        else { return "a measurement is of batches that cannot be: \(JSONNode.shortened(model))" }
        return nil
    }

    fileprivate func write(to text: inout JSONText) {
        text.raw("\"model\": ")
        text.string(model)
        text.raw(", \"version\": ")
        text.integer(version)
        text.raw(", \"elements_per_row\": ")
        text.integer(elementsPerRow)
        text.raw(", \"rows\": ")
        text.integer(rows)
    }
}
