// SPDX-License-Identifier: Apache-2.0

public import StraitCore

/// Told of each step of a ``Machine``'s scheduler, for whoever measures them.
public protocol StepObserver: AnyObject {
    /// A step begins.
    func willStep()
    /// It has ended, with these actions.
    func didStep(_ actions: [Action])
}

/// A machine in virtual time that loads a scheduler: batches take what their profile says, and each that ends is replaced
/// by new requests, so that the queues keep their length. The same numbers lead to the same steps.
public struct Machine {
    private var scheduler: Scheduler
    private var actions = ActionList()
    private var now = Instant.zero
    private var pending: [(at: Instant, event: Event, requests: Int)] = []
    private var freeSlots: [RequestID] = []
    private var slots: UInt32 = 0
    private var random: UInt64 = 1
    private let models: Int
    /// Steps of the scheduler since its devices and models were added.
    public private(set) var steps = 0
    /// Told of each step; nil where nobody wants to know.
    public var observer: (any StepObserver)?

    /// A machine with idle devices of three lanes.
    ///
    /// - Parameters:
    ///   - prunes: whether `strait` leaves out models that cannot be best.
    ///   - explanations: how many decisions are kept.
    public init(policy: PolicyName, devices: Int, models: Int, prunes: Bool = true, explanations: Int = 0) {
        var options = SchedulerOptions()
        options.explanations = explanations
        options.strait.prunes = prunes
        scheduler = Scheduler(policy: policy, limits: SchedulerLimits(maximumWaiting: 1_000_000), options: options)
        self.models = models
        let copying = CopyDescription(overhead: .microseconds(10), bytesPerSecond: 2.4e10)
        for _ in 0..<devices {
            scheduler.step(.deviceAdded(DeviceDescription(lanes: 3, copying: copying)), at: now, into: &actions)
        }
        for model in 0..<models {
            let points = [1, 2, 4, 8, 16, 32].map { rows in
                ModelProfile.Point(
                    rows: rows, kernelTime: .milliseconds(1 + 0.1 * Double(model % 5) + 0.4 * Double(rows)),
                    demand: Demand(compute: 0.4 + 0.015 * Double(rows), bandwidth: 0.3, cache: 0.2))
            }
            let profile = ModelProfile(curves: [.init(bucket: 0, points: points)], bytesInPerRow: 600_000)
            scheduler.step(
                .modelAdded(ModelDescription(maximumBatch: 32, profile: profile)), at: now, into: &actions)
        }
    }

    /// A request arrives.
    public mutating func arrive() {
        let id = freeSlots.popLast() ?? RequestID(slot: slots, generation: 0)
        slots = max(slots, id.slot + 1)
        let isHigh = next(10) < 3
        let due = Duration.milliseconds(Double(500 + next(100_000)))
        step(
            .arrival(
                Request(
                    id: id, work: WorkShape(model: ModelID(index: Int(next(UInt64(models)))), bucket: 0),
                    shape: ShapeID(number: 0), requestClass: isHigh ? .high : .low, rows: 1, deadline: now + due)))
    }

    /// Handles the next event of a device; a batch that ended is replaced by as many new requests.
    public mutating func advance() {
        guard let index = pending.indices.min(by: { pending[$0].at < pending[$1].at }) else { return }
        let (at, event, requests) = pending.remove(at: index)
        now = max(now, at)
        step(event)
        for _ in 0..<requests { arrive() }
    }

    private mutating func next(_ bound: UInt64) -> UInt64 {
        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (random >> 33) % bound
    }

    private mutating func step(_ event: Event) {
        steps += 1
        observer?.willStep()
        scheduler.step(event, at: now, into: &actions)
        observer?.didStep(actions.actions)
        for action in actions.actions {
            switch action {
            case .setTimer, .pause, .resume, .kill: break
            case .answer(let id, _):
                freeSlots.append(RequestID(slot: id.slot, generation: id.generation &+ 1))
            case .stage(let batch):
                let copied = now + .microseconds(300)
                let done = copied + .milliseconds(2 + 0.5 * Double(batch.rows))
                let times = MeasuredTimes(
                    copyIn: .microseconds(300), kernels: done - copied, copyOut: .microseconds(10))
                pending.append((copied, .copiedIn(batch.batch), 0))
                pending.append((done, .kernelsDone(batch.batch), 0))
                pending.append((done + .microseconds(10), .finished(batch.batch, times), batch.members.count))
            }
        }
    }
}
