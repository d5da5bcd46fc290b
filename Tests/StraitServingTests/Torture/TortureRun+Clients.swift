// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitProtocol
internal import StraitTensor
internal import Synchronization

@testable internal import StraitServing

/// A client with its one request, known by the number that fills its tensor.
struct Client {
    enum State {
        /// Its request is on the way to the engine.
        case asking
        /// The engine has accepted it.
        case open
        /// It has its reply, or was turned away at the door.
        case done
    }

    let model: ServedModel
    let shape: Shape
    let asked: Instant
    let deadline: Instant
    /// Whether the engine was draining when it asked.
    let cameLate: Bool
    var state = State.asking
    var id: RequestID?
    var hasReply = false
    var hasCancelled = false
    /// Its batch of late.
    var batch: DeviceBatch?
    /// Whether its batch failed, or its part of one that was split.
    var batchFailed = false
    /// Whether its batch failed as a whole, and its requests ran one by one.
    var wasSplit = false
    var hasResultsOfSplit = false
    /// The number of its tenant.
    var tenant: Int?
    /// What the clock showed when the end of its batch was reported.
    var endedAt: Instant?
    /// Results that are still on their way to it.
    var answer: Answer?

    /// Whether it was ever in a batch.
    var hasRun: Bool { batch != nil }
}

extension TortureRun {
    // -- asking ---------------------------------------------------------------------------------------------------

    /// A client asks.
    func submit() {
        guard let model = find() else { return }
        let isBatchable = model.specification.isBatchable
        // Now and then more than the model takes.
        let rows = isBatchable ? Int.random(in: 1...model.specification.maxBatchSize, using: &generator) : 1
        let tooMany = isBatchable && generator.chance(0.01)
        let shape = Shape([tooMany ? 99 : rows, Int.random(in: 1...3, using: &generator)])
        let bytes = (shape.elementCount ?? 0) * 4
        let slab: Slab
        do { slab = try pool.take(bytes) } catch {
            sights.insert("the budget is spent")
            return
        }
        let number = clients.count
        slab.bytes.bindMemory(to: Float.self).update(repeating: Float(number))
        let patience = Int64.random(in: 0...(generator.chance(0.1) ? 20_000_000 : 120_000), using: &generator)
        let arrived = max(.zero, clock.now() - .microseconds(Int64.random(in: 0...200, using: &generator)))
        let request = InferenceRequest(
            priority: generator.one(of: [1, 2, nil]), timeoutMicroseconds: patience,
            inputs: [Tensor(name: "in", type: .fp32, shape: shape, slab: slab, range: 0..<bytes)])
        clients.append(
            Client(
                model: model, shape: shape, asked: arrived, deadline: arrived + .microseconds(patience),
                cameLate: drains.begun > 0))
        do throws(Refusal) {
            var permit: Permit?
            var caller = Caller.trusted
            if let tenants {
                let tenant = tenants.draw(using: &generator)
                caller = tenants.caller(tenant)
                permit = try caller.enter(at: clock.now())
                clients[number].tenant = tenant
            }
            let id = try service.infer(
                request, on: model, arrived: arrived, caller: caller, permit: permit,
                later: { [unowned self] in computeLater($0) }
            ) { [unowned self] in replied(number, $0) }
            asked(number, id)
        } catch {
            if clients[number].hasReply { fail("request \(number) is answered, and its call throws \(error.error)") }
            let words = error.error.message
            if words.hasPrefix("this tenant") { engine.noteOverLimit() }
            sights.insert(
                words.hasPrefix("this tenant has")
                    ? "a tenant has too much in flight"
                    : words.hasPrefix("this tenant may send")
                        ? "a tenant sends too much"
                        : words.contains("may not send high")
                            ? "a tenant may not claim high"
                            : tooMany ? "too many rows" : "the low class's memory is spent")
            clients[number].state = .done
        }
    }

    /// A thread that brought a request is to run its batch itself when it has read what else has come: at once, or much
    /// later.
    private func computeLater(_ work: @escaping @Sendable () -> Void) {
        guard generator.chance(faults.meanwhile) else {
            meanwhile()
            return work()
        }
        sights.insert("a batch run inline has to wait")
        postponed.append(work)
    }

    /// Threads that are to run batches come to it.
    func computePostponed() {
        while broken == nil, !postponed.isEmpty {
            postponed.removeFirst()()
            look()
        }
    }

    private func asked(_ number: Int, _ id: RequestID?) {
        if id == nil, !clients[number].hasReply { fail("request \(number) was neither accepted nor refused") }
        if id != nil, clients[number].cameLate { fail("request \(number) was accepted while draining") }
        clients[number].id = id
        if clients[number].state == .asking { clients[number].state = .open }
    }

    private func find() -> ServedModel? {
        do {
            let name = generator.one(of: TortureModels.names + models.suffix(1).map(\.specification.name))
            if unloading.contains(name), generator.chance(0.8) { return nil }
            if let late = models.last(where: { $0.specification.name == name }) { return late }
            return try service.catalog.find(name, version: nil)
        } catch {
            sights.insert("\(error.code)")
            return nil
        }
    }

    /// A client goes away, perhaps one whose request is long answered.
    func cancel() {
        let known = clients.indices.suffix(40).filter { clients[$0].id != nil }
        guard !known.isEmpty else { return }
        let number = generator.one(of: known)
        guard let id = clients[number].id else { return }
        clients[number].hasCancelled = true
        let moment = clients[number].state == .done ? "answered" : phase(number) ?? "waiting"
        sights.insert("cancelled while \(moment)")
        engine.cancel(id)
        if isQuiet, clients[number].state != .done { fail("request \(number) is cancelled but not answered") }
    }

    // -- answers --------------------------------------------------------------------------------------------------

    private func replied(_ number: Int, _ reply: Reply) {
        if clients[number].hasReply { fail("request \(number) is answered twice") }
        clients[number].hasReply = true
        clients[number].state = .done
        switch reply {
        case .answered(let answer):
            check(answer, to: number)
            note(number, answer.isLate ? 1 : 0)
            // Some connections are slow.
            clients[number].answer = generator.chance(0.3) ? answer : nil
        case .refused(let refusal):
            check(refusal, to: number)
            note(number, refusal.error.httpStatus)
        }
        note(Int(truncatingIfNeeded: clock.time.nanoseconds))
        meanwhile()
    }

    /// A client has received its results.
    func forget() {
        let holding = clients.indices.filter { clients[$0].answer != nil }
        guard !holding.isEmpty else { return }
        clients[generator.one(of: holding)].answer = nil
    }

    private func check(_ answer: Answer, to number: Int) {
        let client = clients[number]
        sights.insert(answer.isLate ? "late" : "met")
        guard client.hasRun, let endedAt = client.endedAt, !client.batchFailed else {
            return fail("request \(number) has results, but did not run")
        }
        if drains.ended > 0 { fail("request \(number) is answered after a drain has ended") }
        clients[number].hasResultsOfSplit = client.wasSplit
        guard answer.outputs.count == 1, answer.outputs[0].shape == client.shape else {
            return fail("request \(number) has results of another shape")
        }
        let device = client.batch?.device.index ?? 0
        let expected = TortureDevice.output(of: Float(number), model: client.model.onDevices[device].number)
        let isOwn = answer.outputs[0].bytes.bindMemory(to: Float.self).allSatisfy { $0 == expected }
        if !isOwn { fail("request \(number) has another request's results") }
        // The decision lies between what the clock showed when the batch's end was reported, and now.
        if answer.isLate ? clock.time <= client.deadline : endedAt > client.deadline {
            fail("request \(number) is \(answer.isLate ? "late" : "in time"), and is not")
        }
        let timing = answer.timing
        let longest = clock.time - client.asked
        if timing.queue < .zero || timing.queue > longest || timing.compute < .zero || timing.compute > longest {
            fail("request \(number) is told impossible times: \(timing)")
        }
    }

    private func check(_ refusal: Refusal, to number: Int) {
        let client = clients[number]
        let code = refusal.error.code
        let words = refusal.error.message.prefix { !"(:0123456789".contains($0) }
        sights.insert(words.hasSuffix(" ") ? String(words.dropLast()) : String(words))
        if let wait = refusal.retryAfter, wait < .zero { fail("request \(number) should come back in the past") }
        if code == .unavailable {
            let isUnloading = unloading.contains(client.model.specification.name)
            if drains.begun == 0, !isUnloading { fail("request \(number) is told that the server drains") }
            return
        }
        if drains.ended > 0 { fail("request \(number) is refused after a drain has ended") }
        switch code {
        case .cancelled: if !client.hasCancelled { fail("request \(number) was not cancelled") }
        case .failedInternally:
            sights.insert("failed")
            let isLost = refusal.error.message.hasPrefix("the device that ran it was lost")
            if isLost { sights.insert("lost twice") }
            if !client.batchFailed, !isLost { fail("request \(number) has not failed") }
        case .deadlineExceeded, .resourceExhausted:
            if isRunning(number) { fail("request \(number) is refused, but runs") }
            if client.hasRun { sights.insert("taken back and given up") }
        default: fail("request \(number) is refused: \(refusal.error)")
        }
    }

    // -- the device's side ----------------------------------------------------------------------------------------

    /// The requests of a batch, by the numbers in their tensors.
    private func numbers(_ batch: DeviceBatch) -> [Int] {
        batch.parts.map { Int($0.inputs[0].bytes.loadUnaligned(as: Float.self)) }
    }

    /// A batch starts on a lane.
    func started(_ batch: DeviceBatch) {
        if batch.parts.count > 1 { sights.insert("a batch of several requests") }
        for number in numbers(batch) {
            let client = clients[number]
            if client.hasRun {
                // One that was taken back before it began does no harm, here and below.
                if isLive(batch), isRunning(number, beside: batch) { fail("request \(number) runs twice") }
                sights.insert("taken back and run again")
            }
            if client.hasReply, !client.hasCancelled, isLive(batch) { fail("request \(number) runs, but is answered") }
            if client.model.id != batch.modelID
                || client.model.onDevices[batch.device.index].number != batch.model.number
            {
                fail("request \(number) runs on another's model")
            }
            // By the time that it starts it may have been taken back, and another begun.
            if isLive(batch) || !client.hasRun { clients[number].batch = batch }
        }
        note(Int(batch.batch.slot), batch.lane.index, batch.rows)
    }

    /// The end of a batch is about to be reported.
    func ended(_ running: TortureDevice.Running) {
        for (part, number) in numbers(running.batch).enumerated()
        where clients[number].batch?.batch == running.batch.batch {
            clients[number].batchFailed = running.fails || running.failingParts?.contains(part) == true
            clients[number].wasSplit = running.failingParts != nil
            clients[number].endedAt = clock.now()
        }
    }

    /// Whether the scheduler has a batch.
    private func isLive(_ batch: DeviceBatch) -> Bool {
        engine.state.withLock { $0.scheduler.state.batches.isLive(batch.batch) }
    }

    /// Whether a request is in a batch that was not taken back.
    ///
    /// - Parameter other: a batch that does not count.
    func isRunning(_ number: Int, beside other: DeviceBatch? = nil) -> Bool {
        guard let batch = clients[number].batch, batch.batch != other?.batch else { return false }
        return isLive(batch)
    }

    /// How far the batch of a request has come, in words; nil for one that is in none.
    private func phase(_ number: Int) -> String? {
        guard let batch = clients[number].batch else { return nil }
        return engine.state.withLock { state in state.scheduler.state.batches[batch.batch].map { "\($0.phase)" } }
    }
}
