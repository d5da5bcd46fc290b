// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

// A recording as JSON lines: the head, then arrivals, batches and answers as they came, then the end.

extension JSONText {
    /// The first line of a recording.
    mutating func recordingHead(_ head: Recording.Head) {
        raw("{\"strait_recording\":")
        integer(Recording.version)
        raw(",\"source\":")
        string(head.source.rawValue)
        raw(",\"policy\":")
        string(head.policy)
        raw(",\"origin\":")
        string(head.origin)
        if let seed = head.seed {
            raw(",\"seed\":")
            integer(seed)
        }
        raw(",\"start_ms\":")
        milliseconds(head.start.nanoseconds)
        if let calendar = head.calendarMilliseconds {
            raw(",\"calendar_ms\":")
            integer(UInt64(calendar.magnitude))
        }
        raw(",\"maximum_waiting\":")
        integer(head.maximumWaiting)
        if head.hasLearned { raw(",\"learned\":true") }
        raw(",\"devices\":[")
        for (index, device) in head.devices.enumerated() {
            raw(index > 0 ? ",{\"name\":" : "{\"name\":")
            string(device.name)
            raw(",\"lanes\":")
            integer(device.lanes)
            raw(device.copies ? ",\"copies\":true}" : ",\"copies\":false}")
        }
        raw("],\"models\":[")
        for (index, model) in head.models.enumerated() {
            if index > 0 { raw(",") }
            recordingModel(model)
        }
        raw("]}\n")
    }

    private mutating func recordingModel(_ model: Recording.Model) {
        raw("{\"name\":")
        string(model.name)
        raw(",\"maximum_batch\":")
        integer(model.maximumBatch)
        if let limit = model.maximumQueued {
            raw(",\"maximum_queued\":")
            integer(limit)
        }
        if let profile = model.profile {
            var members = JSONText()
            profile.write(to: &members, indentation: "")
            raw(",\"profile\":{")
            onOneLine(members)
            raw("}")
        }
        raw("}")
    }

    /// A line of a recording.
    ///
    /// - Parameter number: the place of an arrival or a batch among its like.
    mutating func record(_ record: Recording.Record, number: Int) {
        switch record {
        case .arrival(let arrival): recordedArrival(arrival, number)
        case .batch(let batch): recordedBatch(batch, number)
        case .answer(let answer): recordedAnswer(answer)
        case .model(let model, let at):
            raw("{\"joins\":")
            recordingModel(model)
            raw(",\"at_ms\":")
            milliseconds(at.nanoseconds)
            raw("}\n")
        case .device(let change):
            raw("{\"device\":")
            integer(change.device)
            raw(",\"at_ms\":")
            milliseconds(change.at.nanoseconds)
            raw(change.serves ? ",\"serves\":true}\n" : ",\"serves\":false}\n")
        }
    }

    private mutating func recordedArrival(_ arrival: Recording.Arrival, _ number: Int) {
        raw("{\"arrival\":")
        integer(number)
        raw(",\"at_ms\":")
        milliseconds(arrival.at.nanoseconds)
        raw(",\"model\":")
        integer(arrival.model)
        requestClass(arrival.requestClass)
        raw(",\"rows\":")
        integer(arrival.rows)
        if arrival.deadline < .never {
            raw(",\"deadline_ms\":")
            milliseconds(arrival.deadline.nanoseconds)
        }
        if arrival.bucket > 0 {
            raw(",\"elements_per_row\":")
            integer(1 << Int(arrival.bucket))
        }
        if arrival.shape > 0 {
            raw(",\"shape\":")
            integer(UInt64(arrival.shape))
        }
        raw("}\n")
    }

    private mutating func recordedBatch(_ batch: Recording.Batch, _ number: Int) {
        raw("{\"batch\":")
        integer(number)
        raw(",\"device\":")
        integer(batch.device)
        raw(",\"lane\":")
        integer(batch.lane)
        raw(",\"model\":")
        integer(batch.model)
        requestClass(batch.requestClass)
        raw(",\"rows\":")
        integer(batch.rows)
        raw(",\"staged_ms\":")
        milliseconds(batch.stagedAt.nanoseconds)
        if let instant = batch.copiedInAt {
            raw(",\"copied_in_ms\":")
            milliseconds(instant.nanoseconds)
        }
        if let instant = batch.kernelsDoneAt {
            raw(",\"kernels_done_ms\":")
            milliseconds(instant.nanoseconds)
        }
        raw(",\"ended_ms\":")
        milliseconds(batch.endedAt.nanoseconds)
        raw(",\"end\":")
        string(batch.end.rawValue)
        raw(",\"predicted_ms\":")
        instant(batch.predictedFinish)
        raw(",\"median_ms\":")
        instant(batch.medianBound)
        raw(",\"bound95_ms\":")
        instant(batch.bound95)
        raw(",\"met\":")
        integer(batch.met)
        raw(",\"late\":")
        integer(batch.late)
        raw("}\n")
    }

    private mutating func recordedAnswer(_ answer: Recording.Answer) {
        raw("{\"answer\":")
        integer(answer.arrival)
        raw(",\"at_ms\":")
        milliseconds(answer.at.nanoseconds)
        switch answer.ending {
        case .met: raw(",\"outcome\":\"met\"}\n")
        case .late: raw(",\"outcome\":\"late\"}\n")
        case .failed: raw(",\"outcome\":\"failed\"}\n")
        case .cancelled: raw(",\"outcome\":\"cancelled\"}\n")
        case .shed(let reason):
            raw(",\"outcome\":\"shed\",\"reason\":")
            self.reason(reason)
            raw("}\n")
        }
    }

    private mutating func requestClass(_ requestClass: RequestClass) {
        raw(requestClass == .high ? ",\"class\":\"high\"" : ",\"class\":\"low\"")
    }

    /// The last line of a recording.
    mutating func recordingEnd(at end: Instant, dropped: Int) {
        raw("{\"end_ms\":")
        milliseconds(end.nanoseconds)
        raw(",\"dropped\":")
        integer(dropped)
        raw("}\n")
    }
}

extension Recording {
    /// Writes a file in one step: whoever reads it sees the old content or the new one.
    ///
    /// - Throws: a ``FormatError`` with the file.
    package func write(to path: String) throws(FormatError) { try Files.replace(path, with: text.bytes) }

    /// All lines, in the order of time.
    var text: JSONText {
        var text = JSONText()
        text.recordingHead(head)
        forEachRecord { record, number in text.record(record, number: number) }
        if let end { text.recordingEnd(at: end, dropped: dropped) }
        return text
    }

    /// Goes through all records in the order of time, each with its place among its like; for an answer, that of the
    /// request.
    ///
    /// - Complexity: O(records).
    func forEachRecord(_ body: (Record, _ number: Int) -> Void) {
        var (arrival, batch, answer, change) = (0, 0, 0, 0)
        while true {
            let arrives = arrival < arrivals.count ? arrivals[arrival].at : .never
            let ends = batch < batches.count ? batches[batch].endedAt : .never
            let answered = answer < answers.count ? answers[answer].at : .never
            let changes = change < self.changes.count ? self.changes[change].at : .never
            // At one instant a request comes before it is answered, and a batch ends before its requests are.
            if change < self.changes.count, changes < min(arrives, ends, answered) {
                body(.device(self.changes[change]), change)
                change += 1
            } else if arrives <= min(ends, answered), arrival < arrivals.count {
                body(.arrival(arrivals[arrival]), arrival)
                arrival += 1
            } else if ends <= answered, batch < batches.count {
                body(.batch(batches[batch]), batch)
                batch += 1
            } else if answer < answers.count {
                body(.answer(answers[answer]), answers[answer].arrival)
                answer += 1
            } else if change < self.changes.count {
                body(.device(self.changes[change]), change)
                change += 1
            } else {
                return
            }
        }
    }
}
