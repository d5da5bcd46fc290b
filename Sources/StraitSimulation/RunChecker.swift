// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// A request between its arrival and its answer.
struct LiveRequest: Sendable {
    var id: RequestID
    /// Its place among all arrivals of the run.
    var index: Int
    var model: Int
    var requestClass: RequestClass
    var rows = 1
    /// The group of clients that it is from, if it is from one of those that wait for their answers.
    var group: Int?
    var arrivedAt: Instant
    var deadline: Instant
    var isRunning = false
    /// Devices that were lost while it was on them.
    var losses = 0
}

/// Watches over a run: every request is answered exactly once and truthfully, a lane holds one batch, nothing happens
/// before its cause, and in the end nothing is left. Each check returns what is broken, or nil.
struct RunChecker: Sendable {
    /// What is kept of an event for the record; a number is a slot.
    enum Note: Sendable {
        case added
        case arrival(UInt32)
        case timer
        case copiedIn(UInt32)
        case kernelsDone(UInt32)
        case finished(UInt32)
        case killed(UInt32)
        case deviceLost(Int)
        case deviceReturned(Int)
        case stop(Action)
        case stage(UInt32)
        case answer(UInt32)
    }

    private struct Counts: Sendable {
        var arrived = 0
        var met = 0
        var late = 0
        var shed = 0
        var failed = 0
    }

    /// Events told of when something breaks.
    private static let notesKept = 32

    var requests: [LiveRequest?] = []
    /// Whether the batch in a slot is stopped, and who is in it.
    var batches: [BatchOnLane] = []
    var lanes: [[UInt32?]]
    var isAway: [Bool]
    private var notes: [(note: Note, at: Instant)] = []
    private var noted = 0
    private var latest = Instant.zero
    private var counts = [Counts](repeating: Counts(), count: RequestClass.allCases.count)
    /// Requests that were not answered yet.
    private(set) var live = 0

    init(devices: Int, lanes: Int) {
        self.lanes = Array(repeating: Array(repeating: nil, count: lanes), count: devices)
        isAway = Array(repeating: false, count: devices)
    }

    mutating func note(_ note: Note, at now: Instant) {
        if notes.count < Self.notesKept { notes.append((note, now)) } else { notes[noted % notes.count] = (note, now) }
        noted += 1
    }

    /// The last events, one a line.
    var history: String {
        (0..<notes.count).map { offset in
            let (note, at) = notes[noted <= notes.count ? offset : (noted + offset) % notes.count]
            return "  \(at.nanoseconds) ns: \(note)\n"
        }.joined()
    }

    /// The request of an identifier, if it waits for its answer.
    func live(_ id: RequestID) -> LiveRequest? {
        guard id.slot < requests.count, let request = requests[Int(id.slot)], request.id == id else { return nil }
        return request
    }

    mutating func arrived(_ request: LiveRequest) {
        while requests.count <= Int(request.id.slot) { requests.append(nil) }
        requests[Int(request.id.slot)] = request
        counts[request.requestClass.rawValue].arrived += 1
        live += 1
    }

    mutating func answered(_ request: LiveRequest, _ outcome: Outcome, at now: Instant) -> String? {
        let name = "request \(request.id.slot)"
        requests[Int(request.id.slot)] = nil
        live -= 1
        let place = request.requestClass.rawValue
        switch outcome {
        case .met, .late:
            guard request.isRunning else { return "\(name) is answered without having run" }
            let isMet = outcome == .met
            if isMet != (now <= request.deadline) { return "\(name) is called \(outcome), due at \(request.deadline)" }
            if isMet { counts[place].met += 1 } else { counts[place].late += 1 }
        case .shed:
            if request.isRunning { return "\(name) is shed while it runs" }
            counts[place].shed += 1
        case .failed:
            if request.losses < 2 { return "\(name) has failed, with \(request.losses) devices lost under it" }
            counts[place].failed += 1
        case .cancelled: return "\(name) is answered \(outcome), though nobody cancelled"
        }
        return nil
    }

    mutating func staged(_ batch: StagedBatch, members: ArraySlice<RequestID>, at now: Instant) -> String? {
        let name = "batch \(batch.batch.slot)"
        if now < latest { return "time goes back" }
        latest = now
        if batch.predictedFinish < now { return "\(name) is predicted to finish in the past" }
        if isAway[batch.device.index] { return "\(name) gets device \(batch.device.index), which is gone" }
        if let other = lanes[batch.device.index][batch.lane.index] {
            return "\(name) gets lane \(batch.lane.index), which batch \(other) holds"
        }
        lanes[batch.device.index][batch.lane.index] = batch.batch.slot
        var rows = 0
        for id in members {
            guard let request = live(id) else { return "\(name) has the member \(id.slot), which is answered" }
            if request.isRunning { return "\(name) has the member \(id.slot), which runs already" }
            if request.model != batch.model.index { return "\(name) has the member \(id.slot) of another model" }
            requests[Int(id.slot)]?.isRunning = true
            rows += request.rows
        }
        noteStaged(batch.batch.slot, members)
        if rows != batch.rows { return "\(name) has \(batch.rows) rows, and members with \(rows)" }
        return nil
    }

    mutating func leaveLane(device: Int, lane: Int) { lanes[device][lane] = nil }

    func brokenAtEnd(_ scheduler: Scheduler, jobs: Int) -> String? {
        if live != 0 { return "\(live) requests were never answered" }
        if jobs != 0 { return "\(jobs) batches are left on the devices" }
        for requestClass in RequestClass.allCases {
            let theirs = scheduler.counters(of: requestClass)
            let ours = counts[requestClass.rawValue]
            let isAgreed =
                (theirs.arrived, theirs.met, theirs.late, theirs.shed, theirs.failed)
                == (ours.arrived, ours.met, ours.late, ours.shed, ours.failed)
            if !isAgreed || theirs.ended != theirs.arrived {
                return "the scheduler counted \(theirs), the driver \(ours)"
            }
        }
        return nil
    }
}
