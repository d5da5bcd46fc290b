// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// Plays a timeline, and holds what follows against what it says should.
func play(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) {
    if let difference = difference(text) { Issue.record("\(difference)", sourceLocation: sourceLocation) }
}

/// What is not as a timeline says, in words; nil when all is.
func difference(_ text: String) -> String? {
    do {
        var run = TimelineRun(try Timeline(text))
        run.play()
        return run.firstDifference.map { run.comparison(until: $0) }
    } catch { return "\(error)" }
}

/// A scheduler that lives through a timeline.
struct TimelineRun {
    private struct Batch {
        var id: BatchID
        var device: Int
        var lane: Int
        var members: [String]
        /// When its phases began.
        var phases: [Instant]
        var holdsLane = true
    }

    private let timeline: Timeline
    private var scheduler: Scheduler
    private var actual: [TimelineEntry] = []
    private var now = Instant.zero
    private var timer = Instant.never
    private var actions = ActionList()
    private var devices: [String] = []
    private var copies: [Bool] = []
    private var models: [String] = []
    private var batches: [Batch] = []
    /// The requests, in the order of their slots; each has a slot of its own.
    private var requests: [(name: String, rows: Int, isAnswered: Bool)] = []

    /// Two instants this close are one on the axis: what is hopeless is so from a nanosecond after its last chance on.
    private static let resolution = StraitCore.Duration.microseconds(10)

    init(_ timeline: Timeline) {
        self.timeline = timeline
        scheduler = Scheduler(policy: timeline.policy, limits: timeline.limits)
    }

    mutating func play() {
        for entry in timeline.entries {
            if case .timer = entry.event {
                fireTimers(before: entry.at + Self.resolution)
                continue
            }
            fireTimers(before: entry.at)
            now = max(now, entry.at)
            var entry = entry
            entry.outcomes = []
            actual.append(entry)
            do { try carryOut(entry.event) } catch {
                note("that cannot be: \(error)")
                return
            }
        }
        let open = requests.filter { !$0.isAnswered }.map(\.name)
        if !open.isEmpty { note("\(open.joined(separator: " ")) never answered") }
    }

    private mutating func note(_ outcome: String) { actual[actual.count - 1].outcomes.append(outcome) }

    private mutating func fireTimers(before end: Instant) {
        while timer < end {
            now = max(now, timer)
            timer = .never
            actual.append(TimelineEntry(at: now, event: .timer, text: "timer", line: 0))
            step(.timer)
            if actual.last?.outcomes.isEmpty == true { actual.removeLast() }
        }
    }

    // -- events ---------------------------------------------------------------------------------------------------

    private struct Impossible: Error, CustomStringConvertible { let description: String }

    private mutating func carryOut(_ event: TimelineEvent) throws {
        switch event {
        case .device(let name, let lanes, let isCopying):
            devices.append(name)
            copies.append(isCopying)
            let copying = CopyDescription(overhead: .milliseconds(1), bytesPerSecond: 1e10)
            step(.deviceAdded(DeviceDescription(lanes: lanes, copying: isCopying ? copying : nil)))
        case .model(let name, let description):
            let number = scheduler.nextModel.index
            if number < models.count { models[number] = name } else { models.append(name) }
            step(.modelAdded(description))
        case .removal(let name, let isOfModel):
            guard let index = (isOfModel ? models : devices).firstIndex(of: name) else {
                throw Impossible(description: "there is no \(name)")
            }
            step(isOfModel ? .modelRemoved(ModelID(index: index)) : .deviceRemoved(DeviceID(index: index)))
            guard !isOfModel else { return }
            for batch in batches.indices where batches[batch].device == index { batches[batch].holdsLane = false }
        case .returning(let name):
            guard let index = devices.firstIndex(of: name) else { throw Impossible(description: "there is no \(name)") }
            step(.deviceReturned(DeviceID(index: index)))
        case .arrival(let names, let model, let requestClass, let rows, let due):
            guard let model = model.map({ models.firstIndex(of: $0) }) ?? 0 else {
                throw Impossible(description: "there is no such model")
            }
            for name in names {
                let id = RequestID(slot: UInt32(requests.count), generation: 0)
                requests.append((name, rows, false))
                step(
                    .arrival(
                        Request(
                            id: id, work: WorkShape(model: ModelID(index: model), elementsPerRow: 1),
                            shape: ShapeID(number: 0), requestClass: requestClass, rows: rows, deadline: due)))
            }
        case .cancel(let name):
            guard let slot = requests.firstIndex(where: { $0.name == name }) else {
                throw Impossible(description: "there is no such request")
            }
            step(.cancelled(RequestID(slot: UInt32(slot), generation: 0)))
        case .batch(let batch, let progress): try advance(find(batch), progress)
        case .timer: break
        }
    }

    private func find(_ batch: TimelineBatch) throws -> Int {
        let found: Int? =
            switch batch {
            case .onLane(let device, let lane):
                batches.firstIndex {
                    $0.holdsLane && $0.lane == lane && $0.device == device.map { devices.firstIndex(of: $0) ?? -1 } ?? 0
                }
            case .withRequest(let name): batches.firstIndex { $0.members.contains(name) }
            }
        guard let found else { throw Impossible(description: "there is no such batch") }
        return found
    }

    private mutating func advance(_ index: Int, _ progress: TimelineProgress) throws {
        let batch = batches[index]
        batches[index].phases.append(now)
        switch progress {
        case .copiedIn: step(.copiedIn(batch.id))
        case .kernelsDone:
            batches[index].holdsLane = false
            step(.kernelsDone(batch.id))
        case .fails:
            batches.remove(at: index)
            step(.failed(batch.id))
        case .done:
            guard batch.phases.count == (copies[batch.device] ? 3 : 1) else {
                throw Impossible(description: "its kernels are not done")
            }
            batches.remove(at: index)
            let spans = zip(batch.phases, batch.phases.dropFirst() + [now]).map { $1 - $0 }
            step(
                .finished(
                    batch.id,
                    copies[batch.device]
                        ? MeasuredTimes(copyIn: spans[0], kernels: spans[1], copyOut: spans[2])
                        : MeasuredTimes(copyIn: .zero, kernels: spans[0], copyOut: .zero)))
        }
    }

    private mutating func step(_ event: Event) {
        scheduler.step(event, at: now, into: &actions)
        for action in actions.actions {
            switch action {
            case .setTimer(let instant): timer = instant
            case .answer(let id, let outcome):
                requests[Int(id.slot)].isAnswered = true
                noteAnswer(requests[Int(id.slot)].name, words(outcome))
            case .pause, .resume, .kill: preconditionFailure("the devices of time lines cannot stop batches")
            case .stage(let staged):
                let slots = actions.members[staged.members].map { Int($0.slot) }
                let names = slots.map { requests[$0].name }
                batches.append(
                    Batch(
                        id: staged.batch, device: staged.device.index, lane: staged.lane.index, members: names,
                        phases: [now]))
                let device = devices.count > 1 ? "\(devices[staged.device.index]) " : ""
                let rows = slots.contains { requests[$0].rows > 1 } ? " (\(staged.rows) rows)" : ""
                note("\(device)lane \(staged.lane.index): \(names.joined(separator: " "))\(rows)")
            }
        }
        if let broken = scheduler.brokenInvariant() { note("that breaks the tables: \(broken)") }
    }

    /// Requests that end alike one after the other share a line.
    private mutating func noteAnswer(_ name: String, _ words: String) {
        if let last = actual[actual.count - 1].outcomes.last, last.hasSuffix(" \(words)"), !last.contains(":") {
            actual[actual.count - 1].outcomes.removeLast()
            note("\(last.dropLast(words.count + 1)) \(name) \(words)")
        } else {
            note("\(name) \(words)")
        }
    }

    private func words(_ outcome: Outcome) -> String {
        switch outcome {
        case .met: "met"
        case .late: "late"
        case .failed: "failed"
        case .cancelled: "cancelled"
        case .shed(.hopelessOnArrival, _): "refused on arrival"
        case .shed(.hopelessInQueue, _): "given up in the queue"
        case .shed(.queueFull, _): "refused queue full"
        case .shed(.modelQueueFull, _): "refused model queue full"
        case .shed(.modelUnloaded, _): "given up unloaded"
        }
    }

    // -- comparing ------------------------------------------------------------------------------------------------

    /// The first entry that is not as expected; nil if all are.
    var firstDifference: Int? {
        let expected = timeline.entries
        for index in 0..<max(expected.count, actual.count) {
            guard index < expected.count, index < actual.count else { return index }
            let (left, right) = (expected[index], actual[index])
            let isSameTime = right.at - left.at <= Self.resolution && left.at - right.at <= Self.resolution
            if left.text != right.text || left.outcomes != right.outcomes || !isSameTime { return index }
        }
        return nil
    }

    /// Expected and actual side by side, up to and with the entry that differs.
    func comparison(until difference: Int) -> String {
        let expected = timeline.entries
        let line = difference < expected.count ? expected[difference].line : (expected.last?.line ?? 0) + 1
        var text = "not as line \(line) of the timeline says\n\n"
        text += "  \(Self.padded("expected"))| actual\n"
        for index in 0...difference {
            let left = index < expected.count ? Self.lines(expected[index]) : ["(nothing more)"]
            let right = index < actual.count ? Self.lines(actual[index]) : ["(nothing more)"]
            for row in 0..<max(left.count, right.count) {
                let (one, other) = (row < left.count ? left[row] : "", row < right.count ? right[row] : "")
                text += "\(one == other ? " " : "!") \(Self.padded(one))| \(other)\n"
            }
        }
        return text
    }

    private static func lines(_ entry: TimelineEntry) -> [String] {
        let hundredths = ((entry.at - .zero).milliseconds * 100).rounded() / 100
        let time = hundredths == hundredths.rounded() ? "\(Int(hundredths))" : "\(hundredths)"
        return [String(repeating: " ", count: max(0, 6 - time.count)) + "\(time) ms  \(entry.text)"]
            + entry.outcomes.map { "           => \($0)" }
    }

    private static func padded(_ text: String) -> String {
        text + String(repeating: " ", count: max(1, 48 - text.count))
    }
}
