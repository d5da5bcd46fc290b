// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

extension Recording {
    /// The version of the form that is written; a file of any other is refused.
    package static let version = 1
    /// The longest file that is read: some ten million requests.
    package static let maximumBytes = 1 << 31

    /// Reads a file.
    ///
    /// - Throws: a ``FormatError`` with the file, and for its content the line, the key and what was expected.
    package init(path: String) throws(FormatError) {
        var reader = RecordingReader()
        try Files.readLines(path, limit: Self.maximumBytes) { (line) throws(FormatError) in try reader.read(line) }
        guard let recording = reader.recording else {
            throw FormatError(.invalid, "empty; expected a recording, which begins with its head", file: path)
        }
        self = recording
    }
}

/// Makes a recording of lines, each checked against those before it.
struct RecordingReader {
    private var head: Recording.Head?
    private var arrivals: [Recording.Arrival] = []
    private var batches: [Recording.Batch] = []
    private var answers: [Recording.Answer] = []
    private var changes: [Recording.DeviceChange] = []
    private var end: (at: Instant, dropped: Int)?
    private var isAnswered: [Bool] = []
    private var latest = Instant.zero

    /// What was read; nil before the first line.
    var recording: Recording? {
        guard let head else { return nil }
        var recording = Recording(head)
        recording.arrivals = arrivals
        recording.batches = batches
        recording.answers = answers
        recording.changes = changes
        recording.end = end?.at
        recording.dropped = end?.dropped ?? 0
        return recording
    }

    mutating func read(_ line: UnsafeBufferPointer<UInt8>) throws(FormatError) {
        var fields = try JSONFields(try JSONReader.read(line))
        guard let head else {
            let head = try Recording.Head(&fields)
            latest = head.start
            return self.head = head
        }
        guard end == nil else {
            throw FormatError(.outOfPlace, "nothing comes after the end of a recording", offset: 0)
        }
        if fields.has("arrival") {
            try readArrival(&fields, head)
        } else if fields.has("batch") {
            try readBatch(&fields, head)
        } else if fields.has("answer") {
            try readAnswer(&fields)
        } else if fields.has("joins") {
            _ = try later(&fields, "at_ms")
            guard head.models.count < Bounds.models, let node = fields.optional("joins") else {
                throw fields.failure("joins", "expected a model, of which there are \(Bounds.models) at most")
            }
            self.head?.models.append(try Recording.Model(node, at: fields.keyPath("joins")))
            try fields.finish(known: ["joins", "at_ms"])
        } else if fields.has("serves") {
            try readChange(&fields, head)
        } else if fields.has("end_ms") {
            let at = try later(&fields, "end_ms")
            let dropped = try fields.whole("dropped", in: 0...Int(Int32.max))
            try fields.finish(known: ["end_ms", "dropped"])
            end = (at, dropped)
        } else {
            throw FormatError(
                .invalid,
                "expected an arrival, a batch, an answer, a model that joins, a device that serves or not, or the end, "
                    + "which has end_ms", offset: 0)
        }
    }

    /// The time of a line, which is not before that of the line above.
    private mutating func later(_ fields: inout JSONFields, _ key: String) throws(FormatError) -> Instant {
        let instant = Instant(nanoseconds: try fields.milliseconds(key, in: Bounds.instant))
        guard instant >= latest else {
            throw fields.failure(
                key,
                "\(Milliseconds.text(instant.nanoseconds)) is before the line above, which is of "
                    + "\(Milliseconds.text(latest.nanoseconds)); time does not go back", code: .outOfPlace)
        }
        latest = instant
        return instant
    }

    private func expectNumber(_ fields: inout JSONFields, _ key: String, _ expected: Int) throws(FormatError) {
        let number = try fields.whole(key, in: 0...Int(Int32.max))
        guard number == expected else {
            throw fields.failure(key, "expected \(expected), the next number, found \(number)", code: .outOfPlace)
        }
    }

    private func model(_ fields: inout JSONFields, _ head: Recording.Head) throws(FormatError) -> Int {
        let model = try fields.whole("model", in: 0...Bounds.models)
        guard model < head.models.count else {
            throw fields.failure("model", "there are \(head.models.count) models, numbered from 0")
        }
        return model
    }

    private func rows(
        _ fields: inout JSONFields, _ head: Recording.Head, model: Int
    ) throws(FormatError) -> Int {
        let rows = try fields.whole("rows", in: Bounds.rows)
        let most = head.models[model].maximumBatch
        guard rows <= most else { throw fields.failure("rows", "the model takes at most \(most)") }
        return rows
    }

    private mutating func readArrival(_ fields: inout JSONFields, _ head: Recording.Head) throws(FormatError) {
        try expectNumber(&fields, "arrival", arrivals.count)
        let at = try later(&fields, "at_ms")
        let model = try model(&fields, head)
        let requestClass = try fields.requestClass()
        let rows = try rows(&fields, head, model: model)
        let deadline = try fields.optionalMilliseconds("deadline_ms", in: Bounds.instant)
        let elements = try fields.optionalWhole("elements_per_row", in: Bounds.elements) ?? 1
        let shape = try fields.optionalWhole("shape", in: 0...UInt32.max) ?? 0
        try fields.finish(known: [
            "arrival", "at_ms", "model", "class", "rows", "deadline_ms", "elements_per_row", "shape",
        ])
        arrivals.append(
            Recording.Arrival(
                at: at, model: model, requestClass, rows: rows,
                deadline: deadline.map(Instant.init(nanoseconds:)) ?? .never,
                bucket: WorkShape(model: ModelID(index: model), elementsPerRow: elements).bucket, shape: shape))
        isAnswered.append(false)
    }

    private mutating func readBatch(_ fields: inout JSONFields, _ head: Recording.Head) throws(FormatError) {
        try expectNumber(&fields, "batch", batches.count)
        let device = try fields.whole("device", in: 0...Bounds.devices)
        guard device < head.devices.count else {
            throw fields.failure("device", "there are \(head.devices.count) devices, numbered from 0")
        }
        let lane = try fields.whole("lane", in: 0...Bounds.lanes.upperBound)
        guard lane < head.devices[device].lanes else {
            throw fields.failure("lane", "the device has \(head.devices[device].lanes) lanes, numbered from 0")
        }
        let model = try model(&fields, head)
        let requestClass = try fields.requestClass()
        let rows = try rows(&fields, head, model: model)
        let endedAt = try later(&fields, "ended_ms")
        // Each no earlier than the one before, and the last no later than the end.
        var earliest = Instant.zero
        func instant(_ key: String, _ fields: inout JSONFields) throws(FormatError) -> Instant? {
            guard let nanoseconds = try fields.optionalMilliseconds(key, in: Bounds.instant) else { return nil }
            let instant = Instant(nanoseconds: nanoseconds)
            guard instant >= earliest, instant <= endedAt else {
                throw fields.failure(
                    key,
                    "expected a time from \(Milliseconds.text(earliest.nanoseconds)), where what comes before is "
                        + "done, to ended_ms", code: .outOfPlace)
            }
            earliest = instant
            return instant
        }
        guard let stagedAt = try instant("staged_ms", &fields) else {
            throw fields.failure("staged_ms", "missing; expected milliseconds")
        }
        let copiedInAt = try instant("copied_in_ms", &fields)
        let kernelsDoneAt = try instant("kernels_done_ms", &fields)
        let predicted = try fields.optionalMilliseconds("predicted_ms", in: Bounds.instant)
        let median = try fields.optionalMilliseconds("median_ms", in: Bounds.instant)
        let bound95 = try fields.optionalMilliseconds("bound95_ms", in: Bounds.instant)
        var batch = Recording.Batch(
            device: device, lane: lane, model: model, requestClass, rows: rows, stagedAt: stagedAt,
            predictedFinish: predicted.map(Instant.init(nanoseconds:)) ?? .never,
            medianBound: median.map(Instant.init(nanoseconds:)) ?? .never,
            bound95: bound95.map(Instant.init(nanoseconds:)) ?? .never)
        batch.copiedInAt = copiedInAt
        batch.kernelsDoneAt = kernelsDoneAt
        batch.endedAt = endedAt
        batch.end = try fields.choice("end", of: Recording.Batch.End.self)
        batch.met = try fields.whole("met", in: 0...rows)
        batch.late = try fields.whole("late", in: 0...rows)
        try fields.finish(known: [
            "batch", "device", "lane", "model", "class", "rows", "staged_ms", "copied_in_ms", "kernels_done_ms",
            "ended_ms", "end", "predicted_ms", "median_ms", "bound95_ms", "met", "late",
        ])
        batches.append(batch)
    }

    private mutating func readChange(_ fields: inout JSONFields, _ head: Recording.Head) throws(FormatError) {
        let device = try fields.whole("device", in: 0...Bounds.devices)
        guard device < head.devices.count else {
            throw fields.failure("device", "there are \(head.devices.count) devices, numbered from 0")
        }
        let at = try later(&fields, "at_ms")
        guard let serves = try fields.optionalBool("serves") else {
            throw fields.failure("serves", "missing; expected true or false")
        }
        try fields.finish(known: ["device", "at_ms", "serves"])
        changes.append(Recording.DeviceChange(at: at, device: device, serves: serves))
    }

    private mutating func readAnswer(_ fields: inout JSONFields) throws(FormatError) {
        let arrival = try fields.whole("answer", in: 0...Int(Int32.max))
        guard arrival < isAnswered.count, !isAnswered[arrival] else {
            throw fields.failure(
                "answer",
                arrival < isAnswered.count
                    ? "request \(arrival) is answered already" : "no request \(arrival) has come", code: .outOfPlace)
        }
        let at = try later(&fields, "at_ms")
        let ending = try Recording.Ending(&fields)
        if ending == .met || ending == .late {
            guard (ending == .met) == (at <= arrivals[arrival].deadline) else {
                throw fields.failure("outcome", "it contradicts the request's deadline", code: .outOfPlace)
            }
        }
        try fields.finish(known: ["answer", "at_ms", "outcome", "reason"])
        answers.append(Recording.Answer(arrival: arrival, ending, at: at))
        isAnswered[arrival] = true
    }
}
