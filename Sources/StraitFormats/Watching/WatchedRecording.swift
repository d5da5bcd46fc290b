// SPDX-License-Identifier: Apache-2.0

package import StraitCore

/// A recording as the messages that a page draws from, all at once.
package struct WatchedRecording: Sendable {
    /// The head.
    package private(set) var head: JSONText
    /// The frames, in their order.
    package private(set) var frames: [JSONText] = []

    /// The time between two frames, as on a live server.
    package static let interval = Duration.milliseconds(200)
    /// The longest part of a recording that is shown at once: what a browser holds without trouble.
    package static let longest = Duration.seconds(600)

    /// Bytes of one frame's batches and requests: there is one viewer, and no haste.
    private static let detailBytes = 1 << 20

    /// Makes the messages of a part of a recording.
    ///
    /// - Parameters:
    ///   - window: which part; of one that is longer than ``longest`` the beginning.
    ///   - server: the program's name and version.
    /// - Complexity: O(records + frames).
    package init(_ recording: Recording, window: Range<Instant> = .zero ..< .never, server: String) {
        // A simulation goes on after the part of it that was recorded.
        let last = max(
            recording.arrivals.last?.at ?? .zero, recording.batches.last?.endedAt ?? .zero,
            recording.answers.last?.at ?? .zero, recording.head.source == .live ? recording.end ?? .zero : .zero)
        let start = min(max(window.lowerBound, recording.head.start), last)
        let end = min(window.upperBound, last, start + Self.longest)
        var messages = WatchFrames(recording.head, detailBytes: Self.detailBytes)
        head = messages.headMessage(interval: Self.interval, now: start, server: server)
        var queues = RecordedQueues(recording, from: start, interval: Self.interval)
        // What came before is counted, and told in a frame of its own: it is not of the first fifth of a second.
        let isPart = start > recording.head.start
        var boundary = isPart ? start : start + Self.interval
        var frames: [JSONText] = []
        func close(_ messages: inout WatchFrames) {
            var glance = WatchGlance()
            glance.at = min(boundary, end)
            glance.policy = recording.head.policy
            if isPart, boundary == start {
                messages.skip()
                glance.queues = queues.current
            } else {
                glance.queues = queues.next()
            }
            frames.append(messages.frame(glance))
            boundary = boundary + Self.interval
        }
        recording.forEachRecord { record, _ in
            let at = record.at
            guard at < end || at == end && end == last else { return }
            while at > boundary { close(&messages) }
            messages.take(record)
        }
        while boundary - Self.interval < end { close(&messages) }
        self.frames = frames
    }
}

extension Recording.Record {
    /// When it became known.
    package var at: Instant {
        switch self {
        case .arrival(let arrival): arrival.at
        case .batch(let batch): batch.endedAt
        case .answer(let answer): answer.at
        case .model(_, let at): at
        case .device(let change): change.at
        }
    }
}

/// How many requests waited at the end of each frame: each from its arrival to the staging of the batch that answered it, or
/// to its answer.
private struct RecordedQueues {
    private var changes: [[Int: Int]] = []
    private var waiting: [Int: Int] = [:]
    private var frame = 0

    init(_ recording: Recording, from start: Instant, interval: Duration) {
        var stagedAt = [Instant?](repeating: nil, count: recording.arrivals.count)
        var tally = WatchTally(recording.head)
        func note(_ tally: inout WatchTally) {
            for ended in tally.batches {
                for request in ended.requests { stagedAt[request.place] = ended.batch.stagedAt }
            }
            tally.noteFrame()
        }
        recording.forEachRecord { record, _ in
            // At an arrival all answers that belong to the batches before it are there.
            if case .arrival = record { note(&tally) }
            tally.take(record)
        }
        note(&tally)
        let answers = recording.answersByArrival
        for (place, arrival) in recording.arrivals.enumerated() {
            let stream = arrival.model * RequestClass.allCases.count + arrival.requestClass.rawValue
            change(stream, by: 1, at: arrival.at, start, interval)
            if let end = stagedAt[place] ?? answers[place]?.at { change(stream, by: -1, at: end, start, interval) }
        }
    }

    /// What happens between two frames shows in the second.
    private mutating func change(
        _ stream: Int, by step: Int, at instant: Instant, _ start: Instant, _ interval: Duration
    ) {
        guard instant > start else {
            waiting[stream, default: 0] += step
            return
        }
        let place = Int((instant - start).nanoseconds - 1) / Int(interval.nanoseconds)
        guard place < Int(WatchedRecording.longest.nanoseconds / interval.nanoseconds) else { return }
        while changes.count <= place { changes.append([:]) }
        changes[place][stream, default: 0] += step
    }

    /// The queues at the end of the next frame.
    mutating func next() -> [WatchGlance.Queue] {
        if frame < changes.count {
            for (stream, step) in changes[frame] { waiting[stream, default: 0] += step }
        }
        frame += 1
        return current
    }

    /// The queues at the end of the last frame, or at the beginning.
    var current: [WatchGlance.Queue] {
        waiting.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map { stream, count in
            WatchGlance.Queue(
                model: stream / RequestClass.allCases.count,
                RequestClass(rawValue: stream % RequestClass.allCases.count) ?? .low, waiting: count)
        }
    }
}
