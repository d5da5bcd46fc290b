// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

@testable internal import StraitFormats

/// What a page is told of records: counts, batches with their requests, queues.
@Suite struct WatchTests {
    private let head = Recording.Head(
        source: .live, policy: "strait", origin: "here", start: .zero,
        devices: [Recording.Device(name: "d", lanes: 2, copies: true)],
        models: [Recording.Model(name: "a", maximumBatch: 4), Recording.Model(name: "b\"", maximumBatch: 4)])

    private func ms(_ count: Double) -> Instant { .zero + .milliseconds(count) }

    private func arrival(
        _ at: Double, _ model: Int, _ requestClass: RequestClass, due: Double, number: UInt64 = 0
    ) -> Recording.Record {
        .arrival(Recording.Arrival(at: ms(at), model: model, requestClass, deadline: ms(due), number: number))
    }

    private func batch(
        _ model: Int, _ requestClass: RequestClass, lane: Int = 0, rows: Int, staged: Double, ended: Double, met: Int,
        late: Int = 0
    ) -> Recording.Record {
        var batch = Recording.Batch(
            device: 0, lane: lane, model: model, requestClass, rows: rows, stagedAt: ms(staged),
            predictedFinish: ms(staged + 4), medianBound: ms(staged + 4), bound95: ms(staged + 6))
        batch.copiedInAt = ms(staged + 0.5)
        batch.kernelsDoneAt = ms(ended - 0.25)
        batch.endedAt = ms(ended)
        batch.met = met
        batch.late = late
        return .batch(batch)
    }

    private func answer(_ arrival: Int, _ ending: Recording.Ending, _ at: Double) -> Recording.Record {
        .answer(Recording.Answer(arrival: arrival, ending, at: ms(at)))
    }

    /// Three requests of two models: one batch in time, one late, and one that is shed.
    private var records: [Recording.Record] {
        [
            arrival(1, 0, .high, due: 50, number: 71), arrival(2, 0, .high, due: 7, number: 72),
            arrival(3, 1, .low, due: 4, number: 73), answer(2, .shed(.hopelessOnArrival), 3),
            batch(0, .high, rows: 2, staged: 3, ended: 8, met: 1, late: 1), answer(0, .met, 8), answer(1, .late, 8),
        ]
    }

    private func glance(_ at: Double) -> WatchGlance {
        var glance = WatchGlance()
        glance.at = ms(at)
        glance.policy = "strait"
        return glance
    }

    private func text(_ json: JSONText) -> String { String(decoding: json.bytes, as: UTF8.self) }

    private func isJSON(_ json: JSONText) -> Bool {
        json.bytes.withUnsafeBufferPointer { bytes in (try? JSONReader.read(bytes)) != nil }
    }

    @Test func `a frame tells counts, batches with their requests, and what got nothing`() {
        var frames = WatchFrames(head)
        for record in records { frames.take(record) }
        let frame = frames.frame(glance(10))
        #expect(isJSON(frame))
        #expect(
            text(frame) == """
                {"t":10000,"n":0,"key":true,"models":["a","b\\""],"policy":"strait","total":[[2,1,1,0,0,0],[1,0,0,1,0,0]],\
                "count":[[0,0,2,1,1,0,0,0,0,0,0,0],[1,1,1,0,0,0,0,1,0,0,0,0]],"queue":[],"run":[],"serves":[1],\
                "batch":[[0,0,0,0,2,-7000,-6500,-2250,-2000,-3000,-3000,-1000,0,1,1,\
                [[71,-9000,40000,1],[72,-8000,-3000,2]]]],"other":[[73,-7000,-6000,5,1,1,-7000]]}
                """)
    }

    @Test func `nothing new is quiet, and what was told is not told again but in a key frame`() {
        var frames = WatchFrames(head)
        #expect(!frames.isQuiet(glance(1)), "the first frame tells who is there")
        for record in records { frames.take(record) }
        _ = frames.frame(glance(10))
        #expect(frames.isQuiet(glance(12)))
        var busy = glance(12)
        busy.queues = [WatchGlance.Queue(model: 0, .low, waiting: 3)]
        #expect(!frames.isQuiet(busy))
        let second = text(frames.frame(busy))
        #expect(second.contains("\"count\":[]") && second.contains("\"queue\":[[0,1,3]]") && !second.contains("key"))
        #expect(second.contains("\"batch\":[]") && !second.contains("other"))
        var number = 2
        while !frames.isKeyNext {
            _ = frames.frame(glance(Double(10 + number)))
            number += 1
        }
        #expect(text(frames.frame(glance(99))).contains("[0,0,2,1,1,0,0,0,0,0,0,0]"), "all totals are told again")
    }

    @Test func `answers of requests from before the tape are not counted`() {
        var frames = WatchFrames(head, arrivals: 5)
        frames.take(answer(4, .met, 1))
        frames.take(arrival(2, 0, .low, due: 9))
        frames.take(answer(5, .shed(.queueFull), 3))
        let frame = text(frames.frame(glance(4)))
        #expect(frame.contains("\"count\":[[0,1,1,0,0,0,0,0,0,1,0,0]]"))
    }

    @Test func `a shift moves all instants`() {
        var frames = WatchFrames(head, shift: .seconds(1))
        for record in records { frames.take(record) }
        let frame = text(frames.frame(glance(1010)))
        #expect(frame.contains("[0,0,0,0,2,-7000,-6500,-2250,-2000,-3000,-3000,-1000,0,1,1,[[71,-9000,40000,1]"))
    }

    @Test func `at one instant requests go to the batch of their model that lacks them`() {
        var tally = WatchTally(head)
        for (model, due) in [(0, 50.0), (1, 50), (0, 50), (1, 2)] { tally.take(arrival(1, model, .low, due: due)) }
        tally.take(batch(0, .low, rows: 1, staged: 2, ended: 9, met: 1))
        tally.take(batch(1, .low, lane: 1, rows: 2, staged: 2, ended: 9, met: 1, late: 1))
        tally.take(batch(0, .low, rows: 1, staged: 2, ended: 9, met: 1))
        for (place, ending) in [(0, Recording.Ending.met), (1, .met), (2, .met), (3, .late)] {
            tally.take(answer(place, ending, 9))
        }
        #expect(tally.batches.map { $0.requests.map(\.place) } == [[0], [1, 3], [2]])
        #expect(tally.others.isEmpty && tally.openRequests == 0)
    }

    @Test func `a model that joins is told, and counts`() {
        var frames = WatchFrames(head)
        _ = frames.frame(glance(1))
        frames.take(.model(Recording.Model(name: "new", maximumBatch: 1), at: ms(2)))
        frames.take(arrival(3, 2, .high, due: 9))
        let frame = text(frames.frame(glance(4)))
        #expect(frame.contains("\"models\":[\"a\",\"b\\\"\",\"new\"]") && frame.contains("\"count\":[[2,0,1,"))
    }

    @Test func `a frame is bounded however much has happened`() {
        var frames = WatchFrames(head)
        for number in 0..<5000 {
            frames.take(arrival(Double(number), 0, .low, due: 1e6))
            frames.take(batch(0, .low, rows: 1, staged: Double(number), ended: Double(number) + 0.5, met: 1))
            frames.take(answer(number, .met, Double(number) + 0.5))
        }
        let frame = frames.frame(glance(6000))
        #expect(frame.bytes.count < 64 << 10 && text(frame).contains("\"untold\":") && isJSON(frame))
        #expect(text(frame).contains("[0,1,5000,5000,"), "counts are complete")
    }

    @Test func `a recording becomes frames with queues`() {
        var recording = Recording(head)
        for record in records { recording.append(record) }
        recording.append(arrival(500, 0, .low, due: 2000))
        recording.end = ms(900)
        let watched = WatchedRecording(recording, server: "strait test")
        #expect(isJSON(watched.head) && watched.frames.allSatisfy(isJSON))
        #expect(watched.frames.count == 5, "one each 200 ms up to the end")
        let texts = watched.frames.map(text)
        #expect(texts[0].contains("\"t\":200000,") && texts[4].contains("\"t\":900000,"))
        #expect(texts[0].contains("\"queue\":[]"), "what came and went within a frame does not wait at its end")
        #expect(texts[2].contains("\"queue\":[[0,1,1]]") && texts[4].contains("\"queue\":[[0,1,1]]"))
        #expect(texts[2].contains("\"total\":[[2,1,1,0,0,0],[2,0,0,1,0,0]]"))
    }

    @Test func `a part of a recording is that part`() {
        var recording = Recording(head)
        for second in 0..<10 { recording.append(arrival(Double(second) * 1000 + 100, 0, .low, due: 1e6)) }
        recording.end = ms(10_000)
        let watched = WatchedRecording(recording, window: ms(2000)..<ms(4000), server: "s")
        #expect(watched.frames.count == 11, "one at its beginning, then one each 200 ms")
        let first = watched.frames.first.map(text) ?? ""
        #expect(first.contains("\"t\":2000000,\"n\":25,"), "not the first of all: its counts are of before")
        #expect(first.contains("\"count\":[[0,1,2,") && first.contains("\"queue\":[[0,1,2]]"))
        #expect(first.contains("\"batch\":[]"))
        #expect(watched.frames.last.map { text($0).contains("\"t\":4000000,") } == true)
    }

    @Test func `a tape that begins while batches run knows none of them, whatever becomes of them`() {
        var tape = RecordingTape(capacity: 100, models: 2)
        for id in [BatchID(slot: 0, generation: 0), BatchID(slot: 3, generation: 7)] {
            tape.copiedIn(id, at: ms(6))
            tape.kernelsDone(id, at: ms(7))
            tape.ended(id, .finished, at: ms(8))
            #expect(tape.running(id) == nil)
        }
        tape.answered(RequestID(slot: 2, generation: 1), .met, at: ms(8))
        #expect(tape.records.isEmpty)
    }
}
