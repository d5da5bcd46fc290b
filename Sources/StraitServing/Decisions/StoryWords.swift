// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitFormats

/// Puts the story of a request into words, for people who have to find out what went wrong. Every time but the arrival's is
/// told from the arrival on, as `+14.2 ms`.
struct StoryWords {
    let story: RequestStory
    let times: TimeWords
    /// What devices are called.
    let devices: [String]
    /// What models are called, by the scheduler's numbers.
    let models: [String]
    /// The time at which it is told.
    let now: Instant
    /// Whether terms are explained.
    let explainsTerms: Bool

    private(set) var lines: [String] = []

    var request: RequestEntry { story.request }

    /// The story, a line for each thing that can be said.
    static func lines(
        _ story: RequestStory, _ times: TimeWords, devices: [String], models: [String], now: Instant,
        explainsTerms: Bool = true
    ) -> [String] {
        var words = StoryWords(
            story: story, times: times, devices: devices, models: models, now: now, explainsTerms: explainsTerms)
        words.tell()
        return words.lines
    }

    private mutating func tell() {
        say(headline)
        say(outcome)
        sayArrival()
        if story.request.stagings > 0 { sayBatch() }
        if let cause = causeOfLateness { say(cause) }
        sayParts()
        sayDisplacement()
        sayWeighed()
    }

    /// Ids and messages come from others.
    mutating func say(_ line: String) { lines.append(Printable.text(line)) }

    // -- what it was ----------------------------------------------------------------------------------------------

    private var headline: String {
        let id = request.clientID.isEmpty ? "" : " (id \"\(request.clientID)\")"
        return
            "request \(request.number)\(id): \(request.requestClass), model \(model(request.model, request.version)), "
            + "\(TimeWords.count(request.rows, "row")), arrived \(times.dayAndTime(request.arrived)), due \(due)"
    }

    /// When it was due, from its arrival.
    var due: String { after(request.deadline) }

    func after(_ instant: Instant) -> String { TimeWords.after(request.arrived, instant) }

    func model(_ name: String, _ version: Int) -> String { version == 1 ? name : "\(name) version \(version)" }

    /// How far an instant is from the deadline.
    func fromDeadline(_ instant: Instant) -> String {
        guard instant < .never else { return "never" }
        let span = TimeWords.span(instant - request.deadline)
        return instant > request.deadline ? "\(span) after its deadline" : "\(span) before its deadline"
    }

    // -- how it came ----------------------------------------------------------------------------------------------

    private mutating func sayArrival() {
        if case .turnedAway = request.fate { return }
        let reading = request.seenAt - request.arrived
        if reading > Self.readingToldFrom { say("it took \(TimeWords.span(reading)) to come in and to be read") }
        let (high, low) = (request.waitingHigh, request.waitingLow)
        say(
            high + low == 0 ? "when it came nothing waited" : "when it came \(high) high and \(low) low requests waited"
        )
        guard let test = request.arrivalTest else { return }
        if case .shed(.hopelessOnArrival, _, _) = request.fate { return }
        guard test.laneFree < .never else {
            return say("no lane was expected to be free: every device hung or was out of service")
        }
        say(
            "\(quantities(test)): it could be answered at \(after(test.finish)), \(fromDeadline(test.finish)), so it was taken"
        )
    }

    /// What the test on arrival reckons with.
    func quantities(_ test: ArrivalTest) -> String {
        let lane =
            test.laneFree > request.seenAt
            ? "the first lane was expected to be free at \(after(test.laneFree))" : "a lane was free"
        let ahead =
            test.ahead > .zero
            ? "\(TimeWords.span(test.ahead)) of \(aheadOf) was ahead of it" : "nothing was ahead of it in the queues"
        return
            "\(lane), \(ahead), and it takes \(TimeWords.span(test.own)) itself; \(percent(ArrivalTest.optimism)) of that "
            + "counts"
    }

    /// What is served before a request of its class.
    var aheadOf: String {
        request.requestClass == .high ? "high work" : "work (high, and low that is due before)"
    }

    func percent(_ share: Double) -> String { "\(TimeWords.decimal(share * 100, 0)) %" }

    // -- where its time went --------------------------------------------------------------------------------------

    private mutating func sayParts() {
        guard let batch = story.batch, let times = batch.times, case .answered = request.fate else { return }
        let waited = request.stagedAt - request.arrived
        let all = request.endedAt - request.arrived
        let rest = all - waited - times.total
        var parts = [
            "\(TimeWords.span(waited)) waiting", "\(TimeWords.span(times.copyIn)) copying in",
            "\(TimeWords.span(times.kernels)) in kernels", "\(TimeWords.span(times.copyOut)) copying out",
        ]
        if rest > Self.restToldFrom {
            parts.append("\(TimeWords.span(rest)) elsewhere (for threads, processors, copy engines)")
        }
        say("its \(TimeWords.span(all)) were \(parts.joined(separator: ", "))")
    }

    /// A rest of an answer's time that is worth a word.
    private static let restToldFrom = Duration.microseconds(500)
    /// A time to come in that is.
    private static let readingToldFrom = Duration.milliseconds(1)
}
