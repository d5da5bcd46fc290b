// SPDX-License-Identifier: Apache-2.0

package import StraitCore

/// Makes the messages that a page draws from: a head, then frames, each telling what happened since the one before.
///
/// Counts are told as totals, so that a page that has missed frames knows them again with the next key frame. Instants
/// are whole microseconds after that of the head, or relative to the frame's.
package struct WatchFrames: Sendable {
    /// What was counted.
    package private(set) var tally: WatchTally
    private let head: Recording.Head
    private var last = WatchGlance()
    private var sequence = 0

    /// Bytes of one frame's batches and requests.
    private let detailBytes: Int

    /// Enough for some 2,000 batches a second. What is more nobody could see, and a hundred viewers get it all.
    package static let usualDetailBytes = 48 << 10
    /// Requests without a batch that one frame tells of.
    private static let mostOthers = 100
    /// Requests of one batch that are told of.
    private static let mostRequests = 32
    /// Every so many frames one tells everything again: five seconds.
    private static let keyInterval = 25

    /// The messages about what is recorded from now on.
    ///
    /// - Parameters:
    ///   - arrivals: how many were recorded before.
    ///   - shift: what is added to the records' instants.
    ///   - detailBytes: the most bytes of one frame's batches and requests; others are counted only.
    package init(
        _ head: Recording.Head, arrivals: Int = 0, shift: Duration = .zero, detailBytes: Int = usualDetailBytes
    ) {
        self.head = head
        self.detailBytes = detailBytes
        tally = WatchTally(head, arrivals: arrivals, shift: shift)
    }

    /// Takes up a record.
    package mutating func take(_ record: Recording.Record) { tally.take(record) }

    /// Leaves out what was taken up before the first frame: it is counted, and which batches it was is not told. Who reads
    /// a first frame that is not number 0 knows that its counts are of before.
    package mutating func skip() {
        tally.noteFrame()
        sequence = Self.keyInterval
    }

    /// Whether a frame would tell nothing new.
    package func isQuiet(_ glance: WatchGlance) -> Bool { !tally.isFresh && glance.looksLike(last) }

    /// Whether the next frame tells everything.
    package var isKeyNext: Bool { sequence % Self.keyInterval == 0 }

    /// The head.
    ///
    /// - Parameters:
    ///   - interval: the time between frames.
    ///   - now: the instant that it is made at, as frames count.
    ///   - server: the program's name and version.
    package func headMessage(interval: Duration, now: Instant, server: String) -> JSONText {
        var text = JSONText()
        text.raw("{\"strait_watch\":1,\"source\":")
        text.string(head.source.rawValue)
        text.raw(",\"server\":")
        text.string(server)
        text.raw(",\"policy\":")
        text.string(head.policy)
        text.raw(",\"origin\":")
        text.string(head.origin)
        if let seed = head.seed {
            text.raw(",\"seed\":")
            text.integer(seed)
        }
        text.raw(",\"at\":")
        text.microseconds(now)
        if let calendar = head.calendarMilliseconds {
            text.raw(",\"calendar_ms\":")
            text.integer(UInt64(calendar.magnitude))
        }
        text.raw(",\"frame_ms\":")
        text.milliseconds(interval.nanoseconds)
        text.raw(",\"devices\":[")
        for (index, device) in head.devices.enumerated() {
            text.raw(index > 0 ? ",{\"name\":" : "{\"name\":")
            text.string(device.name)
            text.raw(",\"lanes\":")
            text.integer(device.lanes)
            text.raw(device.copies ? ",\"copies\":true}" : ",\"copies\":false}")
        }
        text.raw("],\"models\":")
        text.names(tally.models)
        text.raw("}")
        return text
    }

    /// A frame of what happened since the last one.
    ///
    /// - Complexity: O(records since the last frame); every fifth second O(models), too.
    package mutating func frame(_ glance: WatchGlance) -> JSONText {
        let isKey = isKeyNext
        var text = JSONText()
        text.raw("{\"t\":")
        text.microseconds(glance.at)
        text.raw(",\"n\":")
        text.integer(sequence)
        if isKey { text.raw(",\"key\":true") }
        if isKey || tally.hasJoined {
            text.raw(",\"models\":")
            text.names(tally.models)
        }
        if isKey || glance.policy != last.policy {
            text.raw(",\"policy\":")
            text.string(glance.policy)
        }
        writeTotals(glance, to: &text)
        writeCounts(isKey: isKey, to: &text)
        text.raw(",\"queue\":")
        text.list(glance.queues) { text, queue in
            text.numbers([queue.model, queue.requestClass.rawValue, queue.waiting])
        }
        text.raw(",\"run\":")
        text.list(glance.running) { text, running in
            text.batch(running.batch, from: glance.at, end: running.isCopyingOut ? -2 : -1)
            text.raw("]")
        }
        writeDevices(glance, isKey: isKey, to: &text)
        if glance.isAlert { text.raw(",\"alert\":true") }
        writeDetails(glance.at, to: &text)
        text.raw("}")
        tally.noteFrame()
        last = glance
        sequence += 1
        return text
    }

    /// Totals by class: arrived, met, late, shed, cancelled, failed.
    private func writeTotals(_ glance: WatchGlance, to text: inout JSONText) {
        text.raw(",\"total\":")
        text.list(RequestClass.allCases) { text, requestClass in
            if requestClass.rawValue < glance.counters.count {
                let counted = glance.counters[requestClass.rawValue]
                text.numbers([
                    counted.arrived, counted.met, counted.late, counted.shed, counted.cancelled, counted.failed,
                ])
            } else {
                let sheds: [WatchTally.Count] = [
                    .hopelessOnArrival, .hopelessInQueue, .queueFull, .modelQueueFull, .modelUnloaded,
                ]
                let shed = sheds.reduce(0) { $0 + tally.total($1, requestClass) }
                text.numbers([
                    tally.total(.arrived, requestClass), tally.total(.met, requestClass),
                    tally.total(.late, requestClass), shed, tally.total(.cancelled, requestClass),
                    tally.total(.failed, requestClass),
                ])
            }
        }
    }

    /// The streams that changed, or all that anything was counted of.
    private func writeCounts(isKey: Bool, to text: inout JSONText) {
        let (classes, width) = (RequestClass.allCases.count, WatchTally.Count.allCases.count)
        let told = tally.hasChanged.indices.filter {
            tally.hasChanged[$0] || isKey && tally.counts[$0 * width] > 0
        }
        text.raw(",\"count\":")
        text.list(told) { text, stream in
            text.numbers([stream / classes, stream % classes] + tally.counts[stream * width..<(stream + 1) * width])
        }
    }

    private func writeDevices(_ glance: WatchGlance, isKey: Bool, to text: inout JSONText) {
        guard !glance.devices.isEmpty else {
            text.raw(",\"serves\":")
            text.numbers(tally.serves.map { $0 ? 1 : 0 })
            return
        }
        guard isKey || glance.devices != last.devices else { return }
        text.raw(",\"device\":")
        text.list(glance.devices) { text, device in
            text.raw("[")
            // Thousandths: nobody sees more, and a frame need not tell every breath of it.
            text.number((device.speed * 1000).rounded() / 1000)
            if let reason = device.reason {
                text.raw(",")
                text.string(reason)
            }
            text.raw("]")
        }
    }

    /// Batches with their requests, then requests without a batch.
    private func writeDetails(_ now: Instant, to text: inout JSONText) {
        text.raw(",\"batch\":[")
        let start = text.bytes.count
        var told = 0
        for ended in tally.batches {
            guard text.bytes.count - start < detailBytes else { break }
            if told > 0 { text.raw(",") }
            text.batch(ended.batch, from: now, end: ended.batch.end.number)
            // A quarter of the room is for batches alone.
            if text.bytes.count - start < detailBytes / 4 * 3 {
                text.raw(",")
                text.list(ended.requests.prefix(Self.mostRequests)) { $0.ended($1, from: now) }
            }
            text.raw("]")
            told += 1
        }
        text.raw("]")
        if told < tally.batches.count {
            text.raw(",\"untold\":")
            text.integer(tally.batches.count - told)
        }
        guard !tally.others.isEmpty else { return }
        text.raw(",\"other\":")
        text.list(tally.others.suffix(Self.mostOthers)) { $0.ended($1, from: now, inFull: true) }
    }
}

extension Recording.Batch.End {
    fileprivate var number: Int {
        switch self {
        case .finished: 0
        case .failed: 1
        case .killed: 2
        case .withdrawn: 3
        }
    }
}

extension JSONText {
    /// Whole microseconds.
    fileprivate mutating func microseconds(_ instant: Instant, from origin: Instant = .zero) {
        guard instant < .never else { return raw("null") }
        number((instant - origin).nanoseconds / 1000)
    }

    fileprivate mutating func number(_ value: Int64) {
        if value < 0 { raw("-") }
        integer(value.magnitude)
    }

    fileprivate mutating func numbers(_ values: some Sequence<Int>) {
        list(values) { $0.number(Int64($1)) }
    }

    fileprivate mutating func names(_ names: [String]) { list(names) { $0.string($1) } }

    fileprivate mutating func list<Elements: Sequence>(
        _ elements: Elements, _ write: (inout JSONText, Elements.Element) -> Void
    ) {
        raw("[")
        var isFirst = true
        for element in elements {
            if !isFirst { raw(",") }
            isFirst = false
            write(&self, element)
        }
        raw("]")
    }

    /// A batch without the bracket at its end.
    fileprivate mutating func batch(_ batch: Recording.Batch, from now: Instant, end: Int) {
        raw("[")
        for value in [batch.device, batch.lane, batch.model, batch.requestClass.rawValue, batch.rows] {
            integer(value)
            raw(",")
        }
        for instant in [
            batch.stagedAt, batch.copiedInAt ?? .never, batch.kernelsDoneAt ?? .never, batch.endedAt,
            batch.predictedFinish, batch.medianBound, batch.bound95,
        ] {
            microseconds(instant, from: now)
            raw(",")
        }
        number(Int64(end))
        raw(",")
        integer(batch.met)
        raw(",")
        integer(batch.late)
    }

    /// A request that has ended. In full it says of which model and class, too, and when it ended.
    fileprivate mutating func ended(_ ended: WatchTally.Ended, from now: Instant, inFull: Bool = false) {
        raw("[")
        integer(ended.arrival.number > 0 ? ended.arrival.number : UInt64(ended.place))
        raw(",")
        microseconds(ended.arrival.at, from: now)
        raw(",")
        microseconds(ended.arrival.deadline, from: now)
        raw(",")
        integer(ended.ending.rawValue)
        if inFull {
            for value in [ended.arrival.model, ended.arrival.requestClass.rawValue] {
                raw(",")
                integer(value)
            }
            raw(",")
            microseconds(ended.at, from: now)
        }
        raw("]")
    }
}
