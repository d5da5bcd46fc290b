// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats
internal import StraitSimulation

/// A busy second of a device, batch by batch.
struct TimelineFigures {
    private let recordings: [Recording]

    init(_ recordings: [Recording]) { self.recordings = recordings }

    var figures: [Figure] {
        guard !recordings.isEmpty else { return [] }
        return [
            Figure(
                name: "timeline", title: "The same busy second of one device, under different policies",
                caption:
                    "Each row is a lane. Blue batches have high requests, grey ones only low; thin yellow lines are "
                    + "copies to the device and back. A red edge: some of the batch's requests were answered late, "
                    + "or it was "
                    + "killed. Below, each request that came in this second at the time of its answer: a green "
                    + "stroke if it "
                    + "was in time, a long red one if it was late or refused.",
                panels: recordings.map { TimelineChart(recording: $0).drawing() }),
            Figure(
                name: "timeline-zoom", title: "Part of that second, closer: copies, batches and answers",
                caption:
                    "The \(Int(Self.zoomed)) ms in which most requests came; counts are of the whole second. A "
                    + "batch holds its "
                    + "lane from the copy "
                    + "of its inputs (yellow, left of it) to the copy of its answers (right of it).",
                panels: recordings.map { recording in
                    TimelineChart(recording: recording, from: busiest, to: busiest + Self.zoomed).drawing()
                }),
        ]
    }

    /// Short enough to see single batches of a few milliseconds.
    private static let zoomed = 120.0

    /// When the busiest part of the second begins, in milliseconds.
    private var busiest: Double {
        guard let recording = recordings.first else { return 0 }
        let times = recording.arrivals.map { ($0.at - recording.head.start).milliseconds }
        let starts = stride(from: 0, through: 1000 - Self.zoomed, by: Self.zoomed / 6)
        func count(_ start: Double) -> Int { times.count { $0 >= start && $0 < start + Self.zoomed } }
        // The first of the busiest.
        return starts.map { (count($0), $0) }.max { ($0.0, -$0.1) < ($1.0, -$1.1) }?.1 ?? 0
    }
}

/// One recording's batches and answers.
struct TimelineChart {
    var recording: Recording
    /// The time that is shown, in milliseconds from the start of the recording.
    var from = 0.0
    var to = 1000.0

    private static let left = 60.0
    private static let top = 26.0
    private static let laneHeight = 24.0
    private static let answerHeight = 22.0

    /// The chart in a picture of a width.
    func drawing(width: Double = Figure.pageWidth) -> Drawing {
        let lanes = max(1, recording.head.devices.first?.lanes ?? 1)
        let below = Self.top + Double(lanes) * Self.laneHeight + 6
        let bottom = below + 2 * Self.answerHeight
        let scale = Scale(.linear, from, to, from: Self.left, to: width - 14)
        var picture = Drawing(width: width, height: bottom + 36)
        picture.text(title, Point(x: 6, y: 16), "s")
        for lane in 0..<lanes {
            let y = Self.top + Double(lane) * Self.laneHeight
            picture.rectangle(Box(left: Self.left, top: y + 1, width: width - 14 - Self.left, height: 20), "lane")
            picture.text("lane \(lane)", Point(x: Self.left - 6, y: y + 15), "n", .end)
        }
        for batch in recording.batches where batch.device == 0 && batch.lane < lanes { draw(batch, &picture, scale) }
        for (row, requestClass) in RequestClass.allCases.enumerated() {
            drawAnswers(requestClass, &picture, scale, below + Double(row) * Self.answerHeight)
        }
        picture.line(Point(x: Self.left, y: bottom), Point(x: width - 14, y: bottom), "a")
        for tick in scale.ticks(about: 10) {
            picture.line(Point(x: scale.place(tick), y: bottom), Point(x: scale.place(tick), y: bottom + 4), "a")
            picture.text(Markup.number(tick), Point(x: scale.place(tick), y: bottom + 15), "n", .middle)
        }
        picture.text(
            "time, ms (from second \(Markup.number((recording.head.start - .zero).seconds)) of the run)",
            Point(x: (Self.left + width - 14) / 2, y: bottom + 29), "t", .middle)
        return picture
    }

    /// The policy, and how many requests of each class were answered in time.
    private var title: String {
        let ended = recording.answersByArrival
        let counts = RequestClass.allCases.map { requestClass -> String in
            let own = recording.arrivals.indices.filter { recording.arrivals[$0].requestClass == requestClass }
            let missed = own.count { ended[$0].map { !$0.ending.isInTime } ?? true }
            return "\(requestClass.name): \(missed) of \(own.count) missed"
        }
        return "\(recording.head.policy): \(counts.joined(separator: ", "))"
    }

    private func milliseconds(_ instant: Instant) -> Double { (instant - recording.head.start).milliseconds }

    private func draw(_ batch: Recording.Batch, _ picture: inout Drawing, _ scale: Scale) {
        let y = Self.top + Double(batch.lane) * Self.laneHeight
        let (staged, ended) = (milliseconds(batch.stagedAt), milliseconds(batch.endedAt))
        let copied = batch.copiedInAt.map(milliseconds) ?? ended
        let done = batch.kernelsDoneAt.map(milliseconds) ?? ended
        guard ended > from, staged < to else { return }
        func box(_ from: Double, _ to: Double, _ top: Double, _ height: Double) -> Box {
            Box(left: scale.place(from), top: y + top, width: scale.place(to) - scale.place(from), height: height)
        }
        let model = recording.head.models.indices.contains(batch.model) ? recording.head.models[batch.model].name : ""
        let hint = "\(model), \(batch.rows) rows, \(batch.met) in time, \(batch.late) late, \(batch.end.rawValue)"
        let isMissed = batch.late > 0 || batch.end != .finished
        picture.rectangle(box(staged, copied, 10, 3), "copy")
        picture.rectangle(
            box(copied, done, 3, 16), (batch.requestClass == .high ? "high" : "low") + (isMissed ? " missed" : ""),
            hint: hint)
        picture.rectangle(box(done, ended, 10, 3), "copy")
    }

    private func drawAnswers(_ requestClass: RequestClass, _ picture: inout Drawing, _ scale: Scale, _ top: Double) {
        picture.text(requestClass.name, Point(x: Self.left - 6, y: top + 14), "n", .end)
        for isInTime in [true, false] {
            let times = recording.answers.lazy.filter { answer in
                recording.arrivals.indices.contains(answer.arrival) && answer.ending.isInTime == isInTime
                    && recording.arrivals[answer.arrival].requestClass == requestClass
            }.map { milliseconds($0.at) }.filter { ($0 >= from) && ($0 <= to) }
            let lines = times.map { time in
                let x = scale.place(time)
                return (from: Point(x: x, y: top + (isInTime ? 9 : 2)), to: Point(x: x, y: top + 18))
            }
            picture.strokes(Array(lines), isInTime ? "met" : "missed")
        }
    }
}

extension Recording.Ending {
    /// Whether the request was answered by its deadline.
    fileprivate var isInTime: Bool { self == .met }
}
