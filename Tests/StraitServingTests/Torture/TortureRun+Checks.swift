// SPDX-License-Identifier: Apache-2.0

internal import StraitDevices
internal import StraitFormats
internal import StraitProtocol
internal import StraitTelemetry
internal import StraitTensor
internal import Synchronization

@testable internal import StraitCore
@testable internal import StraitServing

extension TortureRun {
    /// What must hold whenever no thread is in the midst of anything.
    func look() {
        guard broken == nil, isQuiet else { return }
        for device in devices { if let wrong = device.broken { fail("\(device.name): \(wrong)") } }
        let reports = devices.reduce(0) { $0 + $1.reports }
        let open = clients.count { $0.state == .open }
        engine.state.withLock { state in
            var wrong = state.scheduler.brokenTable()
            // What was learned changes only when a batch has ended.
            if wrong == nil, reports != lookedAt { wrong = state.scheduler.brokenEstimate() }
            if let wrong { fail(wrong) }
            if state.slots.count != open { fail("\(open) requests are open, \(state.slots.count) are kept") }
            let counters = RequestClass.allCases.map { state.scheduler.counters(of: $0) }
            let left = counters.reduce(0) { $0 + $1.arrived - $1.ended }
            if left != open { fail("\(open) requests are open, \(left) are counted") }
            let waiting = RequestClass.allCases.reduce(0) { $0 + state.scheduler.waiting($1) }
            if Self.restless.contains(engine.policy), waiting > 0, state.scheduler.state.devices.eligibleCount > 0 {
                fail("\(waiting) requests wait beside a free lane")
            }
            // Batches that threads have still to run themselves.
            var missing = 0
            for (device, known) in zip(devices, state.scheduler.state.devices.all) {
                // What was taken back may still be on its lanes.
                for index in known.lanes.indices where !known.isRemoved {
                    guard known.lanes[index] != device.lanes[index].batch?.batch else { continue }
                    if device.lanes[index].batch == nil { missing += 1 }
                    guard device.lanes[index].batch != nil || missing > postponed.count else { continue }
                    fail("lane \(index) of \(device.name) should run \(known.lanes[index].debugDescription)")
                }
            }
            let held = devices.reduce(postponed.count) { $0 + $1.held.count }
            let counted = state.devices.reduce(0) { $0 + $1.batches }
            if held != counted { fail("devices hold \(held) batches, \(counted) are counted") }
            for entry in state.models where entry.batches < 0 || entry.unanswered < 0 { fail("a model is miscounted") }
            let armed = state.scheduler.timer.armed
            if timer.alarm.instant > armed { fail("the timer calls at \(timer.alarm.instant), not at \(armed)") }
        }
        tenants?.broken(clients).map { fail($0) }
        lookedAt = reports
        let unanswered = engine.unanswered.load(ordering: .relaxed)
        if unanswered != open { fail("\(open) requests are open, \(unanswered) unanswered") }
        let expected = open == 0 ? drains.begun : 0
        if drains.ended != expected { fail("\(drains.ended) drains ended, \(expected) should have") }
    }

    /// Policies that leave no lane free while something waits.
    private static let restless: Set<PolicyName> = [.fifo, .edfPriority]

    /// What must hold when nothing will happen any more but for lanes that hang for ever.
    func checkRest() {
        guard broken == nil else { return }
        let hanging = devices.contains { !$0.held.isEmpty }
        let open = clients.indices.filter { clients[$0].state == .open }
        let waiting = engine.state.withLock { state in
            RequestClass.allCases.reduce(0) { $0 + state.scheduler.waiting($1) }
        }
        if hanging {
            sights.insert("at rest beside a lane that hangs")
            if engine.policy != .fifo, waiting > 0 { fail("\(waiting) requests wait for ever") }
            if open.count - waiting != open.count(where: { isRunning($0) }) { fail("a request is lost") }
        } else if !open.isEmpty {
            fail("requests \(open) are forgotten")
        }
    }

    /// What must hold in the end.
    func checkEnd() {
        guard broken == nil else { return }
        for index in clients.indices {
            if clients[index].state != .done { fail("request \(index) was never answered") }
            clients[index].answer = nil
            clients[index].batch = nil
        }
        if pool.bytesInUse != 0 { fail("\(pool.bytesInUse) bytes of tensors are lost") }
        if drains.ended != drains.begun { fail("a drain has not ended") }
        if !engine.drain(within: .zero) { fail("a drain waits for nothing") }
        feed?.tick().map { fail($0) }
        if let feed, feed.sent > 0 { sights.insert("a page is drawn") }
        checkCounts()
        checkMetrics()
        checkLearned()
        do throws(ProtocolError) { try checkStories() } catch { fail("what is remembered cannot be told: \(error)") }
        recorded?.check(engine).map { fail($0) }
        do { try keeping?.check().map { fail($0) } } catch { fail("\(error)") }
    }

    /// What is told of the past is over, and there are words for it.
    private func checkStories() throws(ProtocolError) {
        let query = try DecisionQuery(try QueryItems("last=100", known: DecisionQuery.parameters))
        guard let (stories, reach) = engine.stories(query) else { return }
        let known = min(100, reach.numbers?.count ?? 0)
        if stories.count < known { fail("\(stories.count) stories are told of \(known)") }
        for story in stories {
            switch story.request.fate {
            case .waiting, .running:
                fail("request \(story.request.number) is over, and told to be \(story.request.fate)")
            default: break
            }
            if story.request.batch > 0, story.request.endedAt < story.request.stagedAt {
                fail("a story goes back in time")
            }
        }
        _ = try engine.decisions(query)
        _ = engine.snapshot(seconds: 5)
    }

    private func checkCounts() {
        let accepted = clients.count { $0.id != nil }
        let counters = RequestClass.allCases.map { engine.counters(of: $0) }
        let arrived = counters.reduce(0) { $0 + $1.arrived }
        if arrived != accepted { fail("\(accepted) requests were accepted, \(arrived) have arrived") }
        let statistics = models.map { engine.statistics(of: $0) } + pastStatistics
        let counted = statistics.reduce(0) { $0 + Int($1.success.count + $1.fail.count) }
        if counted != accepted { fail("\(accepted) requests were accepted, \(counted) are in the statistics") }
        // To the scheduler the requests of a batch that was split have failed, whatever they were told.
        let split = clients.count { $0.hasResultsOfSplit }
        let met = counters.reduce(split) { $0 + $1.met + $1.late }
        if met != statistics.reduce(0, { $0 + Int($1.success.count) }) { fail("answers are miscounted") }
        // What devices measure is nonsense at times, what is counted of it must not be.
        let laneTime = statistics.reduce(0) { $0 + $1.batches.reduce(0) { $0 + $1.computeInfer.nanoseconds } }
        let most = UInt64(clock.time.nanoseconds) * UInt64(devices.reduce(0) { $0 + $1.laneCount })
        if laneTime > most { fail("statistics have \(laneTime) ns of computing in at most \(most)") }
    }

    /// What the metrics tell of it.
    private func checkMetrics() {
        guard let metrics = engine.metrics() else { return fail("nothing was counted for the metrics") }
        let meter = metrics.meter
        for (index, numbers) in metrics.classes.enumerated() {
            var counted: [String: Int] = [:]
            for row in 0..<meter.ends.rows {
                // Those that the scheduler never had are not among its arrivals.
                for end in RequestEnd.allCases where ![.draining, .modelUnavailable, .noMemory].contains(end) {
                    let column = EngineMeter.column(end, index == 0 ? .high : .low)
                    counted[end.outcome, default: 0] += Int(meter.ends[row, column])
                }
            }
            let counters = numbers.counters
            let answered = counters.met + counters.late + counters.failed
            if counted["cancelled"] != counters.cancelled { fail("the metrics miscount the cancelled") }
            // A batch that was split has failed to the scheduler, and answered some.
            if (counted["met"] ?? 0) + (counted["late"] ?? 0) + (counted["failed"] ?? 0) != answered {
                fail("the metrics count \(counted), the scheduler \(counters)")
            }
            if counted["shed"] ?? 0 < counters.shed { fail("the metrics count too few that were shed") }
            let latencies = (0..<meter.ends.rows).reduce(0) { $0 + Int(meter.latency.count($1 * 2 + index)) }
            if latencies != (counted["met"] ?? 0) + (counted["late"] ?? 0) { fail("latencies are miscounted") }
            if Int(meter.slack.count(index)) != counted["met"] { fail("slacks are miscounted") }
            if Int(meter.lateness.count(index)) != counted["late"] { fail("latenesses are miscounted") }
            if counters.arrived != counters.ended { fail("the metrics say that something is open") }
        }
        for (device, used) in zip(devices, meter.devices) {
            let most = clock.time.nanoseconds * Int64(device.laneCount)
            if used.busyNanoseconds(until: metrics.at) > most {
                fail("\(device.name) was busy for longer than it was there")
            }
        }
    }

    /// What a next server would make of it.
    private func checkLearned() {
        let next = Engine(
            policy: engine.policy, devices: devices, clock: clock, timer: VirtualTimer(), upkeep: VirtualTimer())
        // Where numbers were given again the models do not tell theirs.
        guard unloading.isEmpty else { return }
        for model in models { _ = next.add(model.specification, onDevices: model.onDevices, profile: model.profile) }
        let learned = engine.learned()
        do {
            try next.restore(learned)
            if next.learned() != learned { fail("what was learned is another thing when it is restored") }
        } catch {
            fail("what was learned cannot be restored: \(error)")
        }
    }
}

/// A recording of a whole run, without a file.
// @unchecked: see the clock.
final class RecordedTraffic: @unchecked Sendable {
    private let engine: Engine
    private var records: [Recording.Record] = []
    private var taken: [Recording.Record] = []
    private let models: Int

    init(_ engine: Engine) {
        self.engine = engine
        models = engine.startRecording(capacity: 10_000, calendarMilliseconds: nil).head.models.count
    }

    func take() {
        _ = engine.takeRecords(&taken)
        records += taken
        taken.removeAll()
    }

    /// What is wrong with it when all is answered.
    func check(_ engine: Engine) -> String? {
        let (end, dropped) = engine.stopRecording(&taken)
        records += taken
        var arrivals: [Bool] = []
        var models = self.models
        var serving = engine.devices.map { _ in true }
        for record in records {
            switch record {
            case .arrival(let arrival):
                if arrival.model >= models { return "an arrival is recorded for a model that has not joined" }
                if arrival.at > end { return "an arrival is recorded after the end" }
                arrivals.append(false)
            case .answer(let answer):
                guard answer.arrival < arrivals.count else { return "an answer is recorded before its arrival" }
                if arrivals[answer.arrival] { return "an answer is recorded twice" }
                arrivals[answer.arrival] = true
            case .batch(let batch):
                if batch.endedAt < batch.stagedAt { return "a batch is recorded to end before it was staged" }
                if batch.model >= models { return "a batch is recorded of a model that has not joined" }
            case .model: models += 1
            case .device(let change):
                if serving[change.device] == change.serves { return "a device is recorded to go or come back twice" }
                serving[change.device] = change.serves
            }
        }
        let counters = RequestClass.allCases.map { engine.counters(of: $0) }
        if arrivals.count != counters.reduce(0, { $0 + $1.arrived }) { return "not all arrivals are recorded" }
        if arrivals.contains(false) { return "not all answers are recorded" }
        return dropped > 0 ? "\(dropped) records are left out" : nil
    }
}
