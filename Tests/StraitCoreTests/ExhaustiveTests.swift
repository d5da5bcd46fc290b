// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import Testing

/// Small cases, all of them: every sequence of a few events, under every policy, on one lane and on two. After each event
/// the tables are right, and in the end every request has been answered once.
@Suite struct ExhaustiveTests {
    @Test(arguments: PolicyName.allCases, SmallAlphabet.all)
    func `every short sequence of events keeps the invariants`(policy: PolicyName, alphabet: SmallAlphabet) {
        for lanes in 1...2 {
            var tree = SequenceTree(alphabet)
            tree.grow(SmallWorld(policy, lanes: lanes))
            #expect(tree.broken == nil, "\(policy), \(lanes) lanes")
            #expect(tree.sequences > 1000)
        }
    }
}

/// What can happen in a small world.
enum SmallEvent: CaseIterable {
    /// A request of model 0, which takes one row at a time; due soon, or later.
    case highShort, highLong, lowShort, lowLong
    /// A request of model 1, which gains by batching.
    case otherHighLong, otherLowShort
    /// The oldest batch ends, or fails.
    case finish, fail
    /// The oldest request that is not answered goes away.
    case cancel
    /// The timer that was asked for comes.
    case timer
}

/// Events, and how many of them make a sequence. All events give 10^n sequences; fewer reach deeper.
struct SmallAlphabet: Sendable {
    let events: [SmallEvent]
    let depth: Int

    static let all = [
        SmallAlphabet(events: SmallEvent.allCases, depth: 4),
        SmallAlphabet(events: [.highShort, .otherLowShort, .finish, .timer], depth: 6),
        SmallAlphabet(events: [.lowLong, .otherHighLong, .fail, .cancel], depth: 6),
    ]
}

/// All sequences over an alphabet.
struct SequenceTree {
    private let alphabet: SmallAlphabet
    private var path: [SmallEvent] = []
    /// Sequences that were played to their end.
    private(set) var sequences = 0
    /// The first thing that was wrong, and after which events.
    private(set) var broken: String?

    init(_ alphabet: SmallAlphabet) { self.alphabet = alphabet }

    mutating func grow(_ world: SmallWorld) {
        if path.count == alphabet.depth {
            var world = world
            sequences += 1
            if let wrong = world.drain() { broken = "\(wrong), at the end of \(path)" }
            return
        }
        for event in alphabet.events {
            var next = world
            guard next.play(event) else { continue }
            path.append(event)
            if let wrong = next.broken ?? next.brokenTable() { broken = "\(wrong), after \(path)" }
            if broken == nil { grow(next) }
            path.removeLast()
            guard broken == nil else { return }
        }
    }
}

/// A scheduler with two models, and all that its driver knows. A value: each branch of the tree goes on with its own.
struct SmallWorld {
    private var scheduler: Scheduler
    private var now = Instant.zero
    private var timer = Instant.never
    private var running: [(batch: BatchID, stagedAt: Instant)] = []
    private var live: [RequestID] = []
    private var arrived: UInt32 = 0
    private var actions = ActionList()
    private(set) var broken: String?

    private static let between = Duration.milliseconds(3)

    init(_ policy: PolicyName, lanes: Int) {
        var options = SchedulerOptions()
        // What it learns from so few batches decides nothing, and costs most of the time here.
        options.estimator = .solo
        scheduler = Scheduler(policy: policy, options: options)
        step(.deviceAdded(DeviceDescription(lanes: lanes)))
        let demand = Demand(compute: 0.7, bandwidth: 0.3, cache: 0.2)
        step(.modelAdded(ModelDescription(maximumBatch: 1, profile: profile(0, 10, demand: demand))))
        step(.modelAdded(ModelDescription(maximumBatch: 4, profile: profile(8, 1, demand: demand))))
    }

    /// Plays an event, a little later than the last; false where it cannot be.
    mutating func play(_ event: SmallEvent) -> Bool {
        switch event {
        case .highShort: arrive(.high, model: 0, due: 12)
        case .highLong: arrive(.high, model: 0, due: 60)
        case .lowShort: arrive(.low, model: 0, due: 12)
        case .lowLong: arrive(.low, model: 0, due: 60)
        case .otherHighLong: arrive(.high, model: 1, due: 60)
        case .otherLowShort: arrive(.low, model: 1, due: 12)
        case .finish:
            guard !running.isEmpty else { return false }
            now = now + Self.between
            finish()
        case .fail:
            guard !running.isEmpty else { return false }
            now = now + Self.between
            step(.failed(running.removeFirst().batch))
        case .cancel:
            guard let first = live.first else { return false }
            now = now + Self.between
            step(.cancelled(first))
        case .timer:
            guard timer < .never else { return false }
            fire()
        }
        return true
    }

    /// Lets everything end, and says what is wrong then.
    mutating func drain() -> String? {
        // Each round ends a batch or fires a timer; the policies that retry do so every half millisecond.
        for _ in 0..<1000 {
            if let first = running.first, first.stagedAt + .milliseconds(10) <= timer {
                now = max(now, first.stagedAt + .milliseconds(10))
                finish()
            } else if timer < .never {
                fire()
            } else {
                break
            }
        }
        if !live.isEmpty { return "\(live) never answered" }
        return broken ?? scheduler.brokenTable()
    }

    func brokenTable() -> String? { scheduler.brokenTable() }

    private mutating func arrive(_ requestClass: RequestClass, model: Int, due: Double) {
        now = now + Self.between
        let id = RequestID(slot: arrived, generation: 0)
        arrived += 1
        live.append(id)
        step(
            .arrival(
                Request(
                    id: id, work: WorkShape(model: ModelID(index: model), elementsPerRow: 1),
                    shape: ShapeID(number: 0), requestClass: requestClass, rows: 1, deadline: now + .milliseconds(due)))
        )
    }

    private mutating func finish() {
        let batch = running.removeFirst()
        step(
            .finished(batch.batch, MeasuredTimes(copyIn: .zero, kernels: now - batch.stagedAt, copyOut: .zero)))
    }

    private mutating func fire() {
        now = max(now, timer)
        timer = .never
        step(.timer)
    }

    private mutating func step(_ event: Event) {
        scheduler.step(event, at: now, into: &actions)
        for action in actions.actions {
            switch action {
            case .setTimer(let instant): timer = instant
            case .answer(let id, _):
                guard let index = live.firstIndex(of: id) else {
                    broken = "\(id) is answered, but nobody waits for it"
                    return
                }
                live.remove(at: index)
            case .pause, .resume, .kill: preconditionFailure("its devices cannot stop batches")
            case .stage(let batch):
                running.append((batch.batch, now))
                if batch.predictedFinish < now { broken = "\(batch) is predicted to finish in the past" }
            }
        }
    }
}
