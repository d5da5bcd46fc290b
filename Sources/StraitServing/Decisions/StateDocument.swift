// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitProtocol
internal import StraitTensor

extension ServerControl {
    /// The answer to a request of one who watches.
    func watch(_ route: Route) throws(ProtocolError) -> [UInt8] {
        guard route.operation == .decisions else {
            let items = try QueryItems(route.query ?? "", known: ["window"])
            let seconds = try items.integer("window", in: 1...TrafficWindow.longest)
            return state(seconds: seconds ?? Self.usualWindow)
        }
        let items = try QueryItems(route.query ?? "", known: DecisionQuery.parameters)
        return try service.engine.decisions(try DecisionQuery(items))
    }

    /// Seconds that rates are of where nobody says: enough to be steady, few enough to see what changes.
    private static let usualWindow = 5

    /// The answer to `GET /v2/strait/state`. Rates are by second, times in milliseconds; what is not known is `null`.
    private func state(seconds: Int) -> [UInt8] {
        let engine = service.engine
        let snapshot = engine.snapshot(seconds: seconds)
        let now = engine.now()
        let times = engine.calendar.words(at: now)
        var writer = JSONWriter(capacity: 4096)
        writer.beginObject()
        writer.key("server")
        writer.beginObject()
        writer.member("name", description.name)
        writer.member("version", description.version)
        writer.member("policy", engine.policy.rawValue)
        writer.member("at", times.iso(now))
        writer.member("ready", readiness.isReady)
        writer.endObject()
        writer.rounded("window_s", snapshot.window.seconds)
        writer.array("classes", snapshot.classes) { $0.write($1, window: snapshot.window, at: now) }
        writer.array("models", snapshot.models) { $0.write($1, window: snapshot.window) }
        let names = engine.modelNames()
        writer.array("devices", Array(zip(snapshot.devices, engine.deviceStatuses()))) {
            $0.write($1.0, $1.1, names, at: now)
        }
        writer.key("predictions")
        writer.beginObject()
        writer.member("alert", snapshot.isAlert)
        writer.array("classes", snapshot.classes) { $0.writeCoverage($1) }
        writer.endObject()
        writer.key("tensor_memory")
        writer.beginObject()
        writer.member("bytes", service.pool.bytesInUse)
        writer.member("budget", service.pool.budget)
        writer.endObject()
        writer.key("remembered")
        writer.beginObject()
        writer.member("requests", snapshot.remembered)
        writer.member("capacity", snapshot.capacity)
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }
}

extension JSONWriter {
    fileprivate mutating func array<Element>(
        _ name: String, _ elements: [Element], _ write: (inout JSONWriter, Element) -> Void
    ) {
        key(name)
        beginArray()
        for element in elements {
            beginObject()
            write(&self, element)
            endObject()
        }
        endArray()
    }

    private mutating func rate(_ name: String, _ count: UInt32, _ window: Duration) {
        rounded(name, window > .zero ? Double(count) / window.seconds : nil)
    }

    /// Counts of the window with the rates and shares that follow.
    private mutating func write(_ counts: TrafficWindow.Counts, _ window: Duration) {
        rate("arrived_per_s", counts.arrived, window)
        let judged = counts.met + counts.late + counts.shed + counts.failed
        rounded("in_time_share", judged > 0 ? Double(counts.met) / Double(judged) : nil)
        member("arrived", counts.arrived)
        member("met", counts.met)
        member("late", counts.late)
        member("shed", counts.shed)
        key("shed_by_reason")
        beginObject()
        member("hopeless-on-arrival", counts.hopelessOnArrival)
        member("hopeless-in-queue", counts.hopelessInQueue)
        member("queue-full", counts.queueFull)
        member("model-queue-full", counts.modelQueueFull)
        member("model-unloaded", counts.unloaded)
        member("turned-away", counts.turnedAway)
        endObject()
        member("failed", counts.failed)
        member("cancelled", counts.cancelled)
    }

    fileprivate mutating func write(_ state: ServerSnapshot.ClassState, window: Duration, at now: Instant) {
        member("class", "\(state.requestClass)")
        write(state.counts, window)
        member("waiting", state.waiting)
        milliseconds("queued_ms", state.queuedTime)
        key("oldest_ms")
        if let oldest = state.oldest { number(((now - oldest).milliseconds * 10).rounded() / 10) } else { null() }
        member("running", state.running)
        key("totals")
        beginObject()
        member("arrived", state.totals.arrived)
        member("met", state.totals.met)
        member("late", state.totals.late)
        member("shed", state.totals.shed)
        member("failed", state.totals.failed)
        member("cancelled", state.totals.cancelled)
        endObject()
    }

    fileprivate mutating func write(_ state: ServerSnapshot.ModelState, window: Duration) {
        member("model", state.name)
        member("version", state.version)
        var both = TrafficWindow.Counts()
        for counts in state.counts { both += counts }
        write(both, window)
        for (requestClass, counts) in zip(RequestClass.allCases, state.counts) {
            key("\(requestClass)")
            beginObject()
            member("arrived", counts.arrived)
            member("met", counts.met)
            member("late", counts.late)
            member("shed", counts.shed)
            endObject()
        }
        member("waiting", state.waiting)
        let sorted = state.latencies.sorted()
        percentile("p50_ms", 0.5, of: sorted)
        percentile("p99_ms", 0.99, of: sorted)
        rate("batches_per_s", both.batches, window)
        rounded("rows_per_batch", both.batches > 0 ? Double(both.rows) / Double(both.batches) : nil)
    }

    /// The value that a share of all do not exceed.
    private mutating func percentile(_ name: String, _ share: Double, of sorted: [Duration]) {
        guard !sorted.isEmpty else {
            key(name)
            return null()
        }
        let rank = Int((share * Double(sorted.count)).rounded(.up)) - 1
        milliseconds(name, sorted[min(max(rank, 0), sorted.count - 1)])
    }

    fileprivate mutating func write(
        _ state: ServerSnapshot.DeviceState, _ status: DeviceStatus, _ models: [String], at now: Instant
    ) {
        member("device", status.name)
        member("serving", status.reason == nil)
        if let reason = status.reason { member("reason", reason) }
        member("removals", status.removals)
        let busy = state.lanes.reduce(0) { $0 + $1.busy }
        rounded("busy", state.lanes.isEmpty ? nil : busy / Double(state.lanes.count))
        member("copying_out", state.copyingOut)
        array("lanes", Array(state.lanes.enumerated())) { writer, lane in
            writer.member("lane", lane.offset)
            writer.rounded("busy", lane.element.busy)
            guard let batch = lane.element.batch else { return }
            writer.key("batch")
            writer.beginObject()
            writer.write(batch, models, at: now)
            writer.endObject()
        }
    }

    private mutating func write(_ batch: ServerSnapshot.RunningBatch, _ models: [String], at now: Instant) {
        member("batch", batch.number)
        member("model", batch.model.index < models.count ? models[batch.model.index] : "\(batch.model.index)")
        member("class", "\(batch.requestClass)")
        member("rows", batch.rows)
        member("requests", batch.requests)
        member("phase", batch.phase == .copyingIn ? "copying in" : "\(batch.phase)")
        milliseconds("running_ms", now - batch.stagedAt)
        milliseconds("predicted_in_ms", batch.predictedFinish, from: now)
        milliseconds("bound95_in_ms", batch.bound95, from: now)
    }

    fileprivate mutating func writeCoverage(_ state: ServerSnapshot.ClassState) {
        member("class", "\(state.requestClass)")
        member("predictions", state.coverage.count)
        rounded("within95", state.coverage.p95)
        rounded("within99", state.coverage.p99)
        rounded("width", state.coverage.width)
    }
}
