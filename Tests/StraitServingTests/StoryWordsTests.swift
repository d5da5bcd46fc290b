// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable internal import StraitCore
@testable internal import StraitServing

/// The words for what is hard to bring about, and how times are told.
@Suite struct StoryWordsTests {
    private static let arrived = Instant(nanoseconds: 5_000_000_000)

    private static func at(_ milliseconds: Double) -> Instant { arrived + .milliseconds(milliseconds) }

    private static func lines(
        _ fate: RequestEntry.Fate, _ requestClass: RequestClass = .low,
        _ change: (inout RequestStory) -> Void = { _ in }
    ) -> [String] {
        var request = RequestEntry(
            number: 7, id: nil, clientID: "", model: "ct", version: 2, modelID: ModelID(index: 0),
            requestClass: requestClass, rows: 3, arrived: arrived, deadline: at(20))
        request.seenAt = arrived
        request.fate = fate
        request.endedAt = at(9)
        var story = RequestStory(request: request)
        change(&story)
        let times = TimeWords(now: arrived, calendarMilliseconds: 1_795_867_381_482)
        return StoryWords.lines(story, times, devices: ["gpu0"], models: ["ct version 2"], now: at(30))
    }

    private static func shed(_ test: ShedTest?, _ reason: ShedReason = .hopelessInQueue) -> String {
        lines(.shed(reason, predictedFinish: at(22), test: test))[1]
    }

    @Test func `the head says what it was`() {
        #expect(
            Self.lines(.waiting)[0]
                == "request 7: low, model ct version 2, 3 rows, arrived 2026-11-28 12:03:01.482, due +20.0 ms")
        #expect(Self.lines(.waiting)[1] == "it waits, for 30.0 ms by now; its deadline passed 10.0 ms ago")
    }

    @Test func `what a client calls it moves no cursor and makes up no line`() {
        let head = Self.lines(.waiting) { $0.request.clientID = "a\u{1B}[2J\nrequest 8" }[0]
        #expect(head.hasPrefix("request 7 (id \"a·[2J·request 8\"): low"))
        #expect(Self.lines(.failed("one\r\ntwo"))[1] == "failed at +9.0 ms: one··two")
    }

    @Test func `tests that it failed are told in numbers`() {
        let dropped = "given up at +9.0 ms while it waited: "
        let finish = BoundedFinish(.milliseconds(22), from: Self.arrived, Calibration())
        #expect(
            Self.shed(.passedOver(finish))
                == dropped
                + "the batch that would have had it was expected at +22.0 ms, 2.0 ms after its deadline (with 95 in "
                + "100 by +28.6 ms), and others behind it that can be in time took its place")
        #expect(
            Self.shed(.passedOver(nil)) == dropped + "it was unlikely to be in time, and others behind it that can be "
                + "took its place")
        #expect(Self.shed(.hang).hasSuffix("and the last device hung or was lost"))
        #expect(Self.shed(nil) == dropped + "it would have been answered at +22.0 ms, 2.0 ms after its deadline")
        #expect(Self.shed(nil, .queueFull).hasSuffix("the queue was full for its class (--max-queue)"))
        #expect(Self.shed(nil, .modelQueueFull).hasSuffix("(max_queue_size in its config.pbtxt)"))
        #expect(Self.shed(nil, .modelUnloaded) == dropped + "its model was unloaded")
        let none = ArrivalTest(laneFree: .never, ahead: .zero, own: .milliseconds(8), at: Self.arrived)
        #expect(
            Self.shed(.arrival(none), .hopelessOnArrival)
                == "refused on arrival at 12:03:01.482: no lane was expected to be free, for every device hung or was out of "
                + "service")
        let full = ArrivalTest(
            laneFree: Self.at(10), ahead: .milliseconds(14.2), own: .milliseconds(8), at: Self.arrived)
        #expect(
            Self.shed(.arrival(full), .hopelessOnArrival).hasSuffix(
                "expected to be free at +10.0 ms, 14.2 ms of work (high, and low that is due before) was ahead of it, and it "
                    + "takes 8.0 ms itself; 85 % of that counts: it would have been answered at +27.4 ms, 7.4 ms after its "
                    + "deadline"))
        #expect(
            Self.lines(.turnedAway(.tensorMemoryFull))[1].hasSuffix(
                "took more than the low class may have of the memory (--tensor-memory)"))
    }

    @Test func `why it was staged is told where it was no choice`() {
        func cause(_ cause: StagedDecision.Cause) -> [String] {
            Self.lines(.running) { story in
                story.request.stagings = 1
                story.batch = BatchEntry(
                    number: 3, model: "ct", version: 2, requestClass: .low, rows: 3, requests: 1, firstRequest: 7,
                    device: 0, lane: 1, beside: 2, cause: cause, stagedAt: Self.at(2))
            }
        }
        #expect(cause(.floor).contains("it was staged because its model was owed device time (the low classes' floor)"))
        #expect(cause(.probe).contains { $0.hasPrefix("it was staged as a probe: ") })
        #expect(cause(.policy).contains { $0.contains("on lane 1 of gpu0, beside 2 batches; with no prediction") })
    }

    @Test(arguments: [
        (0.0, "0 ms"), (0.0004, "0 µs"), (0.0041, "4 µs"), (0.0996, "0.10 ms"), (0.12, "0.12 ms"), (1, "1.0 ms"),
        (14.24, "14.2 ms"), (9_994, "9994.0 ms"),
        (12_340, "12.3 s"), (150_000, "3 min"), (8_000_000, "2 h"), (200_000_000, "2 days"),
    ])
    func `spans have the digits that matter`(milliseconds: Double, words: String) {
        #expect(TimeWords.span(.milliseconds(milliseconds)) == words)
        #expect(TimeWords.span(.milliseconds(-milliseconds)) == words)
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"), (4_102_444_800_000, "2100-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] as [(Int64, String)])
    func `the calendar is the Gregorian`(milliseconds: Int64, words: String) {
        #expect(TimeWords(now: .zero, calendarMilliseconds: milliseconds).iso(.zero) == words)
    }

    @Test func `the time on the wall is that of the machine`() {
        let times = TimeWords(now: .zero, calendarMilliseconds: 0, secondsEastOfUTC: -3600)
        #expect(times.dayAndTime(.zero) == "1969-12-31 23:00:00.000")
        #expect(times.timeOfDay(Instant(nanoseconds: 61_500_000_000)) == "23:01:01.500")
    }
}
