// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@testable internal import StraitFormats

@Suite struct RecordingTests {
    private let folder = Folder()

    private static let profile = ModelProfile(
        curves: [
            ModelProfile.Curve(
                bucket: 4,
                points: [
                    ModelProfile.Point(rows: 1, kernelTime: .milliseconds(2)),
                    ModelProfile.Point(
                        rows: 4, kernelTime: .milliseconds(5.5),
                        demand: Demand(compute: 0.5, bandwidth: 0.25, cache: 0)),
                ])
        ], bytesInPerRow: 64, bytesOutPerRow: 8)

    private static func head(_ source: Recording.Source = .live) -> Recording.Head {
        Recording.Head(
            source: source, policy: "strait", origin: "cpu (\"cores\" 0)", seed: source == .live ? nil : 7,
            start: Instant(nanoseconds: 1), calendarMilliseconds: source == .live ? 1_764_000_000_123 : nil,
            maximumWaiting: 500,
            devices: [
                Recording.Device(name: "a", lanes: 2, copies: false),
                Recording.Device(name: "b", lanes: 1, copies: true),
            ],
            models: [
                Recording.Model(name: "m", maximumBatch: 4, maximumQueued: 9, profile: profile),
                Recording.Model(name: "n", maximumBatch: 1),
            ])
    }

    /// Requests that come and end at random times, in every way that there is.
    private static func random(seed: UInt64) -> Recording {
        var generator = SeededGenerator(seed: seed)
        var recording = Recording(head(Bool.random(using: &generator) ? .live : .simulated))
        var now = recording.head.start
        for _ in 0..<60 {
            now = now + Duration(nanoseconds: Int64.random(in: 0...3_000_000, using: &generator))
            switch Int.random(in: 0..<3, using: &generator) {
            case 0:
                let model = Int.random(in: 0...1, using: &generator)
                recording.arrivals.append(
                    Recording.Arrival(
                        at: now, model: model, Bool.random(using: &generator) ? .high : .low,
                        rows: model == 0 ? Int.random(in: 1...4, using: &generator) : 1,
                        deadline: Bool.random(using: &generator)
                            ? .never : now + Duration(nanoseconds: Int64.random(in: 0...9_000_000, using: &generator)),
                        bucket: UInt8.random(in: 0...20, using: &generator),
                        shape: UInt32.random(in: 0...3, using: &generator)))
            case 1:
                let device = Int.random(in: 0...1, using: &generator)
                var batch = Recording.Batch(
                    device: device, lane: 0, model: 0, .high, rows: 3, stagedAt: .zero,
                    predictedFinish: Bool.random(using: &generator) ? .never : now, medianBound: now, bound95: .never)
                batch.copiedInAt = Bool.random(using: &generator) ? nil : .zero
                batch.kernelsDoneAt = Bool.random(using: &generator) ? nil : now
                batch.endedAt = now
                batch.end = Recording.Batch.End.allCases.randomElement(using: &generator) ?? .finished
                batch.met = Int.random(in: 0...3, using: &generator)
                recording.batches.append(batch)
            case 2 where seed % 2 == 0:
                recording.changes.append(
                    Recording.DeviceChange(
                        at: now, device: Int.random(in: 0...1, using: &generator),
                        serves: Bool.random(using: &generator)))
            default:
                let arrival = recording.answers.count
                guard arrival < recording.arrivals.count else { continue }
                let others: [Recording.Ending] = [
                    .failed, .cancelled, .shed(.hopelessOnArrival), .shed(.hopelessInQueue), .shed(.queueFull),
                    .shed(.modelQueueFull),
                ]
                let served: Recording.Ending = now <= recording.arrivals[arrival].deadline ? .met : .late
                recording.answers.append(
                    Recording.Answer(
                        arrival: arrival,
                        Bool.random(using: &generator) ? served : others.randomElement(using: &generator) ?? .failed,
                        at: now))
            }
        }
        if Bool.random(using: &generator) {
            recording.end = now
            recording.dropped = Int.random(in: 0...5, using: &generator)
        }
        return recording
    }

    @Test(arguments: 0..<100) func whatIsWrittenReadsBackAsTheSame(seed: UInt64) throws {
        let recording = Self.random(seed: seed)
        let path = "\(folder.path)/\(seed).jsonl"
        try recording.write(to: path)
        #expect(try Recording(path: path) == recording)
    }

    @Test func aServerThatCouldLoadNoModelReadsBackToo() throws {
        var head = Self.head()
        head.models = []
        let path = "\(folder.path)/none.jsonl"
        try Recording(head).write(to: path)
        #expect(try Recording(path: path) == Recording(head))
    }

    @Test func linesReadTheSameWhateverPiecesTheyComeIn() throws {
        let recording = Self.random(seed: 1)
        let path = "\(folder.path)/r.jsonl"
        try recording.write(to: path)
        for length in [1, 7, 64, 1000] {
            var reader = RecordingReader()
            try Files.readLines(path, limit: 1 << 20, pieceLength: length) { (line) throws(FormatError) in
                try reader.read(line)
            }
            #expect(reader.recording == recording)
        }
    }

    @Test func aRecordingIsFoundByItsRequests() {
        var recording = Recording(Self.head())
        recording.append(.arrival(Recording.Arrival(at: .zero, model: 0, .high, deadline: .never)))
        recording.append(.arrival(Recording.Arrival(at: .zero, model: 0, .low, deadline: .never)))
        recording.append(.answer(Recording.Answer(arrival: 1, .met, at: Instant(nanoseconds: 9))))
        #expect(recording.answersByArrival.map { $0?.ending } == [nil, .met])
    }

    // -- malformed files ------------------------------------------------------------------------------------------

    private static let headLine =
        #"{"strait_recording":1,"source":"live","policy":"strait","origin":"cpu","start_ms":5,"maximum_waiting":9,"#
        + #""devices":[{"name":"a","lanes":1}],"models":[{"name":"m","maximum_batch":4}]}"#
    private static let arrivalLine =
        #"{"arrival":0,"at_ms":6,"model":0,"class":"high","rows":1,"deadline_ms":8}"#

    private func error(_ lines: [String]) -> String? {
        let path = "\(folder.path)/bad.jsonl"
        do throws(FormatError) {
            try Files.replace(path, with: Array(lines.joined(separator: "\n").utf8))
            _ = try Recording(path: path)
            return nil
        } catch { return "\(error)" }
    }

    @Test func theLinesThatTheseTestsSpoilAreRight() { #expect(error(Self.lines) == nil) }

    @Test(arguments: [
        ("", "empty; expected a recording"),
        ("x", ":1: expected a JSON value, found 'x'"),
        ("[]", ":1: expected an object, found an array of 0"),
        (#"{"strait_recording":2}"#, ":1: strait_recording: expected version 1, found 2; record again"),
        (#"{"strait_profile":1}"#, ":1: strait_recording: missing; expected"),
        (headLine.replacing("live", with: "lively"), ":1: source: expected one of \"simulated\", \"live\""),
        (
            headLine.replacing("\"lanes\":1", with: "\"lanes\":0"),
            ":1: devices[0].lanes: expected a whole number from 1"
        ),
        (headLine.replacing("\"maximum_batch\":4", with: "\"maximum\":4"), ":1: models[0].maximum_batch: missing"),
        (headLine.replacing("5,", with: "-5,"), ":1: start_ms: expected milliseconds from 0"),
        (headLine.replacing("[{\"name\":\"a\",\"lanes\":1}]", with: "[]"), ":1: devices: expected an array of 1 to"),
        (headLine.replacing("\"origin\"", with: "\"more\":1,\"origin\""), ":1: more: unknown key"),
    ])
    func aBadHeadIsRefused(line: String, message: String) throws {
        let found = try #require(error(line.isEmpty ? [] : [line]))
        #expect(found.contains("bad.jsonl"))
        #expect(found.contains(message), "\(found)")
    }

    private static let batchLine =
        #"{"batch":0,"device":0,"lane":0,"model":0,"class":"high","rows":1,"staged_ms":6,"copied_in_ms":6,"#
        + #""kernels_done_ms":7,"ended_ms":7,"end":"finished","predicted_ms":7,"median_ms":7,"bound95_ms":8,"met":1,"late":0}"#
    private static let answerLine = #"{"answer":0,"at_ms":7,"outcome":"met"}"#
    private static let endLine = #"{"end_ms":9,"dropped":0}"#
    private static let lines = [headLine, arrivalLine, batchLine, answerLine, endLine]

    /// Which line is spoilt, what is replaced in it, and what the error says.
    @Test(arguments: [
        (2, "\"arrival\":0", "\"arrival\":1", "arrival: expected 0, the next number, found 1"),
        (2, "\"at_ms\":6", "\"at_ms\":4", "at_ms: 4 is before the line above, which is of 5; time does not go back"),
        (2, "\"model\":0", "\"model\":1", "model: there are 1 models, numbered from 0"),
        (2, "high", "higher", "class: expected one of \"high\", \"low\""),
        (2, "\"rows\":1", "\"rows\":5", "rows: the model takes at most 4"),
        (2, "\"rows\":1", "\"rows\":0", "rows: expected a whole number from 1"),
        (2, "\"deadline_ms\":8", "\"deadline_ms\":\"8\"", "deadline_ms: expected milliseconds from 0"),
        (2, "\"deadline_ms\":8", "\"deadlin_ms\":8", "deadlin_ms: unknown key; expected one of arrival, at_ms"),
        (2, "\"at_ms\":6", "\"at_ms\":6,\"at_ms\":6", "the key \"at_ms\" stands twice"),
        (2, "}", "", "expected ',' or '}', found the end of the text"),
        (3, "\"batch\":0", "\"batch\":7", "batch: expected 0, the next number, found 7"),
        (3, "\"device\":0", "\"device\":1", "device: there are 1 devices"),
        (3, "\"lane\":0", "\"lane\":1", "lane: the device has 1 lanes"),
        (3, "\"copied_in_ms\":6", "\"copied_in_ms\":5", "copied_in_ms: expected a time from 6"),
        (3, "\"kernels_done_ms\":7", "\"kernels_done_ms\":8", "kernels_done_ms: expected a time from 6"),
        (3, "\"staged_ms\":6,", "", "staged_ms: missing"),
        (3, "\"ended_ms\":7", "\"ended_ms\":5", "ended_ms: 5 is before the line above"),
        (3, "finished", "done", "end: expected one of \"finished\", \"failed\", \"killed\", \"withdrawn\""),
        (3, "\"met\":1", "\"met\":2", "met: expected a whole number from 0 to 1"),
        (4, "\"answer\":0", "\"answer\":1", "answer: no request 1 has come"),
        (4, "\"outcome\":\"met\"", "\"outcome\":\"late\"", "outcome: it contradicts the request's deadline"),
        (4, "\"outcome\":\"met\"", "\"outcome\":\"shed\"", "reason: missing; expected one of \"hopeless-on-arrival\""),
        (4, "\"answer\":0,", "", "expected an arrival, a batch, an answer, a model"),
        (5, "\"dropped\":0", "\"dropped\":-1", "dropped: expected a whole number from 0"),
        (5, "\"end_ms\":9", "\"end_ms\":6", "end_ms: 6 is before the line above"),
    ])
    func aBadLineIsRefusedWithItsNumber(_ line: Int, _ good: String, _ bad: String, _ message: String) throws {
        var lines = Self.lines
        lines[line - 1] = lines[line - 1].replacing(good, with: bad)
        let found = try #require(error(lines))
        #expect(found.contains("bad.jsonl:\(line): "), "\(found)")
        #expect(found.contains(message), "\(found)")
    }

    @Test func modelsJoinAndDevicesGoOnTheWay() throws {
        let joins = #"{"joins":{"name":"late","maximum_batch":2},"at_ms":6}"#
        let goes = #"{"device":0,"at_ms":6,"serves":false}"#
        let arrival = #"{"arrival":1,"at_ms":6,"model":1,"class":"low","rows":2}"#
        let path = "\(folder.path)/joins.jsonl"
        let text =
            (Self.lines.prefix(2) + [joins, goes, arrival] + Self.lines.suffix(1)).joined(separator: "\n") + "\n"
        try Files.replace(path, with: Array(text.utf8))
        let recording = try Recording(path: path)
        #expect(recording.head.models.map(\.name).last == "late" && recording.arrivals[1].model == 1)
        #expect(recording.changes == [Recording.DeviceChange(at: recording.arrivals[1].at, device: 0, serves: false)])
        #expect(try #require(error(Self.lines.prefix(1) + [goes.replacing("0", with: "3")])).contains("1 devices"))
        #expect(try #require(error(Self.lines.prefix(2) + [goes.replacing("false", with: "1")])).contains("serves"))
        #expect(try #require(error(Self.lines.prefix(2) + [joins.replacing("2", with: "0")])).contains("maximum_batch"))
    }

    @Test func aSecondAnswerAndWhatComesAfterTheEndAreRefused() throws {
        let again = try #require(error(Self.lines.prefix(4) + [Self.answerLine]))
        #expect(again.hasSuffix("bad.jsonl:5: answer: request 0 is answered already"))
        let after = try #require(error(Self.lines + [Self.endLine]))
        #expect(after.hasSuffix("bad.jsonl:6: nothing comes after the end of a recording"))
    }

    @Test func aFileThatIsNotThereIsNamed() {
        #expect(throws: FormatError.self) { try Recording(path: "\(folder.path)/none.jsonl") }
    }
}
