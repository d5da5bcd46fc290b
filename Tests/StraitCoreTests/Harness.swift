// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// A seeded generator, so that a failing seed fails again (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// A virtual machine around a scheduler: virtual time, lanes whose batches take the true times that the test sets, and
/// a watch over every action.
struct Harness {
    var scheduler: Scheduler
    var now = Instant.zero
    /// How long a batch truly takes.
    var trueTime: (StagedBatch) -> Duration = { _ in .milliseconds(10) }
    /// Whether a batch fails.
    var fails: (StagedBatch) -> Bool = { _ in false }

    private(set) var outcomes: [RequestID: Outcome] = [:]
    private(set) var answeredAt: [RequestID: Instant] = [:]
    /// Every batch in the order of dispatch, with when, and who was in it.
    private(set) var batches: [(at: Instant, batch: StagedBatch, members: [RequestID])] = []
    private(set) var requests: [RequestID: Request] = [:]
    /// Batches on devices, each with what is still to happen to it.
    private var running: [(batch: StagedBatch, events: [(at: Instant, event: Event)])] = []
    private let copies: Bool
    private var timer: Instant?
    private var freeSlots: [RequestID] = []
    private var slots: UInt32 = 0
    private var actions = ActionList()

    init(
        policy: PolicyName = .edfPriority, lanes: [Int] = [1], models: [ModelDescription] = [.init(maximumBatch: 8)],
        limits: SchedulerLimits = SchedulerLimits(), copies: Bool = false,
        options: SchedulerOptions = SchedulerOptions()
    ) {
        scheduler = Scheduler(policy: policy, limits: limits, options: options)
        self.copies = copies
        let copying = copies ? CopyDescription(overhead: .microseconds(10), bytesPerSecond: 1e10) : nil
        for count in lanes { step(.deviceAdded(DeviceDescription(lanes: count, copying: copying))) }
        for model in models { step(.modelAdded(model)) }
    }

    /// Steps the scheduler and carries out its actions, checking each.
    mutating func step(_ event: Event) {
        scheduler.step(event, at: now, into: &actions)
        for action in actions.actions {
            switch action {
            case .setTimer(let instant): timer = instant
            case .answer(let id, let outcome):
                #expect(requests[id] != nil, "\(id) was never asked")
                #expect(outcomes[id] == nil, "\(id) is answered twice: \(String(describing: outcomes[id])), \(outcome)")
                outcomes[id] = outcome
                answeredAt[id] = now
                freeSlots.append(RequestID(slot: id.slot, generation: id.generation + 1))
            case .stage(let batch):
                let members = Array(actions.members[batch.members])
                #expect(
                    !running.contains {
                        $0.batch.device == batch.device && $0.batch.lane == batch.lane && $0.events.count > 1
                    }, "lane \(batch.lane) is booked twice")
                #expect(members.allSatisfy { outcomes[$0] == nil }, "an answered request is run")
                #expect(members.reduce(0) { $0 + (requests[$1]?.rows ?? 0) } == batch.rows)
                #expect(batch.predictedFinish >= now)
                batches.append((now, batch, members))
                running.append((batch, course(of: batch)))
            }
        }
        if let broken = scheduler.brokenInvariant() { Issue.record("\(broken), after \(event) at \(now)") }
    }

    /// What will happen to a batch that is staged now. Without copying there is one event, else three; a lane is held
    /// until the second last.
    private func course(of batch: StagedBatch) -> [(at: Instant, event: Event)] {
        let time = trueTime(batch)
        let end: Event =
            fails(batch)
            ? .failed(batch.batch)
            : .finished(batch.batch, MeasuredTimes(copyIn: .zero, kernels: time, copyOut: .zero))
        // A lane is free once only one event is left, so without copying a second one stands for the end.
        guard copies else { return [(now + time, end), (.never, .timer)] }
        let copied = now + time * 0.2
        return [
            (copied, .copiedIn(batch.batch)), (copied + time, .kernelsDone(batch.batch)), (copied + time * 1.2, end),
        ]
    }

    /// A request arrives now; its deadline is given relative to now.
    @discardableResult
    mutating func arrive(
        _ requestClass: RequestClass, model: Int = 0, due deadline: Duration, rows: Int = 1, shape: UInt32 = 0,
        elements: Int = 1
    ) -> RequestID {
        let id = freeSlots.popLast() ?? RequestID(slot: slots, generation: 0)
        slots = max(slots, id.slot + 1)
        let request = Request(
            id: id, work: WorkShape(model: ModelID(index: model), elementsPerRow: elements),
            shape: ShapeID(number: shape), requestClass: requestClass, rows: rows, deadline: now + deadline)
        requests[id] = request
        step(.arrival(request))
        return id
    }

    /// Lets virtual time pass: batches end, the timer fires.
    mutating func advance(by duration: Duration) { advance(to: now + duration) }

    /// Lets virtual time pass until an instant.
    mutating func advance(to end: Instant) {
        while true {
            let index = running.indices.min { running[$0].events[0].at < running[$1].events[0].at }
            let nextEvent = index.map { running[$0].events[0].at } ?? .never
            let nextTimer = timer ?? .never
            guard min(nextEvent, nextTimer) <= end else { break }
            if nextTimer < nextEvent {
                now = max(now, nextTimer)
                timer = nil
                step(.timer)
            } else if let index {
                let (at, event) = running[index].events.removeFirst()
                now = max(now, at)
                switch event {
                case .finished, .failed: running.remove(at: index)
                default: break
                }
                step(event)
            }
        }
        now = max(now, end)
    }

    /// Runs until nothing waits or runs.
    mutating func drain() {
        while !running.isEmpty || scheduler.waiting(.high) + scheduler.waiting(.low) > 0 {
            let before = now
            advance(by: .seconds(1))
            guard now - before <= .seconds(3600) else { break }
        }
    }

    /// Teaches the scheduler a model's times at batch 1, with requests that are never in a hurry.
    mutating func teach(model: Int = 0, time: Duration, elements: Int = 1, completions: Int = 6) {
        let before = trueTime
        trueTime = { batch in batch.model.index == model ? time * Double(batch.rows) : before(batch) }
        for _ in 0..<completions {
            arrive(.high, model: model, due: .seconds(1000), elements: elements)
            advance(by: time * 2)
        }
        trueTime = before
    }
}
