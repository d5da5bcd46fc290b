// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// A scheduler with the driver's names around it.
///
/// The scheduler trusts its driver and stops the process where that breaks a rule; a line of text is not to be trusted.
/// So every rule is checked here, before anything changes: `take` either throws and leaves all as it was, or carries out
/// the whole event.
struct CoreAdapter: Sendable {
    private(set) var scheduler: Scheduler
    private var now: Instant
    private(set) var deviceNames: [String] = []
    private var deviceCopies: [Bool] = []
    private var models = ModelRegistry()
    private(set) var requests = RequestRegistry()
    private var batches = BatchLedger()
    private var shapes = ShapeTable()
    /// What is known of the past, for explanations.
    private(set) var past = NamesOfThePast()
    private var actions = ActionList()

    /// A scheduler with the devices and models of a configuration.
    init(_ configuration: CoreConfiguration) throws(FormatError) {
        scheduler = configuration.makeScheduler()
        now = configuration.start
        // Nothing waits yet, so no actions can follow.
        var none = JSONText()
        for (index, device) in configuration.devices.enumerated() {
            try add(device, key: "configure.devices[\(index)].name", into: &none)
        }
        for (index, model) in configuration.models.enumerated() {
            try add(model, key: "configure.models[\(index)].name", into: &none)
        }
    }

    /// Carries out an event and writes the actions that follow from it.
    mutating func take(_ event: CoreEvent, at instant: Instant, into output: inout JSONText) throws(FormatError) {
        guard instant >= now else {
            throw refusal(
                "at_ms",
                "\(Milliseconds.text(instant.nanoseconds)) is before the last event, which was at "
                    + "\(Milliseconds.text(now.nanoseconds)); time does not go back")
        }
        switch event {
        case .arrival(let arrival): try arrive(arrival, at: instant, into: &output)
        case .cancelled(let name):
            guard let id = requests.find(name) else {
                throw refusal("request", "no request \(name.words) waits or runs; it was answered, or never came")
            }
            step(.cancelled(id), at: instant, into: &output)
        case .copiedIn(let number):
            let batch = try batch(number, in: .copyingIn, "copied_in")
            if !batch.isTakenBack { batches.advance(number, to: .running, at: instant) }
            step(.copiedIn(batch.id), at: instant, into: &output)
        case .kernelsDone(let number):
            let batch = try batch(number, in: .running, "kernels_done")
            if !batch.isTakenBack { batches.advance(number, to: .copyingOut, at: instant) }
            step(.kernelsDone(batch.id), at: instant, into: &output)
        case .finished(let number, let times):
            let batch = try batch(number, in: .copyingOut, "finished")
            batches.leave(number)
            step(.finished(batch.id, Self.measured(times, of: batch, at: instant)), at: instant, into: &output)
        case .failed(let number):
            let batch = try batch(number)
            batches.leave(number)
            step(.failed(batch.id), at: instant, into: &output)
        case .killed(let number):
            let batch = try batch(number)
            guard batch.isTakenBack || (batch.isBeingKilled && batch.phase != .copyingOut) else {
                throw refusal("event", "batch \(number) is not to be killed, or its kernels were done before")
            }
            batches.leave(number)
            step(.killed(batch.id), at: instant, into: &output)
        case .timer: step(.timer, at: instant, into: &output)
        case .device(let device): try add(device, key: "device.name", at: instant, into: &output)
        case .deviceRemoved(let name):
            let device = try device(name, isRemoved: false)
            batches.noteRemoval(of: device.index)
            step(.deviceRemoved(device), at: instant, into: &output)
        case .deviceReturned(let name):
            step(.deviceReturned(try device(name, isRemoved: true)), at: instant, into: &output)
        case .model(let model): try add(model, key: "model.name", at: instant, into: &output)
        case .modelRemoved(let name):
            guard let model = models.find(name) else {
                throw refusal("model", "no model \(JSONNode.quoted(name)) was added, or it is removed already")
            }
            models.leave(name)
            step(.modelRemoved(ModelID(index: model)), at: instant, into: &output)
        }
    }

    func refusal(_ key: String, _ message: String) -> FormatError {
        FormatError(.outOfPlace, message, key: key)
    }

    // -- devices and models ---------------------------------------------------------------------------------------

    private mutating func add(
        _ device: CoreDevice, key: String, at instant: Instant? = nil, into output: inout JSONText
    ) throws(FormatError) {
        guard !deviceNames.contains(device.name) else {
            throw refusal(key, "there is a device \(JSONNode.quoted(device.name)) already; names are given once")
        }
        guard deviceNames.count < Bounds.devices else {
            throw refusal(key, "there are \(Bounds.devices) devices already, which is the most")
        }
        deviceNames.append(device.name)
        deviceCopies.append(device.description.copying != nil)
        step(.deviceAdded(device.description), at: instant ?? now, into: &output)
    }

    private mutating func add(
        _ model: CoreModel, key: String, at instant: Instant? = nil, into output: inout JSONText
    ) throws(FormatError) {
        guard models.find(model.name) == nil else {
            throw refusal(key, "there is a model \(JSONNode.quoted(model.name)) already; remove it first")
        }
        let number = scheduler.nextModel.index
        guard number < Bounds.models else {
            throw refusal(key, "there are \(Bounds.models) models already, which is the most")
        }
        // They were of the model that had the number before.
        if models.enter(model, number, at: instant ?? now, oldest: scheduler.decisions?.oldest) {
            shapes.forget(model: number)
        }
        step(.modelAdded(model.description), at: instant ?? now, into: &output)
    }

    /// The device of a name, if it is removed, or if it is there.
    private func device(_ name: String, isRemoved: Bool) throws(FormatError) -> DeviceID {
        guard let index = deviceNames.firstIndex(of: name) else {
            throw refusal("device", "no device \(JSONNode.quoted(name)) was added")
        }
        guard scheduler.state.devices.all[index].isRemoved == isRemoved else {
            throw refusal(
                "device", "\(JSONNode.quoted(name)) is \(isRemoved ? "there; it was not removed" : "removed already")")
        }
        return DeviceID(index: index)
    }

    // -- requests -------------------------------------------------------------------------------------------------

    private mutating func arrive(
        _ arrival: CoreArrival, at instant: Instant, into output: inout JSONText
    ) throws(FormatError) {
        guard let model = models.find(arrival.model) else {
            throw refusal("model", "no model \(JSONNode.quoted(arrival.model)) was added, or it is removed")
        }
        let limit = models[model].description.maximumBatch
        guard arrival.rows <= limit else {
            throw refusal(
                "rows",
                "\(arrival.rows) rows do not fit a batch of \(JSONNode.quoted(arrival.model)), which takes \(limit)")
        }
        guard requests.find(arrival.request) == nil else {
            throw refusal("request", "a request \(arrival.request.words) waits or runs; a name is free once answered")
        }
        guard requests.count < Bounds.requests else {
            throw refusal("request", "\(Bounds.requests) requests wait or run, which is the most")
        }
        let shape = try shape(of: arrival, model: model)
        let request = Request(
            id: requests.enter(arrival.request),
            work: WorkShape(model: ModelID(index: model), elementsPerRow: arrival.elementsPerRow), shape: shape,
            requestClass: arrival.requestClass, rows: arrival.rows, deadline: arrival.deadline)
        step(.arrival(request), at: instant, into: &output)
    }

    /// The number of an arrival's sort of rows; a new sort is entered, so this is the last thing that may be refused.
    private mutating func shape(of arrival: CoreArrival, model: Int) throws(FormatError) -> ShapeID {
        let sort = arrival.shape.map(ShapeTable.Sort.named) ?? .elements(arrival.elementsPerRow)
        if let known = shapes.find(model: model, sort) {
            guard known.elements == arrival.elementsPerRow else {
                throw refusal(
                    "elements_per_row",
                    "rows of this shape had \(known.elements) elements before; give rows of \(arrival.elementsPerRow) "
                        + "another shape")
            }
            return known.shape
        }
        guard shapes.count < Bounds.shapes else {
            throw refusal("shape", "there were \(Bounds.shapes) shapes already, which is the most")
        }
        return shapes.enter(model: model, sort, elements: arrival.elementsPerRow)
    }

    // -- batches --------------------------------------------------------------------------------------------------

    private func batch(_ number: Int64) throws(FormatError) -> BatchLedger.Entry {
        guard let batch = batches[number] else {
            throw refusal("batch", "no batch \(number) is on a device; it has ended, or was never staged")
        }
        return batch
    }

    /// A batch, if an event may come to it. A device that does not copy reports the end alone, and then its batches are
    /// running; one that copies reports every phase.
    private func batch(
        _ number: Int64, in phase: BatchLedger.Phase, _ event: String
    ) throws(FormatError) -> BatchLedger.Entry {
        let batch = try batch(number)
        guard !batch.isTakenBack else { return batch }
        guard batch.copies else {
            guard event == "finished" else {
                throw refusal(
                    "event", "batch \(number) is on a device that does not copy; expected finished or failed")
            }
            return batch
        }
        guard batch.phase == phase else {
            let expected =
                switch batch.phase {
                case .copyingIn: "copied_in"
                case .running: "kernels_done"
                case .copyingOut: "finished"
                }
            throw refusal("event", "expected \(expected) or failed next for batch \(number), found \(event)")
        }
        return batch
    }

    /// The times as measured; what was not is taken from the instants of the events.
    private static func measured(
        _ times: CoreTimes, of batch: BatchLedger.Entry, at end: Instant
    ) -> MeasuredTimes {
        let kernelsEnd = batch.copies ? batch.copyOutFrom : end
        return MeasuredTimes(
            copyIn: times.copyIn.map(Duration.init(nanoseconds:)) ?? batch.kernelsFrom - batch.stagedAt,
            kernels: times.kernels.map(Duration.init(nanoseconds:)) ?? kernelsEnd - batch.kernelsFrom,
            copyOut: times.copyOut.map(Duration.init(nanoseconds:)) ?? end - kernelsEnd)
    }

    // -- actions --------------------------------------------------------------------------------------------------

    private mutating func step(_ event: Event, at instant: Instant, into output: inout JSONText) {
        now = instant
        scheduler.step(event, at: now, into: &actions)
        for action in actions.actions {
            switch action {
            case .stage(let batch): write(batch, to: &output)
            case .pause(let batch): output.preempt("pause", batch: batches.number(of: batch))
            case .resume(let batch): output.preempt("resume", batch: batches.number(of: batch))
            case .kill(let batch):
                let number = batches.number(of: batch)
                batches.noteKill(number)
                output.preempt("kill", batch: number)
            case .answer(let id, let outcome):
                output.answer(requests.name(of: id), outcome)
                if scheduler.decisions != nil { past.note(id, requests.name(of: id), at: now) }
                requests.leave(id)
            case .setTimer(let instant):
                // An instant that has passed is now, so that a driver can send what it is told.
                output.timer(min(max(instant, now), Instant(nanoseconds: Bounds.instant.upperBound)))
            }
        }
        if let oldest = scheduler.decisions?.oldest { past.forget(before: oldest) }
    }

    private mutating func write(_ batch: StagedBatch, to output: inout JSONText) {
        let device = batch.device.index
        let number = batches.enter(batch.batch, device: device, copies: deviceCopies[device], at: now)
        if scheduler.decisions != nil { past.note(batch.batch, number, at: now) }
        output.beginStage(
            batch: number, device: deviceNames[device], lane: batch.lane.index,
            model: models[batch.model.index].name, rows: batch.rows)
        for index in batch.members {
            output.member(requests.name(of: actions.members[index]), isFirst: index == batch.members.lowerBound)
        }
        output.endStage(predictedFinish: batch.predictedFinish)
    }

    /// The name of the model that had a number at an instant.
    func modelName(_ model: ModelID, at instant: Instant) -> String { models.name(of: model.index, at: instant) }

    /// What is wrong with the scheduler's tables, if anything is; for tests.
    func brokenInvariant() -> String? { scheduler.brokenInvariant() }
}
