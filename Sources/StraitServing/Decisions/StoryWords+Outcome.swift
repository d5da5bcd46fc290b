// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

// What became of a request, and the test that it failed if it failed one.

extension StoryWords {
    /// The one line that says it all.
    var outcome: String {
        switch request.fate {
        case .waiting: return "it waits, for \(TimeWords.span(now - request.arrived)) by now; \(remaining)"
        case .running: return "it runs, since \(after(request.stagedAt)); \(remaining)"
        case .cancelled:
            let state = request.stagings > 0 ? "while it ran" : "while it waited"
            return "cancelled at \(after(request.endedAt)) \(state): its client went away"
        case .failed(let message): return "failed at \(after(request.endedAt)): \(message)"
        case .answered(let isLate):
            let spare = TimeWords.span(request.deadline - request.endedAt)
            return isLate
                ? "answered late at \(after(request.endedAt)), \(spare) after its deadline"
                : "answered in time at \(after(request.endedAt)), with \(spare) to spare"
        case .turnedAway(let why): return turnedAway(why)
        case .shed(let reason, let finish, let test):
            if case .hopelessOnArrival = reason { return refusedOnArrival(test, finish) }
            return given(up: reason, test, finish)
        }
    }

    private var remaining: String {
        let left = request.deadline - now
        return left >= .zero
            ? "its deadline is in \(TimeWords.span(left))" : "its deadline passed \(TimeWords.span(left)) ago"
    }

    private func turnedAway(_ why: RequestEntry.TurnedAway) -> String {
        let refused = "refused on arrival at \(times.timeOfDay(request.arrived)): "
        return switch why {
        case .draining: refused + "the server was draining, to stop"
        case .unloading: refused + "its model was being unloaded"
        case .tensorMemoryFull:
            refused + "the tensors of all requests in flight took more than the low class may have of the memory "
                + "(--tensor-memory)"
        }
    }

    private func refusedOnArrival(_ test: ShedTest?, _ finish: Instant) -> String {
        let refused = "refused on arrival at \(times.timeOfDay(request.arrived)): "
        guard case .arrival(let numbers)? = test else {
            return refused + "it would have been answered at \(after(finish)), \(fromDeadline(finish))"
        }
        guard numbers.laneFree < .never else {
            return refused + "no lane was expected to be free, for every device hung or was out of service"
        }
        return refused + "\(quantities(numbers)): it would have been answered at \(after(numbers.finish)), "
            + "\(fromDeadline(numbers.finish))"
    }

    /// A request that was refused for lack of room, or given up while it waited.
    private func given(up reason: ShedReason, _ test: ShedTest?, _ finish: Instant) -> String {
        let refused = "refused on arrival at \(times.timeOfDay(request.arrived)): "
        let dropped = "given up at \(after(request.endedAt)) while it waited: "
        switch test {
        case .room(let waiting, let limit)?:
            let share =
                request.requestClass == .low ? ", which for the low class is a share of --max-queue" : " (--max-queue)"
            return refused + "the queue was full: \(waiting) requests waited, and at most \(limit) may\(share)"
        case .modelRoom(let waiting, let limit)?:
            return refused + "its model's queue was full: \(waiting) requests waited for it, and at most \(limit) may "
                + "(max_queue_size in its config.pbtxt)"
        case .lastStart(let last, let own)?:
            return dropped
                + "it takes \(TimeWords.span(own)) itself and so had to start by \(after(last)) for its deadline "
                + "at \(due), and no lane took it by then"
        case .expired?: return dropped + "its deadline at \(due) passed"
        case .passedOver(let prediction)?:
            guard let prediction else {
                return dropped + "it was unlikely to be in time, and others behind it that can be took its place"
            }
            return dropped + "the batch that would have had it was expected at \(after(prediction.expected)), "
                + "\(fromDeadline(prediction.expected)) (with 95 in 100 by \(after(prediction.bound95))), and others behind "
                + "it that can be in time took its place"
        case .hang?:
            return dropped
                + "it waited to find out how long its model takes by now, and the last device hung or was lost"
        case .unloaded?: return dropped + "its model was unloaded"
        case .arrival?, nil: break
        }
        switch reason {
        case .queueFull: return refused + "the queue was full for its class (--max-queue)"
        case .modelQueueFull: return refused + "its model's queue was full (max_queue_size in its config.pbtxt)"
        case .modelUnloaded: return dropped + "its model was unloaded"
        case .hopelessOnArrival, .hopelessInQueue:
            return dropped + "it would have been answered at \(after(finish)), \(fromDeadline(finish))"
        }
    }

    // -- its batch ------------------------------------------------------------------------------------------------

    mutating func sayBatch() {
        if request.stagings > 1 {
            say(
                "it was put into a batch \(request.stagings) times, since a device was lost; what follows is of the last time"
            )
        }
        let predicted = request.predicted
        let expectation =
            predicted.expected < .never
            ? "predicted to be answered at \(after(predicted.expected)), with 95 in 100 by \(after(predicted.bound95)) and "
                + "99 in 100 by \(after(predicted.bound99))" : "with no prediction"
        guard let batch = story.batch else {
            return say("staged at \(after(request.stagedAt)), \(expectation)")
        }
        let beside = batch.beside == 0 ? "alone" : "beside \(TimeWords.count(batch.beside, "batch"))"
        say(
            "staged at \(after(request.stagedAt)) in batch \(batch.number) (\(TimeWords.count(batch.rows, "row"))) on lane "
                + "\(batch.lane) of \(device(batch.device)), \(beside); \(expectation)")
        switch batch.cause {
        case .floor?: say("it was staged because its model was owed device time (the low classes' floor)")
        case .probe?:
            say("it was staged as a probe: it looked too late, but its model had shed and completed nothing for long")
        case .policy?, nil: break
        }
        if !story.companions.isEmpty { say("in the same batch: \(companions)") }
        if !story.neighbours.isEmpty {
            let others = story.neighbours.prefix(Self.neighboursNamed).map { short($0) }.joined(separator: "; ")
            let more = story.neighbours.count - Self.neighboursNamed
            say("on the device at the same time: \(others)" + (more > 0 ? "; and \(more) more" : ""))
        }
    }

    private static var neighboursNamed: Int { 6 }
    private static var companionsNamed: Int { 8 }

    private var companions: String {
        let named = story.companions.prefix(Self.companionsNamed).map { other in
            other.clientID.isEmpty ? "\(other.number)" : "\(other.number) (\"\(other.clientID)\")"
        }
        let more = (story.batch?.requests ?? 0) - 1 - named.count
        return "\(named.count + max(0, more) == 1 ? "request" : "requests") \(named.joined(separator: ", "))"
            + (more > 0 ? " and \(more) more" : "")
    }

    func device(_ index: Int) -> String { index < devices.count ? devices[index] : "device \(index)" }

    /// A batch in few words.
    func short(_ batch: BatchEntry) -> String {
        "batch \(batch.number) (\(model(batch.model, batch.version)), \(batch.requestClass), "
            + "\(TimeWords.count(batch.rows, "row")), lane \(batch.lane)\(devices.count > 1 ? " of \(device(batch.device))" : ""))"
    }

    /// Why it was late, or close to it, in one line.
    var causeOfLateness: String? {
        guard case .answered(let isLate) = request.fate, request.predicted.expected < .never else { return nil }
        let (predicted, actual) = (request.predicted, request.endedAt)
        let off = TimeWords.span(actual - predicted.expected)
        let wrong = actual > predicted.expected ? "\(off) later than predicted" : "\(off) earlier than predicted"
        let bound =
            actual <= predicted.bound95
            ? "within the bound of 95 in 100"
            : actual <= predicted.bound99
                ? "beyond the bound of 95 in 100, within that of 99" : "beyond the bound of 99 in 100"
        guard isLate else { return "it came \(wrong), \(bound)" }
        if predicted.expected > request.deadline {
            return
                "it was late because it was staged too late: already then it was predicted \(fromDeadline(predicted.expected)); "
                + "it came \(wrong)"
        }
        return "it was late because its batch took longer than predicted: it came \(wrong), \(bound)"
    }
}
