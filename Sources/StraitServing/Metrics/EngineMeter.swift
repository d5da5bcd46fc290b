// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitDevices
internal import StraitProtocol
internal import StraitTelemetry

/// What an engine counts for its metrics: a value under the engine's lock. Noting allocates nothing, looks nothing up by
/// name and reads no clock; only a model that comes makes room for its row.
struct EngineMeter: Sendable {
    private(set) var models: ModelRows
    /// How requests ended: a row for each model, a column for each class and end.
    private(set) var ends: Counts
    /// From arrival to answer: a row for each model and class.
    private(set) var latency = Histograms(bounds: Buckets.latency, rows: classes)
    /// Rows of batches, a row for each model.
    private(set) var batchRows = Histograms(bounds: Buckets.rows)
    /// How batches ended: a row for each model.
    private(set) var batches = Counts(columns: BatchEnd.allCases.count)
    /// How far past, or ahead of, the deadline answers came, by class.
    private(set) var lateness = Histograms(bounds: Buckets.latency, rows: classes)
    private(set) var slack = Histograms(bounds: Buckets.latency, rows: classes)
    /// Actual over predicted times, in millionths, by class.
    private(set) var ratio = Histograms(bounds: Buckets.ratio, rows: classes)
    /// How many of those were within their bounds, by class: a column for each bound.
    private(set) var within = Counts(columns: Bound.allCases.count, rows: classes)
    /// What steps of the scheduler took, one of ``stepsTimed``.
    private(set) var decisions = Histograms(bounds: Buckets.decision)
    /// The devices.
    private(set) var devices: [DeviceMeter]

    /// Of so many steps one is timed, which spares the others two readings of the clock. A request has two steps, or four; if
    /// one client asks for one thing after the other, seven meets all of them.
    private static let stepsTimed: UInt64 = 7
    private var steps: UInt64 = 0

    private static let classes = RequestClass.allCases.count

    /// Models with numbers of their own; far more than anybody looks at, and their text still fits a scrape.
    static let usualRows = 512

    /// How a batch ended.
    enum BatchEnd: Int, CaseIterable {
        /// Well.
        case finished
        /// It failed as a whole; its requests then ran one by one.
        case split
        /// It failed.
        case failed
        /// Its device was lost with it.
        case lost
    }

    /// A bound of a prediction.
    enum Bound: Int, CaseIterable {
        case p50, p95, p99
    }

    init(devices: Int, rows: Int = usualRows) {
        models = ModelRows(limit: rows)
        ends = Counts(columns: RequestEnd.allCases.count * CountedClass.allCases.count)
        self.devices = Array(repeating: DeviceMeter(), count: devices)
    }

    /// The same in memory of its own, so that noting goes on without copying.
    func copied() -> EngineMeter {
        var copy = self
        copy.ends = ends.copied()
        copy.latency = latency.copied()
        copy.batchRows = batchRows.copied()
        copy.batches = batches.copied()
        copy.lateness = lateness.copied()
        copy.slack = slack.copied()
        copy.ratio = ratio.copied()
        copy.within = within.copied()
        copy.decisions = decisions.copied()
        copy.devices = devices.map(\.self)
        return copy
    }

    // -- models ---------------------------------------------------------------------------------------------------

    /// A model comes.
    ///
    /// - Returns: its row, which it counts in from now on.
    mutating func enter(_ specification: ModelSpecification) -> Int {
        switch models.enter(specification.name, specification.version) {
        case .known(let row): return row
        case .added(let row):
            ends.addRow()
            for _ in RequestClass.allCases { latency.addRow() }
            batchRows.addRow()
            batches.addRow()
            return row
        case .given(let row):
            ends.move(row, to: ModelRows.other)
            for index in 0..<Self.classes { latency.move(row * Self.classes + index, to: index) }
            batchRows.move(row, to: ModelRows.other)
            batches.move(row, to: ModelRows.other)
            return row
        }
    }

    /// A model is gone.
    mutating func leave(_ row: Int, _ statistics: ModelStatistics) { models.leave(row, statistics) }

    // -- requests -------------------------------------------------------------------------------------------------

    /// Which column of ``ends`` counts an end.
    static func column(_ end: RequestEnd, _ countedClass: CountedClass) -> Int {
        countedClass.rawValue * RequestEnd.allCases.count + end.rawValue
    }

    /// A request has ended that the scheduler had.
    mutating func note(_ end: RequestEnd, _ submission: Submission, row: Int, at now: Instant) {
        let index = submission.requestClass.rawValue
        ends.add(row: row, column: index * RequestEnd.allCases.count + end.rawValue)
        guard end == .met || end == .late else { return }
        latency.note((now - submission.arrived).nanoseconds, row: row * Self.classes + index)
        let left = (submission.deadline - now).nanoseconds
        if end == .met { slack.note(left, row: index) } else { lateness.note(-left, row: index) }
    }

    /// A request has ended that never reached the scheduler.
    mutating func note(_ end: RequestEnd, _ countedClass: CountedClass, row: Int) {
        ends.add(row: row, column: Self.column(end, countedClass))
    }

    // -- batches --------------------------------------------------------------------------------------------------

    /// A batch was handed to a device.
    mutating func noteStaged(rows: Int, row: Int) { batchRows.note(Int64(rows), row: row) }

    /// A batch was reported.
    mutating func note(_ end: BatchEnd, row: Int) { batches.add(row: row, column: end.rawValue) }

    /// A batch ended well.
    ///
    /// - Parameters:
    ///   - record: as it was before the scheduler learned from it.
    ///   - calibration: of its class, likewise.
    mutating func noteFinished(
        _ record: BatchRecord, _ times: MeasuredTimes, _ calibration: Calibration, at now: Instant
    ) {
        devices[record.device.index].note(times)
        guard !record.wasPaused else { return }
        let z = record.z(at: now)
        let index = record.requestClass.rawValue
        // Beyond a thousand it is one hour instead of seconds, whatever it is.
        ratio.note(Int64(min(max(z, 0), Self.largestRatio) * 1e6), row: index)
        if z <= calibration.median { within.add(row: index, column: Bound.p50.rawValue) }
        if z <= calibration.q95 { within.add(row: index, column: Bound.p95.rawValue) }
        if z <= calibration.q99 { within.add(row: index, column: Bound.p99.rawValue) }
    }

    private static let largestRatio = 1000.0

    // -- the scheduler and the devices ----------------------------------------------------------------------------

    /// A step of the scheduler begins.
    ///
    /// - Returns: whether it is one of those whose time is noted.
    mutating func beginStep() -> Bool {
        steps &+= 1
        return steps % Self.stepsTimed == 0
    }

    /// A step of the scheduler took so long.
    mutating func noteDecision(nanoseconds: Int64) { decisions.note(nanoseconds) }

    /// Takes note of the lanes that batches hold.
    ///
    /// - Complexity: O(devices).
    mutating func noteLanes(_ table: DeviceTable, at now: Instant) {
        for index in devices.indices { devices[index].note(busy: table.busyLanes(of: index), at: now) }
    }
}

/// What one device did.
struct DeviceMeter: Sendable {
    /// Lanes that are held since the last change.
    private(set) var busy = 0
    private var since = Instant.zero
    private var busyNanoseconds: Int64 = 0
    /// Times that the device measured, nanoseconds.
    private(set) var copyIn: Int64 = 0
    private(set) var kernels: Int64 = 0
    private(set) var copyOut: Int64 = 0

    /// So many lanes are held from now on.
    mutating func note(busy count: Int, at now: Instant) {
        guard count != busy else { return }
        busyNanoseconds = busyNanoseconds(until: now)
        since = now
        busy = count
    }

    /// The times of a batch.
    mutating func note(_ times: MeasuredTimes) {
        copyIn &+= times.copyIn.nanoseconds
        kernels &+= times.kernels.nanoseconds
        copyOut &+= times.copyOut.nanoseconds
    }

    /// The time that lanes were held, added up over them.
    func busyNanoseconds(until now: Instant) -> Int64 {
        busyNanoseconds &+ Int64(busy) &* max(0, (now - since).nanoseconds)
    }
}
