// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitProtocol

// The story of a request for programs: times are milliseconds from its arrival, `null` for what has not come or never will.

extension JSONWriter {
    /// Writes a story as an object.
    mutating func story(
        _ story: RequestStory, _ times: TimeWords, devices: [String], models: [String], now: Instant,
        explainsTerms: Bool
    ) {
        let request = story.request
        beginObject()
        member("request", request.number)
        if !request.clientID.isEmpty { member("id", request.clientID) }
        member("class", "\(request.requestClass)")
        member("model", request.model)
        member("version", request.version)
        member("rows", request.rows)
        member("outcome", DecisionQuery.Outcome(request.fate).rawValue)
        if let reason = request.fate.reason { member("reason", reason) }
        member("arrived_at", times.iso(request.arrived))
        let origin = request.arrived
        milliseconds("deadline_ms", request.deadline, from: origin)
        if case .turnedAway = request.fate {} else { arrival(request) }
        shed(request)
        if request.stagings > 0 {
            member("stagings", request.stagings)
            milliseconds("staged_ms", request.stagedAt, from: origin)
            predicted(request.predicted, from: origin)
        }
        switch request.fate {
        case .waiting, .running: break
        default: milliseconds("ended_ms", request.endedAt, from: origin)
        }
        if let batch = story.batch { self.batch(batch, story, devices) }
        displacement(story.displacement, from: origin)
        weighed(story.weighed, devices, models, from: origin)
        member(
            "words",
            StoryWords.lines(
                story, times, devices: devices, models: models, now: now, explainsTerms: explainsTerms))
        endObject()
    }

    // -- numbers --------------------------------------------------------------------------------------------------

    /// Writes a span as milliseconds with three decimals.
    mutating func milliseconds(_ name: String, _ span: Duration) {
        key(name)
        number((span.milliseconds * 1000).rounded() / 1000)
    }

    /// Writes an instant as milliseconds from another.
    mutating func milliseconds(_ name: String, _ instant: Instant, from origin: Instant) {
        guard instant < .never else {
            key(name)
            return null()
        }
        milliseconds(name, instant - origin)
    }

    /// Writes a number with at most four decimals; `null` for one that is not finite.
    mutating func rounded(_ name: String, _ value: Double?) {
        key(name)
        guard let value, value.isFinite else { return null() }
        number((value * 10_000).rounded() / 10_000)
    }

    mutating func predicted(_ end: PredictedEnd, from origin: Instant) {
        milliseconds("predicted_ms", end.expected, from: origin)
        milliseconds("bound95_ms", end.bound95, from: origin)
        milliseconds("bound99_ms", end.bound99, from: origin)
    }

    // -- parts ----------------------------------------------------------------------------------------------------

    private mutating func arrival(_ request: RequestEntry) {
        key("on_arrival")
        beginObject()
        milliseconds("read_ms", request.seenAt, from: request.arrived)
        member("waiting_high", request.waitingHigh)
        member("waiting_low", request.waitingLow)
        if let test = request.arrivalTest {
            milliseconds("lane_free_ms", test.laneFree, from: request.arrived)
            milliseconds("ahead_ms", test.ahead)
            milliseconds("own_ms", test.own)
            key("optimism")
            number(ArrivalTest.optimism)
            milliseconds("finish_ms", test.finish, from: request.arrived)
        }
        endObject()
    }

    private mutating func shed(_ request: RequestEntry) {
        switch request.fate {
        case .failed(let message): member("error", message)
        case .shed(_, let finish, let test):
            milliseconds("predicted_finish_ms", finish, from: request.arrived)
            guard let test else { return }
            key("test")
            beginObject()
            write(test, from: request.arrived)
            endObject()
        default: return
        }
    }

    private mutating func write(_ test: ShedTest, from origin: Instant) {
        switch test {
        case .arrival: member("name", "arrival")
        case .lastStart(let instant, let own):
            member("name", "last-start")
            milliseconds("last_start_ms", instant, from: origin)
            milliseconds("own_ms", own)
        case .expired: member("name", "expired")
        case .passedOver(let finish):
            member("name", "passed-over")
            guard let finish else { return }
            milliseconds("batch_predicted_ms", finish.expected, from: origin)
            milliseconds("batch_bound95_ms", finish.bound95, from: origin)
            milliseconds("batch_bound99_ms", finish.bound99, from: origin)
        case .room(let waiting, let limit):
            member("name", "room")
            member("waiting", waiting)
            member("limit", limit)
        case .modelRoom(let waiting, let limit):
            member("name", "model-room")
            member("waiting", waiting)
            member("limit", limit)
        case .hang: member("name", "hang")
        case .unloaded: member("name", "unloaded")
        }
    }

    private mutating func batch(_ batch: BatchEntry, _ story: RequestStory, _ devices: [String]) {
        let origin = story.request.arrived
        key("batch")
        beginObject()
        short(batch, devices, from: origin)
        member("beside", batch.beside)
        if let cause = batch.cause { member("cause", "\(cause)") }
        member("end", batch.end.rawValue)
        if let instant = batch.copiedInAt { milliseconds("copied_in_ms", instant, from: origin) }
        if let instant = batch.kernelsDoneAt { milliseconds("kernels_done_ms", instant, from: origin) }
        if let instant = batch.endedAt { milliseconds("ended_ms", instant, from: origin) }
        if let times = batch.times {
            milliseconds("copy_in_ms", times.copyIn)
            milliseconds("kernels_ms", times.kernels)
            milliseconds("copy_out_ms", times.copyOut)
        }
        key("with")
        beginArray()
        for other in story.companions { integer(other.number) }
        endArray()
        key("on_device_at_the_time")
        beginArray()
        for other in story.neighbours {
            beginObject()
            short(other, devices, from: origin)
            endObject()
        }
        endArray()
        endObject()
    }

    /// The members by which a batch is known.
    private mutating func short(_ batch: BatchEntry, _ devices: [String], from origin: Instant) {
        member("batch", batch.number)
        member("model", batch.model)
        member("version", batch.version)
        member("class", "\(batch.requestClass)")
        member("rows", batch.rows)
        member("requests", batch.requests)
        member("device", batch.device < devices.count ? devices[batch.device] : "\(batch.device)")
        member("lane", batch.lane)
        milliseconds("staged_ms", batch.stagedAt, from: origin)
    }

    private mutating func displacement(_ passed: RequestStory.Displacement, from origin: Instant) {
        key("staged_while_it_waited")
        beginObject()
        member("high_batches", passed.highBatches)
        member("high_requests", passed.highRequests)
        member("low_batches", passed.lowBatches)
        member("low_requests", passed.lowRequests)
        member("more_forgotten", passed.isPartial)
        member("last", passed.last.map { "\($0.number)" })
        endObject()
    }

    private mutating func weighed(
        _ decisions: [RequestStory.Weighed], _ devices: [String], _ models: [String], from origin: Instant
    ) {
        key("weighed")
        beginArray()
        for decision in decisions {
            beginObject()
            milliseconds("at_ms", decision.at, from: origin)
            member("times", decision.times)
            member("options", decision.options)
            member("chosen_had_it", decision.isOwn)
            if let chosen = decision.chosen {
                key("chosen")
                option(chosen.option, batch: chosen.batch?.number, devices, models, from: origin)
            }
            key("own")
            option(decision.own, batch: nil, devices, models, from: origin)
            if decision.isOwn {
                key("passed_over")
                beginArray()
                for other in decision.passedOver { option(other, batch: nil, devices, models, from: origin) }
                endArray()
            }
            endObject()
        }
        endArray()
    }

    private mutating func option(
        _ option: Weighing.Option, batch: UInt64?, _ devices: [String], _ models: [String], from origin: Instant
    ) {
        beginObject()
        if let batch { member("batch", batch) }
        member("model", option.model.index < models.count ? models[option.model.index] : "\(option.model.index)")
        member("class", "\(option.requestClass)")
        member("rows", option.rows)
        member("device", option.device.index < devices.count ? devices[option.device.index] : "\(option.device.index)")
        member("admitted", option.worth != nil)
        if let prediction = option.prediction {
            milliseconds("predicted_ms", prediction.expected, from: origin)
            milliseconds("bound95_ms", prediction.bound95, from: origin)
        }
        for term in option.terms { rounded(term.name, term.value) }
        endObject()
    }
}

extension RequestEntry.Fate {
    /// Why a request got nothing, in one word; nil where it got something.
    var reason: String? {
        switch self {
        case .shed(let reason, _, _):
            switch reason {
            case .hopelessOnArrival: "hopeless-on-arrival"
            case .hopelessInQueue: "hopeless-in-queue"
            case .queueFull: "queue-full"
            case .modelQueueFull: "model-queue-full"
            case .modelUnloaded: "model-unloaded"
            }
        case .turnedAway(let why):
            switch why {
            case .draining: "draining"
            case .unloading: "model-unloading"
            case .tensorMemoryFull: "tensor-memory-full"
            }
        case .waiting, .running, .answered, .failed, .cancelled: nil
        }
    }
}
