// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// What the driver calls requests that have ended and batches that were staged, for as long as the scheduler's log of
/// decisions may name them.
struct NamesOfThePast: Sendable {
    private var requests: [RequestID: RequestName] = [:]
    /// The last request of each name.
    private var latest: [RequestName: RequestID] = [:]
    private var batches: [BatchID: Int64] = [:]
    /// Both in the order in which they are forgotten.
    private var ended = Forgetting<RequestID>()
    private var staged = Forgetting<BatchID>()

    /// Notes a request that has ended.
    mutating func note(_ id: RequestID, _ name: RequestName, at now: Instant) {
        requests[id] = name
        latest[name] = id
        ended.append(id, at: now)
        while ended.count > Bounds.endedRequests { forgetRequest() }
    }

    /// Notes a batch that was staged.
    mutating func note(_ id: BatchID, _ number: Int64, at now: Instant) {
        batches[id] = number
        staged.append(id, at: now)
    }

    /// The last request of a name that has ended.
    func find(_ name: RequestName) -> RequestID? { latest[name] }

    /// The name of a request that has ended; nil if it is forgotten.
    func name(of id: RequestID) -> RequestName? { requests[id] }

    /// The number of a batch.
    func number(of id: BatchID) -> Int64? { batches[id] }

    /// Forgets what no decision from `oldest` on can name.
    mutating func forget(before oldest: Instant) {
        while let at = ended.first, at < oldest { forgetRequest() }
        while let at = staged.first, at < oldest, let id = staged.removeFirst() { batches[id] = nil }
    }

    private mutating func forgetRequest() {
        guard let id = ended.removeFirst(), let name = requests.removeValue(forKey: id) else { return }
        if latest[name] == id { latest[name] = nil }
    }
}

/// A queue of things with the instant of each.
private struct Forgetting<Element: Sendable>: Sendable {
    private var entries: [(element: Element, at: Instant)] = []
    private var head = 0

    /// Entries before the head are dropped when there are so many, and they are half of all.
    private static var compactionLength: Int { 64 }

    var count: Int { entries.count - head }
    var first: Instant? { head < entries.count ? entries[head].at : nil }

    mutating func append(_ element: Element, at now: Instant) { entries.append((element, now)) }

    mutating func removeFirst() -> Element? {
        guard head < entries.count else { return nil }
        defer {
            head += 1
            if head >= Self.compactionLength, head * 2 >= entries.count {
                entries.removeSubrange(..<head)
                head = 0
            }
        }
        return entries[head].element
    }
}

extension CoreAdapter {
    /// Writes all that is known about a request, the oldest decision first.
    func explain(_ name: RequestName, into output: inout JSONText) throws(FormatError) {
        guard scheduler.decisions != nil else {
            throw refusal(
                "event", "nothing is kept to explain; options.explanations of the configuration says how many decisions"
            )
        }
        guard let id = requests.find(name) ?? past.find(name) else {
            throw refusal("request", "no decision about \(name.words) is known; it never came, or long ago")
        }
        for record in scheduler.records(of: id) { write(record, about: id, to: &output) }
    }

    private func write(_ record: DecisionRecord, about id: RequestID, to output: inout JSONText) {
        switch record.what {
        case .shed(let shed): write(shed, at: record.at, to: &output)
        case .waited(let weighing):
            output.beginWhy("waited", at: record.at)
            output.whyField("times", weighing.times)
            write(weighing, at: record.at, to: &output)
        case .staged(let staged):
            let isIn = staged.members.contains { $0.request == id }
            output.beginWhy(isIn ? "staged" : "passed-over", at: record.at)
            write(staged, at: record.at, to: &output)
        }
        output.endWhy()
    }

    private func write(_ shed: ShedDecision, at now: Instant, to output: inout JSONText) {
        output.beginWhy("shed", at: now)
        output.whyField("request", driverName(of: shed.request))
        output.whyField("model", modelName(shed.model, at: now))
        output.whyField("class", shed.requestClass)
        output.whyField("reason", shed.reason)
        output.whyField("deadline_at_ms", shed.deadline)
        output.whyField("predicted_finish_at_ms", shed.predictedFinish)
        switch shed.test {
        case .arrival(let test):
            output.whyField("test", "arrival")
            output.whyField("lane_free_at_ms", test.laneFree)
            output.whyField("ahead_ms", test.ahead)
            output.whyField("own_ms", test.own)
            output.whyField("optimism", ArrivalTest.optimism)
        case .lastStart(let instant, let own):
            output.whyField("test", "last-start")
            output.whyField("last_start_at_ms", instant)
            output.whyField("own_ms", own)
        case .expired: output.whyField("test", "expired")
        case .passedOver(let finish):
            output.whyField("test", "passed-over")
            if let finish { output.whyBounds(finish, prefix: "batch_") }
        case .room(let waiting, let limit):
            output.whyField("test", "room")
            output.whyField("waiting", waiting)
            output.whyField("limit", limit)
        case .modelRoom(let waiting, let limit):
            output.whyField("test", "model-room")
            output.whyField("waiting", waiting)
            output.whyField("limit", limit)
        case .hang: output.whyField("test", "hang")
        case .unloaded: output.whyField("test", "unloaded")
        }
    }

    private func write(_ staged: StagedDecision, at now: Instant, to output: inout JSONText) {
        output.whyField("batch", past.number(of: staged.batch))
        output.whyField("device", deviceNames[staged.device.index])
        output.whyField("lane", staged.lane.index)
        output.whyField("model", modelName(staged.model, at: now))
        output.whyField("class", staged.requestClass)
        output.whyField("rows", staged.rows)
        output.whyField("requests", staged.members.map { driverName(of: $0.request) })
        output.whyField("cause", "\(staged.cause)")
        output.whyBounds(staged.prediction)
        if let weighing = staged.weighing { write(weighing, at: now, to: &output) }
    }

    private func write(_ weighing: Weighing, at now: Instant, to output: inout JSONText) {
        output.beginOptions()
        for (index, option) in weighing.options.enumerated() {
            output.beginOption(isChosen: index == weighing.chosen, isFirst: index == 0)
            output.whyField("device", deviceNames[option.device.index])
            output.whyField("model", modelName(option.model, at: now))
            output.whyField("class", option.requestClass)
            output.whyField("rows", option.rows)
            output.whyField("requests", option.requests.map { driverName(of: $0) })
            if let prediction = option.prediction { output.whyBounds(prediction) }
            output.whyTerms(option.terms)
            output.endOption()
        }
        output.endOptions()
    }

    /// What the driver calls a request; nil for one that is forgotten.
    private func driverName(of id: RequestID) -> RequestName? {
        past.name(of: id) ?? (requests.isLive(id) ? requests.name(of: id) : nil)
    }
}
